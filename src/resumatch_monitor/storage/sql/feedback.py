"""What users wrote, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select

from resumatch_monitor.errortracking.feedback import MOST_FEEDBACK, Feedback
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digested_items import keep_new
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS
from resumatch_monitor.storage.sql.tables.release_health import USER_FEEDBACK

_DELETED_AT_ONCE = 1_000


class SqlFeedback:
    """Implements `FeedbackStore` and `FeedbackReader` of `errortracking.feedback`."""

    def __init__(self, database: Database, *, retention: timedelta) -> None:
        self._database = database
        self._retention = retention

    async def add(self, records: Sequence[ItemRecord], feedback: Sequence[Feedback]) -> None:
        """See `FeedbackStore`."""
        await self._database.write(lambda connection: _add(connection, records, feedback))

    async def list_feedback(
        self,
        *,
        project_id: int | None,
        issue_id: int | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[Feedback]:
        """See `FeedbackReader`."""
        table = USER_FEEDBACK
        of_event = and_(
            ISSUE_EVENTS.c.project_id == table.c.project_id,
            ISSUE_EVENTS.c.event_id == table.c.event_id,
        )
        query = (
            select(table, ISSUE_EVENTS.c.issue_id)
            .outerjoin(ISSUE_EVENTS, of_event)
            .order_by(table.c.id.desc())
            .limit(limit)
        )
        if project_id is not None:
            query = query.where(table.c.project_id == project_id)
        if issue_id is not None:
            query = query.where(ISSUE_EVENTS.c.issue_id == issue_id)
        if before_id is not None:
            query = query.where(table.c.id < before_id)
        return await self._database.read(
            lambda connection: [_to_feedback(row) for row in connection.execute(query)]
        )

    async def expire(self, now: datetime) -> int:
        """Delete some of what is too old; return how much."""
        old = (
            select(USER_FEEDBACK.c.id)
            .where(USER_FEEDBACK.c.at < now - self._retention)
            .limit(_DELETED_AT_ONCE)
        )
        statement = delete(USER_FEEDBACK).where(USER_FEEDBACK.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)


def _add(
    connection: Connection, records: Sequence[ItemRecord], feedback: Sequence[Feedback]
) -> None:
    fresh = {record.item_id for record in keep_new(connection, records)}
    project_ids: set[int] = set()
    for each in feedback:
        if each.item_id not in fresh:
            continue
        fresh.discard(each.item_id)
        project_ids.add(each.project_id)
        values = asdict(each)
        for name in ("id", "item_id", "issue_id"):
            del values[name]
        event_id = bytes.fromhex(each.event_id) or None
        connection.execute(insert(USER_FEEDBACK).values({**values, "event_id": event_id}))
    for project_id in project_ids:
        _trim(connection, project_id)


def _trim(connection: Connection, project_id: int) -> None:
    newest_too_many = (
        select(USER_FEEDBACK.c.id)
        .where(USER_FEEDBACK.c.project_id == project_id)
        .order_by(USER_FEEDBACK.c.id.desc())
        .offset(MOST_FEEDBACK)
        .limit(1)
        .scalar_subquery()
    )
    connection.execute(
        delete(USER_FEEDBACK).where(
            USER_FEEDBACK.c.project_id == project_id, USER_FEEDBACK.c.id <= newest_too_many
        )
    )


def _to_feedback(row: Row[Any]) -> Feedback:
    return Feedback(
        id=row.id,
        item_id="",
        project_id=row.project_id,
        event_id="" if row.event_id is None else row.event_id.hex(),
        message=row.message,
        name=row.name,
        email=row.email,
        url=row.url,
        source=row.source,
        environment=row.environment,
        release=row.release,
        at=row.at,
        issue_id=row.issue_id,
    )
