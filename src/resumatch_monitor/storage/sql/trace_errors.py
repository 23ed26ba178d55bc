"""Which error events occurred in which traces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_

from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_statements import INSERT_TRACE_ERROR
from resumatch_monitor.storage.sql.statements import execute_many
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS, ISSUES
from resumatch_monitor.storage.sql.tables.performance import TRACE_ERRORS
from resumatch_monitor.tracing.beside import TraceError
from resumatch_monitor.tracing.times import to_microseconds

_FORGOTTEN_AT_ONCE = 2_000


def write_trace_errors(connection: Connection, events: Sequence[DigestedEvent]) -> None:
    """Note in which traces `events` occurred, in the transaction that stores them."""
    rows = [
        {
            "trace_id": bytes.fromhex(event.trace_id),
            "project_id": event.project_id,
            "event_id": bytes.fromhex(event.event_id),
            "span_id": bytes.fromhex(event.span_id) if event.span_id else None,
            "at": to_milliseconds(event.occurred_at),
        }
        for event in events
        if event.trace_id
    ]
    execute_many(connection, INSERT_TRACE_ERROR, rows)


class SqlTraceErrors:
    """A `TraceErrorReader` over the issues' database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_errors(self, trace_id: str, *, limit: int) -> Sequence[TraceError]:
        """See `TraceErrorReader`."""
        return await self._database.read(
            lambda connection: _find_errors(connection, bytes.fromhex(trace_id), limit)
        )

    def find_with_errors(self, trace_ids: Sequence[bytes]) -> set[bytes]:
        """Return those of at most some hundred traces in which an error occurred; blocks."""
        return self._database.read_blocking(
            lambda connection: set(
                connection.scalars(
                    select(TRACE_ERRORS.c.trace_id)
                    .where(TRACE_ERRORS.c.trace_id.in_(trace_ids))
                    .distinct()
                )
            )
        )

    async def forget(self, before: datetime) -> int:
        """Forget a bounded number of errors from before a moment; return how many."""

        def work(connection: Connection) -> int:
            key = tuple_(
                TRACE_ERRORS.c.trace_id, TRACE_ERRORS.c.project_id, TRACE_ERRORS.c.event_id
            )
            old = (
                select(TRACE_ERRORS.c.trace_id, TRACE_ERRORS.c.project_id, TRACE_ERRORS.c.event_id)
                .where(TRACE_ERRORS.c.at < before)
                .limit(_FORGOTTEN_AT_ONCE)
            )
            return connection.execute(delete(TRACE_ERRORS).where(key.in_(old))).rowcount

        return await self._database.write(work)


def _find_errors(connection: Connection, trace_id: bytes, limit: int) -> list[TraceError]:
    rows = connection.execute(
        select(
            TRACE_ERRORS.c.span_id,
            TRACE_ERRORS.c.at,
            TRACE_ERRORS.c.project_id,
            TRACE_ERRORS.c.event_id,
            ISSUE_EVENTS.c.issue_id,
            ISSUE_EVENTS.c.message,
            ISSUES.c.type,
            ISSUES.c.value,
            ISSUES.c.level,
        )
        .join(
            ISSUE_EVENTS,
            (ISSUE_EVENTS.c.project_id == TRACE_ERRORS.c.project_id)
            & (ISSUE_EVENTS.c.event_id == TRACE_ERRORS.c.event_id),
        )
        .join(ISSUES, ISSUES.c.id == ISSUE_EVENTS.c.issue_id)
        .where(TRACE_ERRORS.c.trace_id == trace_id)
        .order_by(TRACE_ERRORS.c.at, TRACE_ERRORS.c.event_id)
        .limit(limit)
    )
    return [_read_row(row) for row in rows]


def _read_row(row: Any) -> TraceError:
    return TraceError(
        issue_id=row.issue_id,
        event_id=row.event_id.hex(),
        project_id=row.project_id,
        span_id="" if row.span_id is None else row.span_id.hex(),
        at_us=to_microseconds(row.at),
        title=row.type,
        message=row.message or row.value,
        level=row.level,
    )
