"""Alerts and what was said about them, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, literal, select, tuple_

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark, Period, Transition
from resumatch_monitor.dispatch.store import Announcement, Flush, Snapshot
from resumatch_monitor.storage.sql.alerts_load import load
from resumatch_monitor.storage.sql.alerts_rows import is_firing, to_alert, to_record
from resumatch_monitor.storage.sql.alerts_write import (
    close_occurrences,
    forget_lost_groups,
    put_alerts,
    record_flushes,
    settle,
)
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS


class SqlAlerts:
    """The `DispatchStore` and `AlertReader` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, alerts: Sequence[Alert], *, at: datetime) -> list[Occurrence]:
        """Store reports; return the occurrences that changed, in order, once durable."""
        return await self._database.write(lambda connection: put_alerts(connection, alerts, at))

    async def load(
        self, *, changed_since: datetime | None = None, sent_since: datetime | None = None
    ) -> Snapshot:
        """Return what is not settled, and what changed and what was sent since then."""
        return await self._database.read(
            lambda connection: load(connection, changed_since, sent_since)
        )

    async def record(
        self,
        flushes: Sequence[Flush],
        *,
        settled: Sequence[OccurrenceId],
        at: datetime,
        announcements: Sequence[Announcement] = (),
    ) -> None:
        """Store what `flushes` change and put all deliveries into the outbox, atomically."""

        def work(connection: Connection) -> None:
            record_flushes(connection, flushes, at)
            settle(connection, settled)
            insert_deliveries(
                connection, [(each.notification, each.deliveries) for each in announcements]
            )

        await self._database.write(work)

    async def close(
        self, occurrence_ids: Sequence[OccurrenceId], *, at: datetime, until: datetime
    ) -> list[Occurrence]:
        """End occurrences in the name of a person, all at once; return those that did fire."""
        return await self._database.write(
            lambda connection: close_occurrences(connection, occurrence_ids, at, until)
        )

    async def list_alerts(
        self,
        *,
        status: AlertStatus | None,
        severity: str | None,
        after: PageMark | None,
        limit: int,
    ) -> list[AlertRecord]:
        """Return alerts, what changed last first; events count as resolved."""
        query = select(ALERTS)
        if status is not None:
            query = query.where(is_firing() if status is AlertStatus.FIRING else ~is_firing())
        if severity is not None:
            query = query.where(ALERTS.c.severity == severity)
        if after is not None:
            place = tuple_(ALERTS.c.changed_at, ALERTS.c.id)
            query = query.where(place < tuple_(*_bind_mark(after)))
        query = query.order_by(ALERTS.c.changed_at.desc(), ALERTS.c.id.desc()).limit(limit)
        return [to_record(row) for row in await self._fetch(query)]

    async def get_alert(self, fingerprint: str) -> AlertRecord | None:
        """Return the latest occurrence of an alert."""
        query = (
            select(ALERTS)
            .where(ALERTS.c.fingerprint == fingerprint)
            .order_by(ALERTS.c.starts_at.desc())
            .limit(1)
        )
        return next((to_record(row) for row in await self._fetch(query)), None)

    async def get_history(self, fingerprint: str, *, limit: int) -> list[Period]:
        """Return an alert's occurrences, newest first."""
        query = (
            select(ALERTS.c.starts_at, ALERTS.c.ends_at, ALERTS.c.is_event)
            .where(ALERTS.c.fingerprint == fingerprint)
            .order_by(ALERTS.c.starts_at.desc())
            .limit(limit)
        )
        return [
            Period(row.starts_at, row.starts_at if row.is_event else row.ends_at)
            for row in await self._fetch(query)
        ]

    async def count_firing(self) -> Mapping[str, int]:
        """Return how many alerts fire, by severity."""
        query = (
            select(ALERTS.c.severity, func.count()).where(is_firing()).group_by(ALERTS.c.severity)
        )
        return {row[0]: row[1] for row in await self._fetch(query)}

    async def list_transitions(self, since: datetime, *, limit: int) -> list[Transition]:
        """Return what began and ended since then, newest first."""
        began = (
            select(ALERTS)
            .where(ALERTS.c.starts_at >= since)
            .order_by(ALERTS.c.starts_at.desc())
            .limit(limit)
        )
        ended = (
            select(ALERTS)
            .where(ALERTS.c.ends_at >= since)
            .order_by(ALERTS.c.ends_at.desc())
            .limit(limit)
        )
        found = [
            Transition(row.starts_at, AlertStatus.FIRING, to_alert(row))
            for row in await self._fetch(began)
        ]
        found.extend(
            Transition(row.ends_at, AlertStatus.RESOLVED, to_alert(row))
            for row in await self._fetch(ended)
        )
        found.sort(key=lambda transition: transition.at, reverse=True)
        return found[:limit]

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` settled occurrences that ended before then; return how many."""
        old = (
            select(ALERTS.c.id)
            .where(ALERTS.c.changed_at < before, ALERTS.c.is_settled, ~is_firing())
            .order_by(ALERTS.c.changed_at)
            .limit(limit)
        )
        query = delete(ALERTS).where(ALERTS.c.id.in_(old))

        def work(connection: Connection) -> int:
            forget_lost_groups(connection, before)
            return connection.execute(query).rowcount

        return await self._database.write(work)

    async def _fetch(self, query: AnySelect) -> Sequence[AnyRow]:
        return await self._database.read(lambda connection: connection.execute(query).all())


def _bind_mark(mark: PageMark) -> tuple[Any, Any]:
    return literal(mark.at, ALERTS.c.changed_at.type), literal(mark.id)
