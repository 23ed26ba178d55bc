"""The outbox in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from resumatch_monitor.dispatch.outbox import LONGEST_RETRY_AFTER, DueDelivery, Outcome
from resumatch_monitor.dispatch.reading import (
    DeliveryRecord,
    DeliveryStatus,
    MentionedAlert,
)
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import (
    Notification,
    notification_from_json,
    notification_to_json,
)
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.notify.wording import render_subject
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.dispatch import (
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
)

# Written out in the statement: with bound values SQLite cannot see that the partial index serves.
_WAITING: list[Any] = [
    literal_column(f"'{status.value}'")
    for status in (DeliveryStatus.QUEUED, DeliveryStatus.RETRYING)
]
_MOST_MENTIONED = 20
"""Alerts that a delivery in a list mentions; the alert's own page finds it by any of them."""

_FURTHEST = 2 * LONGEST_RETRY_AFTER
"""No retry lies further ahead, unless the clock was set back: then it is due."""


class SqlOutbox:
    """The `OutboxStore` and `DeliveryReader` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_due(
        self, integration: IntegrationId, *, now: datetime, limit: int
    ) -> list[DueDelivery]:
        """Return deliveries that are due, at most one a group, the oldest of each."""
        is_due = or_(
            DELIVERIES.c.next_attempt_at <= now, DELIVERIES.c.next_attempt_at > now + _FURTHEST
        )
        query = (
            select(DELIVERIES, NOTIFICATIONS.c.payload)
            .join(NOTIFICATIONS, NOTIFICATIONS.c.id == DELIVERIES.c.notification_id)
            .where(_is_head(integration), is_due)
            .order_by(DELIVERIES.c.id)
            .limit(limit)
        )
        return [_to_due(row) for row in await self._fetch(query)]

    async def next_due_at(self, integration: IntegrationId) -> datetime | None:
        """Return when `take_due` will return something; None if nothing waits."""
        query = select(func.min(DELIVERIES.c.next_attempt_at)).where(_is_head(integration))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        """Store what became of an attempt, once durable."""
        this = DELIVERIES.c.id == delivery_id
        if not outcome.is_sent:
            # What was superseded meanwhile stays so.
            this = and_(this, DELIVERIES.c.status.in_(_WAITING))
        query = update(DELIVERIES).where(this).values(**_to_values(outcome))
        await self._database.write(lambda connection: connection.execute(query))

    async def abandon_others(self, known: Collection[IntegrationId], *, at: datetime) -> int:
        """Fail what waits for integrations that are not `known`; return how many."""
        columns = (
            DELIVERIES.c.receiver,
            DELIVERIES.c.integration,
            DELIVERIES.c.integration_index,
        )
        keys = [(each.receiver, each.kind, each.index) for each in known]
        query = (
            update(DELIVERIES)
            .where(DELIVERIES.c.status.in_(_WAITING), tuple_(*columns).not_in(keys))
            .values(
                status=DeliveryStatus.FAILED.value,
                next_attempt_at=None,
                last_error="the integration is not in the configuration any more",
            )
        )
        return await self._database.write(lambda connection: connection.execute(query).rowcount)

    async def last_sent_at(self) -> Mapping[IntegrationId, datetime]:
        """Return when each integration last accepted something."""
        return await self._by_integration(
            func.max(DELIVERIES.c.sent_at), DELIVERIES.c.sent_at.is_not(None)
        )

    async def count_waiting(self) -> Mapping[IntegrationId, int]:
        """Return how many deliveries wait, by integration."""
        return await self._by_integration(func.count(), DELIVERIES.c.status.in_(_WAITING))

    async def list_deliveries(
        self,
        *,
        status: DeliveryStatus | None = None,
        fingerprint: str | None = None,
        before_id: int | None = None,
        limit: int,
    ) -> list[DeliveryRecord]:
        """Return deliveries, newest first."""
        query = _select_records()
        if status is not None:
            query = query.where(DELIVERIES.c.status == status.value)
        if fingerprint is not None:
            mentioning = select(NOTIFICATION_ALERTS.c.notification_id).where(
                NOTIFICATION_ALERTS.c.fingerprint == fingerprint
            )
            query = query.where(DELIVERIES.c.notification_id.in_(mentioning))
        if before_id is not None:
            query = query.where(DELIVERIES.c.id < before_id)
        query = query.order_by(DELIVERIES.c.id.desc()).limit(limit)
        return await self._database.read(lambda connection: _read_records(connection, query))

    async def get_delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return one."""
        query = _select_records().where(DELIVERIES.c.id == delivery_id)
        records = await self._database.read(lambda connection: _read_records(connection, query))
        return records[0] if records else None

    async def requeue(self, delivery_id: int, *, at: datetime) -> bool:
        """Queue a failed delivery again; False if it is not there or has not failed."""
        query = (
            update(DELIVERIES)
            .where(
                DELIVERIES.c.id == delivery_id,
                DELIVERIES.c.status == DeliveryStatus.FAILED.value,
            )
            .values(
                status=DeliveryStatus.QUEUED.value, attempts=0, queued_at=at, next_attempt_at=at
            )
        )
        changed = await self._database.write(lambda connection: connection.execute(query).rowcount)
        return changed == 1

    async def count_failed(self, since: datetime) -> int:
        """Return how many deliveries have failed for good since then."""
        query = select(func.count()).where(
            DELIVERIES.c.status == DeliveryStatus.FAILED.value, DELIVERIES.c.queued_at >= since
        )
        return await self._database.read(lambda connection: connection.scalar(query)) or 0

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` old notifications of which nothing waits; return how many."""
        waiting = exists().where(
            DELIVERIES.c.notification_id == NOTIFICATIONS.c.id, DELIVERIES.c.status.in_(_WAITING)
        )
        old = (
            select(NOTIFICATIONS.c.id)
            .where(NOTIFICATIONS.c.created_at < before, ~waiting)
            .order_by(NOTIFICATIONS.c.created_at)
            .limit(limit)
        )
        query = delete(NOTIFICATIONS).where(NOTIFICATIONS.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(query).rowcount)

    async def _by_integration(self, value: Any, condition: Any) -> dict[IntegrationId, Any]:
        columns = (
            DELIVERIES.c.receiver,
            DELIVERIES.c.integration,
            DELIVERIES.c.integration_index,
        )
        query = select(*columns, value).where(condition).group_by(*columns)
        return {IntegrationId(*row[:3]): row[3] for row in await self._fetch(query)}

    async def _fetch(self, query: AnySelect) -> Sequence[AnyRow]:
        return await self._database.read(lambda connection: connection.execute(query).all())


def insert_deliveries(
    connection: Connection, outgoing: Sequence[tuple[Notification, Sequence[NewDelivery]]]
) -> None:
    """Put notifications, of a group each, into the outbox as part of the caller's transaction.

    An older one of the same group that still waits for the same integration is superseded if the
    new one mentions every alert that it mentions: then nothing that it says is lost. An event is
    said once only, so what tells one is never superseded; nor is what could not list all. An
    acknowledgement follows what it acknowledges: neither takes the other's place.
    """
    notifications = [notification for notification, deliveries in outgoing if deliveries]
    if not notifications:
        return
    connection.execute(insert(NOTIFICATIONS), [_to_notification_row(n) for n in notifications])
    mentioned = [row for notification in notifications for row in _to_alert_rows(notification)]
    if mentioned:  # A notice mentions none.
        connection.execute(insert(NOTIFICATION_ALERTS), mentioned)
    rows = [_to_row(notification, each) for notification, new in outgoing for each in new]
    acknowledging = {each.id for each in notifications if each.acknowledged_by}
    superseding = [row for row in rows if row["notification_id"] not in acknowledging]
    if superseding:
        connection.execute(_SUPERSEDE, [_to_supersede_parameters(row) for row in superseding])
    connection.execute(insert(DELIVERIES), rows)


def _to_supersede_parameters(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "by_id": row["notification_id"],
        "for_receiver": row["receiver"],
        "for_integration": row["integration"],
        "for_index": row["integration_index"],
        "for_group_key": row["group_key"],
    }


def _build_supersede() -> Update:
    older, newer = NOTIFICATION_ALERTS.alias(), NOTIFICATION_ALERTS.alias()
    mentioned = select(newer.c.fingerprint).where(newer.c.notification_id == bindparam("by_id"))
    is_replaceable = select(NOTIFICATIONS.c.is_replaceable).where(
        NOTIFICATIONS.c.id == DELIVERIES.c.notification_id
    )
    says_more = exists().where(
        older.c.notification_id == DELIVERIES.c.notification_id,
        older.c.fingerprint.not_in(mentioned),
    )
    return (
        update(DELIVERIES)
        .where(
            DELIVERIES.c.receiver == bindparam("for_receiver"),
            DELIVERIES.c.integration == bindparam("for_integration"),
            DELIVERIES.c.integration_index == bindparam("for_index"),
            DELIVERIES.c.group_key == bindparam("for_group_key"),
            DELIVERIES.c.status.in_(_WAITING),
            is_replaceable.scalar_subquery(),
            ~says_more,
        )
        .values(status=DeliveryStatus.SUPERSEDED.value, next_attempt_at=None)
    )


# Built once: in a storm of groups, building the statement costs more than running it.
_SUPERSEDE = _build_supersede()


def _is_waiting_for(integration: IntegrationId, table: Any = DELIVERIES) -> Any:
    return and_(
        table.c.receiver == integration.receiver,
        table.c.integration == integration.kind,
        table.c.integration_index == integration.index,
        table.c.status.in_(_WAITING),
    )


def _is_head(integration: IntegrationId) -> Any:
    """Select what waits with nothing older of its group before it."""
    older = DELIVERIES.alias()
    return and_(
        _is_waiting_for(integration),
        ~exists().where(
            _is_waiting_for(integration, older),
            older.c.group_key == DELIVERIES.c.group_key,
            older.c.id < DELIVERIES.c.id,
        ),
    )


def _to_notification_row(notification: Notification) -> dict[str, Any]:
    return {
        "id": notification.id,
        "receiver": notification.receiver,
        "group_key": notification.group_key,
        "kind": notification.kind.value,
        "title": render_subject(notification),
        "payload": notification_to_json(notification),
        "created_at": notification.created_at,
        "is_replaceable": notification.notice is None
        and not notification.acknowledged_by
        and not notification.truncated_count
        and not any(alert.is_event for alert in notification.alerts),
    }


def _to_alert_rows(notification: Notification) -> list[dict[str, Any]]:
    return [
        {
            "notification_id": notification.id,
            "position": position,
            "fingerprint": alert.fingerprint,
            "name": alert.name,
            "status": alert.status.value,
        }
        for position, alert in enumerate(notification.alerts)
    ]


def _to_row(notification: Notification, delivery: NewDelivery) -> dict[str, Any]:
    integration = delivery.integration
    return {
        "notification_id": notification.id,
        "receiver": integration.receiver,
        "integration": integration.kind,
        "integration_index": integration.index,
        "group_key": notification.group_key,
        "destination": delivery.destination,
        "idempotency_key": f"{notification.id}-{integration.kind}-{integration.index}",
        "status": DeliveryStatus.QUEUED.value,
        "attempts": 0,
        "created_at": notification.created_at,
        "queued_at": notification.created_at,
        "next_attempt_at": notification.created_at,
        "last_error": "",
        "detail": "",
        "remaining": [],
    }


def _to_values(outcome: Outcome) -> dict[str, Any]:
    if outcome.is_sent:
        status = DeliveryStatus.SENT
    elif outcome.next_attempt_at is not None:
        status = DeliveryStatus.RETRYING
    else:
        status = DeliveryStatus.FAILED
    return {
        "status": status.value,
        "attempts": DELIVERIES.c.attempts + 1,
        "next_attempt_at": outcome.next_attempt_at,
        "sent_at": outcome.at if outcome.is_sent else None,
        "last_error": outcome.error,
        "detail": outcome.detail,
        "remaining": list(outcome.remaining),
    }


def _to_due(row: AnyRow) -> DueDelivery:
    return DueDelivery(
        id=row.id,
        notification=notification_from_json(row.payload),
        key=row.idempotency_key,
        attempts=row.attempts,
        queued_at=row.queued_at,
        remaining=tuple(row.remaining),
    )


def _select_records() -> AnySelect:
    return select(DELIVERIES, NOTIFICATIONS.c.kind, NOTIFICATIONS.c.title).join(
        NOTIFICATIONS, NOTIFICATIONS.c.id == DELIVERIES.c.notification_id
    )


def _read_records(connection: Connection, query: AnySelect) -> list[DeliveryRecord]:
    rows = connection.execute(query).all()
    mentioned: dict[str, list[MentionedAlert]] = {row.notification_id: [] for row in rows}
    alerts = select(NOTIFICATION_ALERTS).where(
        NOTIFICATION_ALERTS.c.notification_id.in_(bindparam("ids", expanding=True)),
        NOTIFICATION_ALERTS.c.position < _MOST_MENTIONED,
    )
    for row in connection.execute(
        alerts.order_by(NOTIFICATION_ALERTS.c.position), {"ids": list(mentioned)}
    ):
        alert = MentionedAlert(row.fingerprint, row.name, row.status)
        mentioned[row.notification_id].append(alert)
    return [_to_record(row, mentioned[row.notification_id]) for row in rows]


def _to_record(row: AnyRow, alerts: Sequence[MentionedAlert]) -> DeliveryRecord:
    return DeliveryRecord(
        id=row.id,
        receiver=row.receiver,
        integration=row.integration,
        destination=row.destination,
        status=DeliveryStatus(row.status),
        kind=row.kind,
        title=row.title,
        created_at=row.created_at,
        sent_at=row.sent_at,
        attempts=row.attempts,
        last_error=row.last_error,
        next_attempt_at=row.next_attempt_at,
        alerts=alerts,
    )
