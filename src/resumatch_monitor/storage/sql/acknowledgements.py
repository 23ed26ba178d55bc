"""Finds the incidents elsewhere that an acknowledgement is about, within its transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, select

from resumatch_monitor.dispatch.handling.acknowledgements import (
    KINDS,
    AcknowledgedGroup,
    AcknowledgementComposer,
)
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.notify.notification import build_dedup_key
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.storage.sql.alerts_rows import in_chunks, is_firing, to_alert
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.tables.alerting import ALERT_HANDLING
from resumatch_monitor.storage.sql.tables.dispatch import (
    ALERT_GROUPS,
    ALERTS,
    DELIVERIES,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
    TOLD_ALERTS,
)


def tell_acknowledged(
    connection: Connection,
    acknowledged: Mapping[OccurrenceId, str],
    composer: AcknowledgementComposer,
    at: datetime,
    *,
    known_to: Collection[str] = (),
) -> None:
    """Put into the outbox that the groups of `acknowledged` are, where all of them is.

    Args:
        connection: The caller's transaction, which has stored who acknowledged.
        acknowledged: Who acknowledged which occurrence just now.
        composer: Says it.
        at: When.
        known_to: The `dedup_key`s of the incidents that it comes from.
    """
    if not acknowledged or not composer.is_needed:
        return
    groups = [
        group
        for group_id, told in _find_told(connection, acknowledged).items()
        if build_dedup_key(group_id.receiver, group_id.key) not in known_to
        and (group := _describe(connection, group_id, told, acknowledged)) is not None
    ]
    insert_deliveries(connection, [composer.compose(group, at) for group in groups])


def _find_told(
    connection: Connection, acknowledged: Mapping[OccurrenceId, str]
) -> dict[GroupId, list[IntegrationId]]:
    """Return the integrations that keep incidents and were told of the occurrences, by group."""
    found: dict[GroupId, dict[IntegrationId, None]] = {}
    oldest = min(each.starts_at for each in acknowledged)
    for chunk in in_chunks(sorted({each.fingerprint for each in acknowledged})):
        query = (
            select(
                NOTIFICATIONS.c.receiver.label("of_receiver"),
                NOTIFICATIONS.c.group_key.label("of_key"),
                DELIVERIES.c.receiver,
                DELIVERIES.c.integration,
                DELIVERIES.c.integration_index,
            )
            .distinct()
            .select_from(NOTIFICATION_ALERTS)
            .join(NOTIFICATIONS, NOTIFICATIONS.c.id == NOTIFICATION_ALERTS.c.notification_id)
            .join(DELIVERIES, DELIVERIES.c.notification_id == NOTIFICATIONS.c.id)
            .where(
                NOTIFICATION_ALERTS.c.fingerprint.in_(chunk),
                NOTIFICATIONS.c.created_at >= oldest,
                DELIVERIES.c.integration.in_(KINDS),
            )
        )
        for row in connection.execute(query):
            told = found.setdefault(GroupId(row.of_receiver, row.of_key), {})
            told[IntegrationId(row.receiver, row.integration, row.integration_index)] = None
    return {group_id: list(told) for group_id, told in found.items()}


def _describe(
    connection: Connection,
    group_id: GroupId,
    told: Sequence[IntegrationId],
    acknowledged: Mapping[OccurrenceId, str],
) -> AcknowledgedGroup | None:
    """Return the group if it is open and all of its alerts that fire are acknowledged."""
    members = (
        select(ALERTS, ALERT_HANDLING.c.acknowledged_at)
        .join(TOLD_ALERTS, TOLD_ALERTS.c.member_key == ALERTS.c.fingerprint)
        .outerjoin(
            ALERT_HANDLING,
            and_(
                ALERT_HANDLING.c.fingerprint == ALERTS.c.fingerprint,
                ALERT_HANDLING.c.starts_at == ALERTS.c.starts_at,
            ),
        )
        .where(_is_of(TOLD_ALERTS, group_id), ALERTS.c.is_latest, is_firing())
    )
    rows = connection.execute(members).all()
    if not rows or any(row.acknowledged_at is None for row in rows):
        return None
    alerts = [to_alert(row) for row in rows]
    ids = [OccurrenceId(each.fingerprint, each.starts_at) for each in alerts]
    by = next((acknowledged[each] for each in ids if each in acknowledged), "")
    if not by:
        return None
    thread_id = connection.scalar(
        select(func.max(ALERT_GROUPS.c.thread_id)).where(_is_of(ALERT_GROUPS, group_id))
    )
    return AcknowledgedGroup(group_id, thread_id or "", told, alerts, by)


def _is_of(table: Any, group_id: GroupId) -> Any:
    return and_(table.c.receiver == group_id.receiver, table.c.group_key == group_id.key)
