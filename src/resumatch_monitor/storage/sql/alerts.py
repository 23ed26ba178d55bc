"""Alerts and what was said about them, in SQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.dispatch.group import event_key
from resumatch_monitor.dispatch.occurrence import Occurrence, OccurrenceId, follow
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark, Period, Transition
from resumatch_monitor.dispatch.route import GroupId
from resumatch_monitor.dispatch.store import Flush, GroupState, Snapshot
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.tables.dispatch import ALERT_GROUPS, ALERTS, TOLD_ALERTS

AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]

_CHUNK = 500
"""Values in one statement; SQLite takes 32,766 and plans short lists better."""

_FINGERPRINT_LENGTH = 16


class SqlAlerts:
    """The `DispatchStore` and `AlertReader` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, alerts: Sequence[Alert], *, at: datetime) -> list[Occurrence]:
        """Store reports; return the occurrences that changed, in order, once durable."""
        return await self._database.write(lambda connection: _put(connection, alerts, at))

    async def load(self) -> Snapshot:
        """Return what is not settled."""
        return await self._database.read(_load)

    async def record(
        self, flushes: Sequence[Flush], *, settled: Sequence[OccurrenceId], at: datetime
    ) -> None:
        """Store what `flushes` change and put their deliveries into the outbox, atomically."""

        def work(connection: Connection) -> None:
            _record(connection, flushes, at)
            _settle(connection, settled)

        await self._database.write(work)

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
            query = query.where(_is_firing() if status is AlertStatus.FIRING else ~_is_firing())
        if severity is not None:
            query = query.where(ALERTS.c.severity == severity)
        if after is not None:
            place = tuple_(ALERTS.c.changed_at, ALERTS.c.id)
            query = query.where(place < tuple_(*_bind_mark(after)))
        query = query.order_by(ALERTS.c.changed_at.desc(), ALERTS.c.id.desc()).limit(limit)
        return [_to_record(row) for row in await self._fetch(query)]

    async def get_alert(self, fingerprint: str) -> AlertRecord | None:
        """Return the latest occurrence of an alert."""
        query = (
            select(ALERTS)
            .where(ALERTS.c.fingerprint == fingerprint)
            .order_by(ALERTS.c.starts_at.desc())
            .limit(1)
        )
        return next((_to_record(row) for row in await self._fetch(query)), None)

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
            select(ALERTS.c.severity, func.count()).where(_is_firing()).group_by(ALERTS.c.severity)
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
            Transition(row.starts_at, AlertStatus.FIRING, _to_alert(row))
            for row in await self._fetch(began)
        ]
        found.extend(
            Transition(row.ends_at, AlertStatus.RESOLVED, _to_alert(row))
            for row in await self._fetch(ended)
        )
        found.sort(key=lambda transition: transition.at, reverse=True)
        return found[:limit]

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` settled occurrences that ended before then; return how many."""
        old = (
            select(ALERTS.c.id)
            .where(ALERTS.c.changed_at < before, ALERTS.c.is_settled, ~_is_firing())
            .order_by(ALERTS.c.changed_at)
            .limit(limit)
        )
        query = delete(ALERTS).where(ALERTS.c.id.in_(old))

        def work(connection: Connection) -> int:
            _forget_lost_groups(connection, before)
            return connection.execute(query).rowcount

        return await self._database.write(work)

    async def _fetch(self, query: AnySelect) -> Sequence[AnyRow]:
        return await self._database.read(lambda connection: connection.execute(query).all())


def _put(connection: Connection, alerts: Sequence[Alert], at: datetime) -> list[Occurrence]:
    batch = _Batch(connection, alerts)
    for alert in alerts:
        batch.report(alert, at)
    batch.write(connection)
    return batch.changed


class _Batch:
    """Reports that are merged in memory, so that a storm costs a few statements."""

    def __init__(self, connection: Connection, alerts: Sequence[Alert]) -> None:
        self.changed: list[Occurrence] = []
        self._latest: dict[str, Occurrence] = {}
        self._events: set[OccurrenceId] = set()
        self._new: dict[OccurrenceId, Occurrence] = {}
        self._dirty: dict[OccurrenceId, Occurrence] = {}
        self._replaced: set[OccurrenceId] = set()
        fingerprints = sorted({alert.fingerprint for alert in alerts})
        for chunk in _chunks(fingerprints):
            query = select(ALERTS).where(ALERTS.c.fingerprint.in_(chunk), ALERTS.c.is_latest)
            for row in connection.execute(query):
                self._latest[row.fingerprint] = _to_occurrence(row)
        self._find_events(connection, [alert for alert in alerts if alert.is_event])

    def _find_events(self, connection: Connection, events: Sequence[Alert]) -> None:
        for chunk in _chunks(events):
            query = select(ALERTS.c.fingerprint, ALERTS.c.starts_at).where(
                ALERTS.c.fingerprint.in_({alert.fingerprint for alert in chunk}),
                ALERTS.c.starts_at.in_({alert.starts_at for alert in chunk}),
            )
            self._events.update(OccurrenceId(*row) for row in connection.execute(query))

    def report(self, alert: Alert, at: datetime) -> None:
        fingerprint = alert.fingerprint
        latest = self._latest.get(fingerprint)
        if alert.is_event and OccurrenceId(fingerprint, alert.starts_at) in self._events:
            return
        occurrence = follow(latest, alert, received_at=at)
        if occurrence is None or occurrence == latest:
            return
        if latest is not None and latest.id == occurrence.id:
            target = self._new if occurrence.id in self._new else self._dirty
            target[occurrence.id] = occurrence
        else:
            if latest is not None:
                self._replaced.add(latest.id)
            self._new[occurrence.id] = occurrence
        if alert.is_event:
            self._events.add(occurrence.id)
        self._latest[fingerprint] = occurrence
        self.changed.append(occurrence)

    def write(self, connection: Connection) -> None:
        if self._new:
            rows = [
                {**_to_row(each), "is_latest": True, "is_settled": False}
                for each in self._new.values()
            ]
            connection.execute(insert(ALERTS), rows)
        if self._dirty:
            columns = ("ends_at", "source_starts_at", "changed_at", "annotations", "value")
            query = (
                update(ALERTS)
                .where(_has_id())
                .values({name: bindparam(f"new_{name}") for name in (*columns, "generator_path")})
            )
            connection.execute(query, [_to_change(each) for each in self._dirty.values()])
        if self._replaced:
            # A condition has only one present; each event is told, whatever follows it.
            query = (
                update(ALERTS)
                .where(_has_id())
                .values(is_latest=False, is_settled=or_(ALERTS.c.is_settled, ~ALERTS.c.is_event))
            )
            connection.execute(query, [_to_key(each) for each in self._replaced])


def _load(connection: Connection) -> Snapshot:
    rows = connection.execute(
        select(ALERTS).where(~ALERTS.c.is_settled).order_by(ALERTS.c.starts_at, ALERTS.c.id)
    )
    occurrences = [_to_occurrence(row) for row in rows]
    told: dict[GroupId, set[str]] = {}
    for row in connection.execute(select(TOLD_ALERTS)):
        told.setdefault(GroupId(row.receiver, row.group_key), set()).add(row.member_key)
    groups = {
        GroupId(row.receiver, row.group_key): GroupState(
            row.anchor_at, row.notified_at, row.thread_id
        )
        for row in connection.execute(select(ALERT_GROUPS))
    }
    frozen = {group_id: frozenset(keys) for group_id, keys in told.items()}
    return Snapshot(occurrences, groups, frozen)


def _record(connection: Connection, flushes: Sequence[Flush], at: datetime) -> None:
    speaking = [(each.notification, each.deliveries) for each in flushes if each.notification]
    insert_deliveries(connection, speaking)
    _run(
        connection,
        update(ALERTS).where(_has_id()).values(notified_at=bindparam("at")),
        [{**_to_key(each), "at": at} for flush in flushes for each in flush.notified],
    )
    _run(
        connection,
        upsert(TOLD_ALERTS).on_conflict_do_nothing(),
        [
            {**_to_columns(flush.group_id), "member_key": each, "told_at": at}
            for flush in flushes
            for each in flush.told
        ],
    )
    _run(
        connection,
        delete(TOLD_ALERTS).where(
            _is_group(TOLD_ALERTS), TOLD_ALERTS.c.member_key == bindparam("key")
        ),
        [
            {**_to_parameters(flush.group_id), "key": each}
            for flush in flushes
            for each in flush.untold
        ],
    )
    _record_groups(connection, flushes)


def _record_groups(connection: Connection, flushes: Sequence[Flush]) -> None:
    over = [_to_parameters(flush.group_id) for flush in flushes if flush.is_over]
    _run(connection, delete(ALERT_GROUPS).where(_is_group(ALERT_GROUPS)), over)
    staying = [flush for flush in flushes if not flush.is_over]
    _run(
        connection,
        update(ALERT_GROUPS).where(_is_group(ALERT_GROUPS)).values(anchor_at=bindparam("anchor")),
        [{**_to_parameters(flush.group_id), "anchor": flush.anchor_at} for flush in staying],
    )
    query = upsert(ALERT_GROUPS)
    names = ("anchor_at", "notified_at", "thread_id")
    _run(
        connection,
        query.on_conflict_do_update(
            index_elements=["receiver", "group_key"],
            set_={name: query.excluded[name] for name in names},
        ),
        [
            {
                **_to_columns(flush.group_id),
                "anchor_at": flush.anchor_at,
                "notified_at": flush.anchor_at,
                "thread_id": flush.notification.thread_id,
            }
            for flush in staying
            if flush.notification is not None
        ],
    )


def _run(connection: Connection, query: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Run a statement for each of `rows`; without rows it would run once, without values."""
    if rows:
        connection.execute(query, rows)


def _is_group(table: Table) -> Any:
    return and_(
        table.c.receiver == bindparam("of_receiver"), table.c.group_key == bindparam("of_key")
    )


def _to_parameters(group_id: GroupId) -> dict[str, Any]:
    return {"of_receiver": group_id.receiver, "of_key": group_id.key}


def _to_columns(group_id: GroupId) -> dict[str, Any]:
    return {"receiver": group_id.receiver, "group_key": group_id.key}


def _settle(connection: Connection, settled: Sequence[OccurrenceId]) -> None:
    if not settled:
        return
    connection.execute(
        update(ALERTS).where(_has_id()).values(is_settled=True),
        [_to_key(each) for each in settled],
    )
    # A settled event is loaded by nobody, so nobody needs to know that it was told.
    for chunk in _chunks([event_key(each) for each in settled]):
        connection.execute(delete(TOLD_ALERTS).where(TOLD_ALERTS.c.member_key.in_(chunk)))


def _forget_lost_groups(connection: Connection, before: datetime) -> None:
    """Delete what was told by groups that a change of the routes has left without alerts."""
    alive = select(ALERTS.c.fingerprint).where(~ALERTS.c.is_settled)
    connection.execute(
        delete(TOLD_ALERTS).where(
            TOLD_ALERTS.c.told_at < before,
            func.substr(TOLD_ALERTS.c.member_key, 1, _FINGERPRINT_LENGTH).not_in(alive),
        )
    )
    is_telling = exists().where(
        TOLD_ALERTS.c.receiver == ALERT_GROUPS.c.receiver,
        TOLD_ALERTS.c.group_key == ALERT_GROUPS.c.group_key,
    )
    connection.execute(delete(ALERT_GROUPS).where(ALERT_GROUPS.c.notified_at < before, ~is_telling))


def _is_firing() -> Any:
    return and_(ALERTS.c.ends_at.is_(None), ~ALERTS.c.is_event)


def _has_id() -> Any:
    return and_(
        ALERTS.c.fingerprint == bindparam("id_fingerprint"),
        ALERTS.c.starts_at == bindparam("id_starts_at", type_=ALERTS.c.starts_at.type),
    )


def _bind_mark(mark: PageMark) -> tuple[Any, Any]:
    return literal(mark.at, ALERTS.c.changed_at.type), literal(mark.id)


def _to_key(occurrence_id: OccurrenceId) -> dict[str, Any]:
    return {
        "id_fingerprint": occurrence_id.fingerprint,
        "id_starts_at": occurrence_id.starts_at,
    }


def _to_row(occurrence: Occurrence) -> dict[str, Any]:
    alert = occurrence.alert
    return {
        "fingerprint": alert.fingerprint,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "source_starts_at": occurrence.source_starts_at,
        "received_at": occurrence.received_at,
        "changed_at": alert.ends_at or alert.starts_at,
        "name": alert.name,
        "severity": alert.severity,
        "source": alert.source.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "generator_path": alert.generator_path,
        "value": alert.value,
        "is_event": alert.is_event,
    }


def _to_change(occurrence: Occurrence) -> dict[str, Any]:
    names = ("ends_at", "source_starts_at", "changed_at", "annotations", "generator_path", "value")
    row = _to_row(occurrence)
    return {**_to_key(occurrence.id), **{f"new_{name}": row[name] for name in names}}


def _to_alert(row: AnyRow) -> Alert:
    return Alert(
        labels=Labels.of(row.labels),
        annotations=row.annotations,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        source=AlertSource(row.source),
        generator_path=row.generator_path,
        is_event=row.is_event,
        value=row.value,
    )


def _to_occurrence(row: AnyRow) -> Occurrence:
    return Occurrence(_to_alert(row), row.received_at, row.source_starts_at)


def _to_record(row: AnyRow) -> AlertRecord:
    return AlertRecord(_to_alert(row), PageMark(row.changed_at, row.id), row.notified_at)


def _chunks(items: Iterable[Any]) -> Iterable[list[Any]]:
    every = list(items)
    for start in range(0, len(every), _CHUNK):
        yield every[start : start + _CHUNK]
