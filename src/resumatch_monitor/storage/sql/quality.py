"""What rules missed, and what became of what they told, in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, case, delete, exists, func, insert, literal, select, tuple_

from resumatch_monitor.dispatch.handling.handling import Outcome
from resumatch_monitor.dispatch.handling.quality import MissedIncident, Quality
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import is_handled
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.alerting import (
    ALERT_HANDLING,
    ALERT_JOURNAL,
    MISSED_INCIDENTS,
)
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS


class SqlQuality:
    """The `QualityStore` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_missed(self, incident: MissedIncident) -> None:
        """Store it, once durable."""
        query = insert(MISSED_INCIDENTS).values(**asdict(incident))
        await self._database.write(lambda connection: connection.execute(query))

    async def remove_missed(self, incident_id: str) -> bool:
        """Delete it; False if it is not there."""
        query = delete(MISSED_INCIDENTS).where(MISSED_INCIDENTS.c.id == incident_id)
        return await self._database.write(lambda connection: connection.execute(query).rowcount) > 0

    async def list_missed(
        self, *, name: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> Sequence[MissedIncident]:
        """Return incidents, the latest first, after the one with this start and id."""
        table = MISSED_INCIDENTS.c
        query = select(MISSED_INCIDENTS).order_by(table.starts_at.desc(), table.id.desc())
        if name is not None:
            query = query.where(table.name == name)
        if after is not None:
            at, last_id = after
            mark = tuple_(literal(at, table.starts_at.type), literal(last_id))
            query = query.where(tuple_(table.starts_at, table.id) < mark)
        rows = await self._database.read(
            lambda connection: connection.execute(query.limit(limit)).all()
        )
        return [_to_incident(row) for row in rows]

    async def count_missed(self, name: str) -> int:
        """Return how many incidents the alert of this name missed."""
        query = select(func.count()).where(MISSED_INCIDENTS.c.name == name)
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def measure(self, since: datetime, *, limit: int) -> Sequence[Quality]:
        """Return the quality of each name since then, what is noisiest first."""
        acknowledged = exists().where(
            ALERT_JOURNAL.c.fingerprint == ALERTS.c.fingerprint,
            ALERT_JOURNAL.c.starts_at == ALERTS.c.starts_at,
            ALERT_JOURNAL.c.action == "acknowledged",
        )
        told = (
            select(
                ALERTS.c.name,
                func.count().label("occurrences"),
                func.sum(case((acknowledged, 1), else_=0)).label("acknowledged"),
                *(
                    func.sum(case((ALERT_HANDLING.c.outcome == outcome.value, 1), else_=0)).label(
                        outcome.value
                    )
                    for outcome in (Outcome.REAL, Outcome.NOISE)
                ),
            )
            .outerjoin(ALERT_HANDLING, is_handled())
            .where(ALERTS.c.starts_at >= since)
            .group_by(ALERTS.c.name)
        )
        missed = (
            select(MISSED_INCIDENTS.c.name, func.count().label("missed"))
            .where(MISSED_INCIDENTS.c.starts_at >= since)
            .group_by(MISSED_INCIDENTS.c.name)
        )

        def work(connection: Connection) -> list[Quality]:
            counts = {row.name: row.missed for row in connection.execute(missed)}
            found = [
                Quality(
                    row.name,
                    row.occurrences,
                    row.acknowledged,
                    row.real,
                    row.noise,
                    counts.pop(row.name, 0),
                )
                for row in connection.execute(told)
            ]
            # What has never fired, or no rule at all.
            found.extend(Quality(name, missed=count) for name, count in counts.items())
            return found

        found = await self._database.read(work)
        found.sort(key=lambda each: (-each.noise, -each.missed, -each.occurrences, each.name))
        return found[:limit]

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` incidents that ended before then; return how many."""
        old = select(MISSED_INCIDENTS.c.id).where(MISSED_INCIDENTS.c.ends_at < before).limit(limit)
        query = delete(MISSED_INCIDENTS).where(MISSED_INCIDENTS.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(query).rowcount)


def _to_incident(row: AnyRow) -> MissedIncident:
    return MissedIncident(
        row.id,
        row.title,
        row.name,
        row.starts_at,
        row.ends_at,
        row.text,
        row.created_at,
        row.created_by,
    )
