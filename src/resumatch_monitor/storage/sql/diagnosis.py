"""What a diagnosis asks about issues and releases, in SQL."""

from datetime import datetime

from sqlalchemy import select

from resumatch_monitor.diagnosis.sources import IssueFacts, Release
from resumatch_monitor.errortracking.issues import IssueStatus, render_short_id
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ERROR_RELEASES, ISSUES


class SqlDiagnosisErrors:
    """The `Errors` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_issue(self, issue_id: int) -> IssueFacts | None:
        """Return an issue."""
        return await self._find_issue(_select_issues().where(ISSUES.c.id == issue_id))

    async def find_new_issue(self, since: datetime, until: datetime) -> IssueFacts | None:
        """Return the one with the most events of the unresolved issues first seen then."""
        return await self._find_issue(
            _select_issues()
            .where(
                ISSUES.c.status == IssueStatus.UNRESOLVED.value,
                ~ISSUES.c.is_synthetic,
                ISSUES.c.first_seen_at.between(since, until),
            )
            .order_by(ISSUES.c.event_count.desc(), ISSUES.c.id.desc())
            .limit(1)
        )

    async def find_last_release(self, until: datetime) -> Release | None:
        """Return the release whose first event came last."""
        query = (
            select(ERROR_RELEASES, ERROR_PROJECTS.c.slug)
            .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ERROR_RELEASES.c.project_id)
            .where(ERROR_RELEASES.c.first_seen_at <= until)
            .order_by(ERROR_RELEASES.c.first_seen_at.desc())
            .limit(1)
        )
        row = await self._first(query)
        if row is None:
            return None
        return Release(
            project=row.slug,
            version=row.version,
            first_seen_at=row.first_seen_at,
            path=f"/issues?project={row.project_id}",
        )

    async def _find_issue(self, query: AnySelect) -> IssueFacts | None:
        row = await self._first(query)
        if row is None:
            return None
        title = f"{row.type}: {row.value}" if row.type and row.value else row.type or row.value
        return IssueFacts(
            id=row.id,
            short_id=render_short_id(row.slug, row.number),
            title=title,
            event_count=row.event_count,
            user_count=row.user_count,
            first_seen_at=row.first_seen_at,
            release=row.last_release or "",
        )

    async def _first(self, query: AnySelect) -> AnyRow | None:
        return await self._database.read(lambda connection: connection.execute(query).first())


def _select_issues() -> AnySelect:
    return select(ISSUES, ERROR_PROJECTS.c.slug).join(
        ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id
    )
