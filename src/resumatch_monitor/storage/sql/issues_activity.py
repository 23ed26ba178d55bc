"""What happened to issues and what people say of them, in the relational database."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from resumatch_monitor.errortracking.workflow.store import ActivityEntry, ActivityPage
from resumatch_monitor.storage.sql.issues_list import decode_cursor, encode_cursor
from resumatch_monitor.storage.sql.issues_workflow import SqlIssueWorkflow
from resumatch_monitor.storage.sql.tables.accounts import USERS
from resumatch_monitor.storage.sql.tables.errors import ISSUE_ACTIVITY, ISSUES

_COMMENT = "comment"
_CURSOR = "activity_of_issue"
_PEOPLE_MAX = 500


class SqlIssueDesk(SqlIssueWorkflow):
    """Implements `IssueWorkflow` and `CommentBook`."""

    async def activity(self, issue_id: int, *, cursor: str | None, limit: int) -> ActivityPage:
        """Return a page of an issue's activity, the latest first."""
        after = decode_cursor(cursor, _CURSOR)
        query = select(ISSUE_ACTIVITY).where(ISSUE_ACTIVITY.c.issue_id == issue_id)
        if after is not None:
            query = query.where(ISSUE_ACTIVITY.c.id < after[1])
        query = query.order_by(ISSUE_ACTIVITY.c.id.desc()).limit(limit + 1)

        def read(connection: Connection) -> list[ActivityEntry]:
            return [
                ActivityEntry(row.id, row.at, row.kind, row.actor, row.text, row.edited_at)
                for row in connection.execute(query)
            ]

        found = await self._database.read(read)
        items = found[:limit]
        more = len(found) > limit
        return ActivityPage(items, encode_cursor(_CURSOR, 0, items[-1].id) if more else None)

    async def comment(
        self, issue_id: int, text: str, *, actor: str, at: datetime
    ) -> ActivityEntry | None:
        """Add a comment; None if there is no such issue."""

        def write(connection: Connection) -> ActivityEntry | None:
            if connection.scalar(select(ISSUES.c.id).where(ISSUES.c.id == issue_id)) is None:
                return None
            key = connection.execute(
                insert(ISSUE_ACTIVITY).values(
                    issue_id=issue_id, at=at, kind=_COMMENT, actor=actor, text=text
                )
            ).inserted_primary_key
            number = int(key[0]) if key is not None else 0
            return ActivityEntry(number, at, _COMMENT, actor, text, None)

        return await self.write(write)

    async def find_comment(self, issue_id: int, comment_id: int) -> ActivityEntry | None:
        """Return a comment."""
        columns = ISSUE_ACTIVITY.c
        query = select(ISSUE_ACTIVITY).where(
            columns.id == comment_id, columns.issue_id == issue_id, columns.kind == _COMMENT
        )

        def read(connection: Connection) -> ActivityEntry | None:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return ActivityEntry(row.id, row.at, row.kind, row.actor, row.text, row.edited_at)

        return await self._database.read(read)

    async def edit_comment(self, comment_id: int, text: str, *, at: datetime) -> None:
        """Change a comment's text."""
        await self.write(
            lambda connection: connection.execute(
                update(ISSUE_ACTIVITY)
                .where(ISSUE_ACTIVITY.c.id == comment_id, ISSUE_ACTIVITY.c.kind == _COMMENT)
                .values(text=text, edited_at=at)
            )
        )

    async def delete_comment(self, comment_id: int) -> None:
        """Forget a comment."""
        await self.write(
            lambda connection: connection.execute(
                delete(ISSUE_ACTIVITY).where(
                    ISSUE_ACTIVITY.c.id == comment_id, ISSUE_ACTIVITY.c.kind == _COMMENT
                )
            )
        )

    async def list_people(self) -> Sequence[str]:
        """Return the people who can sign in, and whoever else has issues, in order."""

        def read(connection: Connection) -> list[str]:
            users = connection.scalars(
                select(USERS.c.email).where(USERS.c.disabled_at.is_(None)).limit(_PEOPLE_MAX)
            )
            assigned = connection.scalars(
                select(ISSUES.c.assignee)
                .where(ISSUES.c.assignee.is_not(None))
                .distinct()
                .limit(_PEOPLE_MAX)
            )
            return sorted({*users, *(name for name in assigned if name)})[:_PEOPLE_MAX]

        return await self._database.read(read)
