"""Deliveries as rows, and the statements that write them within their caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Update,
    and_,
    bindparam,
    exists,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.dispatch.reading import DeliveryStatus, StepKind
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import (
    Notification,
    NotificationKind,
    notification_to_json,
)
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.notify.wording import render_subject
from resumatch_monitor.storage.sql.statements import AnyRow
from resumatch_monitor.storage.sql.tables.alerting import DELIVERY_STEPS
from resumatch_monitor.storage.sql.tables.dispatch import (
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
)

# Written out in the statement: with bound values SQLite cannot see that the partial index serves.
WAITING: list[Any] = [
    literal_column(f"'{status.value}'")
    for status in (DeliveryStatus.QUEUED, DeliveryStatus.RETRYING)
]


def insert_notifications(connection: Connection, notifications: Sequence[Notification]) -> None:
    """Store what is said, and about which alerts."""
    connection.execute(insert(NOTIFICATIONS), [_to_notification_row(n) for n in notifications])
    mentioned = [row for notification in notifications for row in _to_alert_rows(notification)]
    if mentioned:  # A notice mentions none.
        connection.execute(insert(NOTIFICATION_ALERTS), mentioned)


def insert_rows(
    connection: Connection,
    rows: Sequence[dict[str, Any]],
    *,
    acknowledging: Collection[str] = (),
) -> None:
    """Store deliveries; what waits and is said again by one of them is superseded.

    Args:
        connection: The caller's transaction.
        rows: The deliveries.
        acknowledging: The notifications that follow what they are about and replace nothing.
    """
    if not rows:
        return
    _supersede(connection, [row for row in rows if row["notification_id"] not in acknowledging])
    connection.execute(insert(DELIVERIES), rows)


def _supersede(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    parameters = [
        {
            "by_id": row["notification_id"],
            "for_receiver": row["receiver"],
            "for_integration": row["integration"],
            "for_index": row["integration_index"],
            "for_group_key": row["group_key"],
            "at": row["created_at"],
        }
        for row in rows
    ]
    connection.execute(_NOTE_SUPERSEDED, parameters)
    connection.execute(
        _SUPERSEDE, [{name: each[name] for name in each if name != "at"} for each in parameters]
    )


def add_steps(
    connection: Connection, delivery_ids: Sequence[int], kind: StepKind, detail: str, at: datetime
) -> None:
    """Note what happened to deliveries."""
    if delivery_ids:
        connection.execute(
            insert(DELIVERY_STEPS),
            [
                {"delivery_id": each, "at": at, "step": kind.value, "detail": detail}
                for each in delivery_ids
            ],
        )


def hand_over(
    connection: Connection, origin: AnyRow, heirs: Sequence[NewDelivery], at: datetime
) -> list[NewDelivery]:
    """Give the notification of `origin` to others, but to none that has it already.

    So it can go in no circle, however receivers name each other. Returns those that got it.
    """
    known = {
        IntegrationId(*row)
        for row in connection.execute(
            select(
                DELIVERIES.c.receiver, DELIVERIES.c.integration, DELIVERIES.c.integration_index
            ).where(DELIVERIES.c.notification_id == origin.notification_id)
        )
    }
    taking = [each for each in heirs if each.integration not in known]
    insert_rows(
        connection,
        [
            {
                **_to_delivery_columns(each),
                "notification_id": origin.notification_id,
                "group_key": origin.group_key,
                "idempotency_key": f"{origin.notification_id}-{each.integration}",
                "created_at": at,
                "queued_at": at,
                "next_attempt_at": at,
                "origin_id": origin.id,
            }
            for each in taking
        ],
    )
    return taking


def has_taken_over(connection: Connection, origin: AnyRow, heir: NewDelivery) -> bool:
    """Tell whether `heir` once got, instead of this integration, what this thread began with."""
    earlier, taken, said = DELIVERIES.alias(), DELIVERIES.alias(), NOTIFICATIONS.alias()
    query = (
        select(said.c.payload)
        .select_from(taken)
        .join(earlier, earlier.c.id == taken.c.origin_id)
        .join(said, said.c.id == taken.c.notification_id)
        .where(
            taken.c.origin_id.is_not(None),
            is_for(heir.integration, taken),
            earlier.c.receiver == origin.receiver,
            earlier.c.integration == origin.integration,
            earlier.c.integration_index == origin.integration_index,
            earlier.c.group_key == origin.group_key,
        )
    )
    thread_id = connection.execute(
        select(NOTIFICATIONS.c.payload).where(NOTIFICATIONS.c.id == origin.notification_id)
    ).scalar_one()["thread_id"]
    return any(row.payload["thread_id"] == thread_id for row in connection.execute(query))


def is_for(integration: IntegrationId, table: Any = DELIVERIES) -> Any:
    """Select the deliveries to an integration."""
    return and_(
        table.c.receiver == integration.receiver,
        table.c.integration == integration.kind,
        table.c.integration_index == integration.index,
    )


def to_row(notification: Notification, delivery: NewDelivery) -> dict[str, Any]:
    """Return a new delivery."""
    integration = delivery.integration
    return {
        **_to_delivery_columns(delivery),
        "notification_id": notification.id,
        "group_key": notification.group_key,
        "idempotency_key": f"{notification.id}-{integration.kind}-{integration.index}",
        "created_at": notification.created_at,
        "queued_at": notification.created_at,
        "next_attempt_at": notification.created_at,
        "origin_id": None,
    }


def to_values(outcome: Outcome) -> dict[str, Any]:
    """Return what an attempt changes of its delivery."""
    return {
        "status": judge(outcome).value,
        "attempts": DELIVERIES.c.attempts + 1,
        "next_attempt_at": outcome.next_attempt_at,
        "sent_at": outcome.at if outcome.is_sent else None,
        "last_error": outcome.error,
        "detail": outcome.detail,
        "remaining": list(outcome.remaining),
    }


def judge(outcome: Outcome) -> DeliveryStatus:
    """Return where an attempt leaves its delivery."""
    if outcome.is_sent:
        return DeliveryStatus.SENT
    if outcome.next_attempt_at is not None:
        return DeliveryStatus.RETRYING
    return DeliveryStatus.FAILED


def _to_delivery_columns(delivery: NewDelivery) -> dict[str, Any]:
    integration = delivery.integration
    return {
        "receiver": integration.receiver,
        "integration": integration.kind,
        "integration_index": integration.index,
        "destination": delivery.destination,
        "status": DeliveryStatus.QUEUED.value,
        "attempts": 0,
        "last_error": "",
        "detail": "",
        "remaining": [],
    }


def _to_notification_row(notification: Notification) -> dict[str, Any]:
    return {
        "id": notification.id,
        "receiver": notification.receiver,
        "group_key": notification.group_key,
        "kind": notification.kind.value,
        "title": render_subject(notification),
        "payload": notification_to_json(notification),
        "created_at": notification.created_at,
        "is_replaceable": notification.kind in _REPLACEABLE
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


# A notice, and that somebody has taken an incident, is said by nothing that comes later.
_REPLACEABLE = (NotificationKind.FIRING, NotificationKind.RESOLVED)


def _is_superseded() -> Any:
    older, newer = NOTIFICATION_ALERTS.alias(), NOTIFICATION_ALERTS.alias()
    mentioned = select(newer.c.fingerprint).where(newer.c.notification_id == bindparam("by_id"))
    is_replaceable = select(NOTIFICATIONS.c.is_replaceable).where(
        NOTIFICATIONS.c.id == DELIVERIES.c.notification_id
    )
    says_more = exists().where(
        older.c.notification_id == DELIVERIES.c.notification_id,
        older.c.fingerprint.not_in(mentioned),
    )
    return and_(
        DELIVERIES.c.receiver == bindparam("for_receiver"),
        DELIVERIES.c.integration == bindparam("for_integration"),
        DELIVERIES.c.integration_index == bindparam("for_index"),
        DELIVERIES.c.group_key == bindparam("for_group_key"),
        DELIVERIES.c.status.in_(WAITING),
        is_replaceable.scalar_subquery(),
        ~says_more,
    )


def _build_supersede() -> Update:
    return (
        update(DELIVERIES)
        .where(_is_superseded())
        .values(status=DeliveryStatus.SUPERSEDED.value, next_attempt_at=None)
    )


def _build_note_superseded() -> Insert:
    """Build the statement that notes the step, run before the one that changes the status."""
    found = select(
        DELIVERIES.c.id,
        bindparam("at", type_=DELIVERY_STEPS.c.at.type),
        literal(StepKind.SUPERSEDED.value),
        literal("a newer message says it all"),
    ).where(_is_superseded())
    return insert(DELIVERY_STEPS).from_select(["delivery_id", "at", "step", "detail"], found)


# Built once: in a storm of groups, building the statements costs more than running them.
_SUPERSEDE = _build_supersede()
_NOTE_SUPERSEDED = _build_note_superseded()
