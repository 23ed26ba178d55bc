"""Alerts with what people made of them, read from SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from resumatch_monitor.dispatch.handling.actions import JournalEntry
from resumatch_monitor.dispatch.handling.handled import AlertFilter, HandledAlert, PastOccurrence
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark
from resumatch_monitor.storage.sql.alerts_rows import is_firing, to_record
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import is_handled, to_entry, to_handling
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.alerting import ALERT_HANDLING, ALERT_JOURNAL
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS

_HANDLING = (
    "acknowledged_at",
    "acknowledged_by",
    "snoozed_until",
    "assignee",
    "resolved_at",
    "resolved_by",
    "resolved_until",
    "outcome",
)


class SqlHandledAlerts:
    """The `HandledReader` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_notified(self, fingerprints: Sequence[str]) -> Mapping[str, datetime]:
        """Return when the alerts with these fingerprints were last told, if they were."""
        query = select(ALERTS.c.fingerprint, ALERTS.c.notified_at).where(
            ALERTS.c.fingerprint.in_(fingerprints),
            ALERTS.c.is_latest,
            ALERTS.c.notified_at.is_not(None),
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.fingerprint: row.notified_at for row in rows}

    async def list_over(
        self, where: AlertFilter, *, after: PageMark | None, limit: int
    ) -> list[HandledAlert]:
        """Return occurrences that are over, and events, what changed last first."""
        query = _narrow(_select_handled(), where).where(~is_firing())
        if after is not None:
            mark = tuple_(literal(after.at, ALERTS.c.changed_at.type), literal(after.id))
            query = query.where(tuple_(ALERTS.c.changed_at, ALERTS.c.id) < mark)
        query = query.order_by(ALERTS.c.changed_at.desc(), ALERTS.c.id.desc()).limit(limit)
        return await self._fetch(query)

    async def get(self, fingerprint: str, starts_at: datetime | None) -> HandledAlert | None:
        """Return an occurrence; the latest one if no start is given."""
        query = _select_handled().where(ALERTS.c.fingerprint == fingerprint)
        if starts_at is not None:
            query = query.where(ALERTS.c.starts_at == starts_at)
        query = query.order_by(ALERTS.c.starts_at.desc()).limit(1)
        return next(iter(await self._fetch(query)), None)

    async def list_past(
        self, fingerprint: str, *, before: datetime | None = None, limit: int
    ) -> list[PastOccurrence]:
        """Return an alert's occurrences, newest first; those that began before then."""
        query = (
            _select_handled()
            .where(ALERTS.c.fingerprint == fingerprint)
            .order_by(ALERTS.c.starts_at.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(ALERTS.c.starts_at < before)
        # SQLite takes the other columns from the row that has the minimum.
        first = (
            select(ALERT_JOURNAL.c.starts_at, ALERT_JOURNAL.c.actor, func.min(ALERT_JOURNAL.c.id))
            .add_columns(ALERT_JOURNAL.c.at)
            .where(
                ALERT_JOURNAL.c.fingerprint == fingerprint,
                ALERT_JOURNAL.c.action == "acknowledged",
            )
            .group_by(ALERT_JOURNAL.c.starts_at)
        )

        def work(connection: Connection) -> list[PastOccurrence]:
            acknowledged = {row.starts_at: row for row in connection.execute(first)}
            return [
                _to_past(row, acknowledged.get(row.starts_at)) for row in connection.execute(query)
            ]

        return await self._database.read(work)

    async def list_beside(self, record: AlertRecord, *, limit: int) -> list[AlertRecord]:
        """Return other alerts that fired while this occurrence did, the latest first."""
        alert = record.alert
        query = (
            select(ALERTS)
            .where(
                ~ALERTS.c.is_event,
                ALERTS.c.fingerprint != alert.fingerprint,
                or_(ALERTS.c.ends_at.is_(None), ALERTS.c.ends_at >= alert.starts_at),
            )
            .order_by(ALERTS.c.starts_at.desc())
            .limit(limit)
        )
        end = alert.starts_at if alert.is_event else alert.ends_at
        if end is not None:
            query = query.where(ALERTS.c.starts_at <= end)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [to_record(row) for row in rows]

    async def list_journal(
        self, fingerprint: str, starts_at: datetime, *, limit: int
    ) -> Sequence[JournalEntry]:
        """Return what was done about an occurrence, oldest first; the newest `limit` of it."""
        query = (
            select(ALERT_JOURNAL)
            .where(
                ALERT_JOURNAL.c.fingerprint == bindparam("of_fingerprint"),
                ALERT_JOURNAL.c.starts_at == starts_at,
            )
            .order_by(ALERT_JOURNAL.c.id.desc())
            .limit(limit)
        )
        parameters = {"of_fingerprint": fingerprint}
        rows = await self._database.read(
            lambda connection: connection.execute(query, parameters).all()
        )
        return [to_entry(row) for row in reversed(rows)]

    async def _fetch(self, query: AnySelect) -> list[HandledAlert]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_to_handled(row) for row in rows]


def _select_handled() -> AnySelect:
    columns: list[Any] = [ALERT_HANDLING.c[name] for name in _HANDLING]
    handled_at = ALERT_HANDLING.c.changed_at.label("handled_at")
    return select(ALERTS, *columns, handled_at).outerjoin(ALERT_HANDLING, is_handled())


def _narrow(query: AnySelect, where: AlertFilter) -> AnySelect:
    for column, values in (
        (ALERTS.c.severity, where.severities),
        (ALERTS.c.source, where.sources),
        (ALERTS.c.name, where.names),
    ):
        if values:
            query = query.where(column.in_(values))
    return query


def _to_handled(row: AnyRow) -> HandledAlert:
    return HandledAlert(to_record(row), None if row.handled_at is None else to_handling(row))


def _to_past(row: AnyRow, acknowledged: AnyRow | None) -> PastOccurrence:
    return PastOccurrence(
        row.starts_at,
        row.starts_at if row.is_event else row.ends_at,
        row.is_event,
        row.value,
        None if row.handled_at is None else to_handling(row),
        acknowledged_at=None if acknowledged is None else acknowledged.at,
        acknowledged_by="" if acknowledged is None else acknowledged.actor,
    )
