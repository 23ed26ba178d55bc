"""Keeps drills in the relational database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select

from resumatch_monitor.rules.drill.model import DrillRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnySelect
from resumatch_monitor.storage.sql.tables.alerting import ALERT_DRILLS

_COLUMNS = ALERT_DRILLS.c
_MOST_ALERTS = 10_000


class SqlDrills:
    """Implements `rules.drill.store.DrillStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, record: DrillRecord) -> None:
        values = {
            "id": record.id,
            "alert": record.alert,
            "started_at": record.started_at,
            "finished_at": record.finished_at,
            "started_by": record.started_by,
            "is_passed": record.is_passed,
            "report": record.report,
        }

        def write(connection: Connection) -> None:
            connection.execute(delete(ALERT_DRILLS).where(_COLUMNS.id == record.id))
            connection.execute(insert(ALERT_DRILLS).values(values))

        await self._database.write(write)

    async def get(self, drill_id: str) -> DrillRecord | None:
        found = await self._fetch(select(ALERT_DRILLS).where(_COLUMNS.id == drill_id))
        return found[0] if found else None

    async def list_drills(
        self, *, alert: str | None, before: tuple[datetime, str] | None, limit: int
    ) -> list[DrillRecord]:
        query = select(ALERT_DRILLS)
        if alert is not None:
            query = query.where(_COLUMNS.alert == alert)
        if before is not None:
            at, drill_id = before
            query = query.where(
                or_(
                    _COLUMNS.started_at < at,
                    and_(_COLUMNS.started_at == at, _COLUMNS.id < drill_id),
                )
            )
        order = (_COLUMNS.started_at.desc(), _COLUMNS.id.desc())
        return await self._fetch(query.order_by(*order).limit(limit))

    async def list_unfinished(self) -> list[DrillRecord]:
        query = select(ALERT_DRILLS).where(_COLUMNS.finished_at.is_(None))
        return await self._fetch(query.order_by(_COLUMNS.started_at))

    async def latest(self) -> Mapping[str, DrillRecord]:
        newest = (
            select(_COLUMNS.alert, func.max(_COLUMNS.started_at).label("at"))
            .where(_COLUMNS.finished_at.is_not(None))
            .group_by(_COLUMNS.alert)
            .limit(_MOST_ALERTS)
            .subquery()
        )
        query = select(ALERT_DRILLS).join(
            newest,
            and_(newest.c.alert == _COLUMNS.alert, newest.c.at == _COLUMNS.started_at),
        )
        return {record.alert: record for record in await self._fetch(query)}

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Forget drills that began before then, the last one of each alert excepted."""
        newest = select(func.max(_COLUMNS.started_at)).group_by(_COLUMNS.alert)
        old = (
            select(_COLUMNS.id)
            .where(_COLUMNS.started_at < before, _COLUMNS.started_at.not_in(newest))
            .limit(limit)
        )

        def write(connection: Connection) -> int:
            return connection.execute(delete(ALERT_DRILLS).where(_COLUMNS.id.in_(old))).rowcount

        return await self._database.write(write)

    async def _fetch(self, query: AnySelect) -> list[DrillRecord]:
        def read(connection: Connection) -> list[DrillRecord]:
            return [_to_record(row) for row in connection.execute(query).mappings()]

        return await self._database.read(read)


def _to_record(row: RowMapping) -> DrillRecord:
    report: dict[str, Any] = row["report"]
    return DrillRecord(
        id=row["id"],
        alert=row["alert"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        started_by=row["started_by"],
        is_passed=row["is_passed"],
        report=report,
    )
