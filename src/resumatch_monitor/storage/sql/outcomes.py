"""Outcomes by hours, in SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from resumatch_monitor.sentry.categories import parse_category
from resumatch_monitor.sentry.outcomes import Outcome, Tally
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.intake import OUTCOMES

_KEPT = timedelta(days=90)
_KEY = ("project_id", "hour", "category", "outcome", "reason")
_ROWS_MAX = 100_000
_HOURS_AT_ONCE = 24

_INSERT = insert(OUTCOMES)
_UPSERT = _INSERT.values(
    {name: bindparam(name) for name in (*_KEY, "quantity")}
).on_conflict_do_update(
    index_elements=[OUTCOMES.c[name] for name in _KEY],
    set_={"quantity": OUTCOMES.c.quantity + _INSERT.excluded.quantity},
)


class SqlOutcomeStore:
    """Adds up outcomes, and forgets those of three months ago."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tallies: Sequence[Tally]) -> None:
        rows: list[dict[str, object]] = [
            {
                "project_id": each.project_id,
                "hour": each.hour,
                "category": each.category.value,
                "outcome": each.outcome.value,
                "reason": each.reason,
                "quantity": each.quantity,
            }
            for each in tallies
        ]
        if rows:
            await self._database.write(lambda connection: _add(connection, rows))

    async def read_accepted(self, since: datetime) -> Sequence[Tally]:
        query = (
            select(OUTCOMES)
            .where(OUTCOMES.c.hour >= since, OUTCOMES.c.outcome == Outcome.ACCEPTED.value)
            # If there are too many, the latest matter.
            .order_by(OUTCOMES.c.hour.desc(), OUTCOMES.c.project_id)
        )
        return await self._database.read(lambda connection: _read(connection, query))

    async def read_project(
        self, project_id: int, start: datetime, end: datetime
    ) -> Sequence[Tally]:
        """Return what became of a project's data in hours from `start` to before `end`."""
        query = (
            select(OUTCOMES)
            .where(
                OUTCOMES.c.project_id == project_id,
                OUTCOMES.c.hour >= start,
                OUTCOMES.c.hour < end,
            )
            .order_by(OUTCOMES.c.hour)
        )
        return await self._database.read(lambda connection: _read(connection, query))

    async def expire(self, now: datetime) -> int:
        """Forget some of what is older than three months; return how many rows that were."""
        return await self._database.write(lambda connection: _expire(connection, now - _KEPT))


def _add(connection: Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(_UPSERT, rows)


def _read(connection: Connection, query: Select[Any]) -> list[Tally]:
    return [
        Tally(
            row.project_id,
            row.hour,
            parse_category(row.category),
            Outcome(row.outcome),
            row.reason,
            row.quantity,
        )
        for row in connection.execute(query.limit(_ROWS_MAX))
    ]


def _expire(connection: Connection, before: datetime) -> int:
    hours = list(
        connection.scalars(
            select(OUTCOMES.c.hour)
            .where(OUTCOMES.c.hour < before)
            .distinct()
            .order_by(OUTCOMES.c.hour)
            .limit(_HOURS_AT_ONCE)
        )
    )
    if not hours:
        return 0
    return connection.execute(delete(OUTCOMES).where(OUTCOMES.c.hour.in_(hours))).rowcount
