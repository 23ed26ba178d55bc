"""Notes on the way of messages that somebody has acknowledged what they are about."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from operator import attrgetter

from sqlalchemy import Connection, select

from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.reading import DeliveryStatus, StepKind
from resumatch_monitor.notify.notification import NotificationKind
from resumatch_monitor.storage.sql.alerts_rows import in_chunks
from resumatch_monitor.storage.sql.outbox_rows import add_steps
from resumatch_monitor.storage.sql.tables.dispatch import (
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
)

_MOST_DELIVERIES = 100
"""Messages about one occurrence that are looked at, the latest."""
_KEY = ("receiver", "integration", "integration_index", "group_key")
_find_key = attrgetter("fingerprint", *_KEY)


def note_acknowledged(
    connection: Connection, acknowledged: Mapping[OccurrenceId, str], at: datetime
) -> None:
    """Add the step to the last message that each integration accepted, as part of a transaction.

    Args:
        connection: The caller's transaction.
        acknowledged: Who acknowledged which occurrence just now.
        at: When.
    """
    noted: dict[str, list[int]] = {}
    for chunk in in_chunks(acknowledged):
        wanted = {each.fingerprint: each for each in chunk}
        for fingerprint, delivery_id in _find_sent(connection, wanted):
            noted.setdefault(acknowledged[wanted[fingerprint]], []).append(delivery_id)
    for by, ids in noted.items():
        add_steps(connection, list(dict.fromkeys(ids)), StepKind.ACKNOWLEDGED, f"by {by}", at)


def _find_sent(
    connection: Connection, wanted: Mapping[str, OccurrenceId]
) -> Iterator[tuple[str, int]]:
    """Yield the last messages about some occurrences, by fingerprint, integration and group."""
    query = (
        select(
            NOTIFICATION_ALERTS.c.fingerprint,
            NOTIFICATIONS.c.created_at.label("said_at"),
            *(DELIVERIES.c[name] for name in _KEY),
            DELIVERIES.c.id,
        )
        .select_from(NOTIFICATION_ALERTS)
        .join(NOTIFICATIONS, NOTIFICATIONS.c.id == NOTIFICATION_ALERTS.c.notification_id)
        .join(DELIVERIES, DELIVERIES.c.notification_id == NOTIFICATIONS.c.id)
        .where(
            NOTIFICATION_ALERTS.c.fingerprint.in_(list(wanted)),
            NOTIFICATIONS.c.kind == NotificationKind.FIRING.value,
            NOTIFICATIONS.c.created_at >= min(each.starts_at for each in wanted.values()),
            DELIVERIES.c.status == DeliveryStatus.SENT.value,
        )
        .order_by(DELIVERIES.c.id.desc())
        .limit(_MOST_DELIVERIES * len(wanted))
    )
    found: set[object] = set()
    for row in connection.execute(query):
        key = _find_key(row)
        if row.said_at >= wanted[row.fingerprint].starts_at and key not in found:
            found.add(key)
            yield row.fingerprint, row.id
