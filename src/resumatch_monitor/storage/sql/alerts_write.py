"""Writes alerts and what was said about them, each function within its caller's transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.member import event_key
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId, follow
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import Flush
from resumatch_monitor.storage.sql.alerts_rows import (
    has_id,
    in_chunks,
    is_firing,
    to_change,
    to_key,
    to_occurrence,
    to_row,
)
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.tables.dispatch import ALERT_GROUPS, ALERTS, TOLD_ALERTS

_FINGERPRINT_LENGTH = 16


def put_alerts(connection: Connection, alerts: Sequence[Alert], at: datetime) -> list[Occurrence]:
    """Store reports and return the occurrences that changed, in order."""
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
        for chunk in in_chunks(fingerprints):
            query = select(ALERTS).where(ALERTS.c.fingerprint.in_(chunk), ALERTS.c.is_latest)
            for row in connection.execute(query):
                self._latest[row.fingerprint] = to_occurrence(row)
        self._find_events(connection, [alert for alert in alerts if alert.is_event])

    def _find_events(self, connection: Connection, events: Sequence[Alert]) -> None:
        for chunk in in_chunks(events):
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
        # In parts: the rows of a storm at once would take more memory than its alerts.
        for chunk in in_chunks(self._new.values()):
            flags = {"is_latest": True, "is_settled": False}
            connection.execute(insert(ALERTS), [{**to_row(each), **flags} for each in chunk])
        columns = ("ends_at", "source_starts_at", "changed_at", "annotations", "value")
        query = (
            update(ALERTS)
            .where(has_id())
            .values({name: bindparam(f"new_{name}") for name in (*columns, "generator_path")})
        )
        for chunk in in_chunks(self._dirty.values()):
            connection.execute(query, [to_change(each) for each in chunk])
        if self._replaced:
            # A condition has only one present; each event is told, whatever follows it.
            query = (
                update(ALERTS)
                .where(has_id())
                .values(is_latest=False, is_settled=or_(ALERTS.c.is_settled, ~ALERTS.c.is_event))
            )
            connection.execute(query, [to_key(each) for each in self._replaced])


def close_occurrences(
    connection: Connection, occurrence_ids: Sequence[OccurrenceId], at: datetime, until: datetime
) -> list[Occurrence]:
    """End those of the occurrences that fire; return them."""
    wanted = set(occurrence_ids)
    closed: list[Occurrence] = []
    for chunk in in_chunks(sorted({each.fingerprint for each in wanted})):
        query = select(ALERTS).where(ALERTS.c.fingerprint.in_(chunk), is_firing())
        for row in connection.execute(query):
            occurrence = to_occurrence(row)
            if occurrence.id in wanted:
                alert = replace(occurrence.alert, ends_at=max(at, row.starts_at))
                closed.append(replace(occurrence, alert=alert, closed_until=until))
    if closed:
        connection.execute(
            update(ALERTS)
            .where(has_id())
            .values(
                ends_at=bindparam("new_ends_at"),
                changed_at=bindparam("new_ends_at"),
                closed_until=until,
            ),
            [{**to_key(each.id), "new_ends_at": each.alert.ends_at} for each in closed],
        )
    return closed


def record_flushes(connection: Connection, flushes: Sequence[Flush], at: datetime) -> None:
    """Store what `flushes` change, and put their deliveries into the outbox."""
    speaking = [(each.notification, each.deliveries) for each in flushes if each.notification]
    insert_deliveries(connection, speaking)
    _run(
        connection,
        update(ALERTS).where(has_id()).values(notified_at=bindparam("at")),
        [{**to_key(each), "at": at} for flush in flushes for each in flush.notified],
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
    query = upsert(TOLD_ALERTS)
    _run(
        connection,
        query.on_conflict_do_update(
            index_elements=["receiver", "group_key", "member_key"],
            set_={"told_at": query.excluded.told_at},
        ),
        [
            {**_to_columns(flush.group_id), "member_key": each, "told_at": flush.anchor_at}
            for flush in flushes
            for each in flush.told
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


def settle(connection: Connection, settled: Sequence[OccurrenceId]) -> None:
    """Note that no group will say anything more about these occurrences."""
    if not settled:
        return
    connection.execute(
        update(ALERTS).where(has_id()).values(is_settled=True),
        [to_key(each) for each in settled],
    )
    # A settled event is loaded by nobody, so nobody needs to know that it was told.
    for chunk in in_chunks([event_key(each) for each in settled]):
        connection.execute(delete(TOLD_ALERTS).where(TOLD_ALERTS.c.member_key.in_(chunk)))


def forget_lost_groups(connection: Connection, before: datetime) -> None:
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
