"""Notes on the way of messages that somebody has acknowledged what they are about."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, and_, select

from resumatch_monitor.dispatch.occurrence import OccurrenceId
from resumatch_monitor.dispatch.reading import DeliveryStatus, StepKind
from resumatch_monitor.notify.notification import NotificationKind
from resumatch_monitor.storage.sql.outbox_rows import add_steps
from resumatch_monitor.storage.sql.tables.dispatch import (
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
)

_MOST_DELIVERIES = 100
"""Messages about one occurrence that are looked at, the latest."""


def note_acknowledged(
    connection: Connection, acknowledged: Mapping[OccurrenceId, str], at: datetime
) -> None:
    """Add the step to the last message that each integration accepted, as part of a transaction.

    Args:
        connection: The caller's transaction.
        acknowledged: Who acknowledged which occurrence just now.
        at: When.
    """
    noted: dict[int, str] = {}
    for occurrence, by in acknowledged.items():
        noted.update(dict.fromkeys(_find_sent(connection, occurrence), by))
    for by in dict.fromkeys(noted.values()):
        ids = [delivery_id for delivery_id, who in noted.items() if who == by]
        add_steps(connection, ids, StepKind.ACKNOWLEDGED, f"by {by}", at)


def _find_sent(connection: Connection, occurrence: OccurrenceId) -> list[int]:
    """Return the last message about an occurrence by integration and group."""
    query = (
        select(DELIVERIES)
        .join(NOTIFICATIONS, NOTIFICATIONS.c.id == DELIVERIES.c.notification_id)
        .join(
            NOTIFICATION_ALERTS,
            and_(
                NOTIFICATION_ALERTS.c.notification_id == NOTIFICATIONS.c.id,
                NOTIFICATION_ALERTS.c.fingerprint == occurrence.fingerprint,
            ),
        )
        .where(
            NOTIFICATIONS.c.kind == NotificationKind.FIRING.value,
            NOTIFICATIONS.c.created_at >= occurrence.starts_at,
            DELIVERIES.c.status == DeliveryStatus.SENT.value,
        )
        .order_by(DELIVERIES.c.id.desc())
        .limit(_MOST_DELIVERIES)
    )
    found: dict[tuple[str, str, int, str], int] = {}
    for row in connection.execute(query):
        key = (row.receiver, row.integration, row.integration_index, row.group_key)
        found.setdefault(key, row.id)
    return list(found.values())
