"""How projects group, in SQL, and the stored events on which that is tried."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.errortracking.grouping.project import StoredGrouping
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION
from resumatch_monitor.errortracking.issues import render_short_id
from resumatch_monitor.errortracking.regroup.settings import GroupingChange
from resumatch_monitor.errortracking.regroup.stored import SampleEvent
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUE_EVENTS, ISSUES
from resumatch_monitor.storage.sql.tables.grouping import (
    PROJECT_GROUPING_CHANGES,
    PROJECT_GROUPINGS,
)

_CHANGES_SHOWN = 50
_CHANGES_KEPT = 500


class SqlGroupingStore:
    """Implements `GroupingSource` and `GroupingStore` of error tracking."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_groupings(self) -> Sequence[StoredGrouping]:
        """Return every project that has begun."""
        query = select(PROJECT_GROUPINGS)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [StoredGrouping(*row) for row in rows]

    async def find_grouping(self, project_id: int) -> StoredGrouping | None:
        """Return how a project groups; None if it has not begun."""
        query = select(PROJECT_GROUPINGS).where(PROJECT_GROUPINGS.c.project_id == project_id)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else StoredGrouping(*row)

    async def list_changes(self, project_id: int) -> Sequence[GroupingChange]:
        """Return a project's changes, the latest first."""
        columns = PROJECT_GROUPING_CHANGES.c
        query = (
            select(columns.at, columns.actor, columns.kind, columns.text)
            .where(columns.project_id == project_id)
            .order_by(columns.id.desc())
            .limit(_CHANGES_SHOWN)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [GroupingChange(*row) for row in rows]

    async def save_rules(
        self, project_id: int, rules: str, *, replacing: str, change: GroupingChange
    ) -> bool:
        """Keep rules, if they are still `replacing`; return whether they were."""
        columns = PROJECT_GROUPINGS.c

        def write(connection: Connection) -> bool:
            connection.execute(
                upsert(PROJECT_GROUPINGS)
                .values(project_id=project_id, version=CURRENT_VERSION, rules="")
                .on_conflict_do_nothing()
            )
            changed = connection.execute(
                update(PROJECT_GROUPINGS)
                .where(columns.project_id == project_id, columns.rules == replacing)
                .values(rules=rules, updated_at=change.at, updated_by=change.actor)
            ).rowcount
            if changed:
                _note(connection, project_id, change)
            return bool(changed)

        return await self._database.write(write)

    async def save_version(
        self, project_id: int, version: int, *, until: datetime, change: GroupingChange
    ) -> bool:
        """Pin a project to a version, unless it is already; keys of before lead on until then."""
        columns = PROJECT_GROUPINGS.c

        def write(connection: Connection) -> bool:
            changed = connection.execute(
                update(PROJECT_GROUPINGS)
                .where(columns.project_id == project_id, columns.version != version)
                .values(
                    version=version,
                    previous_version=columns.version,
                    previous_until=until,
                    updated_at=change.at,
                    updated_by=change.actor,
                )
            ).rowcount
            if changed:
                _note(connection, project_id, change)
            return bool(changed)

        return await self._database.write(write)


def _note(connection: Connection, project_id: int, change: GroupingChange) -> None:
    columns = PROJECT_GROUPING_CHANGES.c
    connection.execute(
        insert(PROJECT_GROUPING_CHANGES).values(
            project_id=project_id,
            at=change.at,
            actor=change.actor,
            kind=change.kind,
            text=change.text,
        )
    )
    kept = (
        select(columns.id)
        .where(columns.project_id == project_id)
        .order_by(columns.id.desc())
        .limit(_CHANGES_KEPT)
    )
    connection.execute(
        PROJECT_GROUPING_CHANGES.delete().where(
            columns.project_id == project_id, columns.id.not_in(kept)
        )
    )


class SqlEventSamples:
    """Implements `EventSamples` of error tracking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._payloads = PayloadReader()

    async def list_issue_ids(self, project_id: int, *, limit: int) -> Sequence[int]:
        """Return a project's issues, the one seen last first."""
        query = (
            select(ISSUES.c.id)
            .where(ISSUES.c.project_id == project_id)
            .order_by(ISSUES.c.last_seen_at.desc())
            .limit(limit)
        )
        return await self._database.read(lambda connection: connection.scalars(query).all())

    async def read_samples(
        self, issue_ids: Sequence[int], *, per_issue: int
    ) -> Sequence[SampleEvent]:
        """Return the latest events of some issues."""

        def read(connection: Connection) -> list[SampleEvent]:
            return [
                sample
                for number in issue_ids
                for sample in _read_issue(connection, number, per_issue, self._payloads)
            ]

        return await self._database.read(read)


def _read_issue(
    connection: Connection, issue_id: int, limit: int, payloads: PayloadReader
) -> list[SampleEvent]:
    issue = connection.execute(
        select(ISSUES.c.number, ISSUES.c.type, ISSUES.c.value, ERROR_PROJECTS.c.slug)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .where(ISSUES.c.id == issue_id)
    ).first()
    if issue is None:
        return []
    events = ISSUE_EVENTS.c
    title = f"{issue.type}: {issue.value}" if issue.value else issue.type
    return [
        SampleEvent(
            row_id=row.id,
            event_id=row.event_id.hex(),
            issue_id=issue_id,
            short_id=render_short_id(issue.slug, issue.number),
            title=title,
            raw=payloads.unpack(connection, row.dict_id, row.payload)["event"],
        )
        for row in connection.execute(
            select(events.id, events.event_id, events.dict_id, events.payload)
            .where(events.issue_id == issue_id)
            .order_by(events.occurred_at.desc(), events.id.desc())
            .limit(limit)
        )
    ]
