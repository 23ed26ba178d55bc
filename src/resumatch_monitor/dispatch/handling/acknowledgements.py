"""Tells those that keep incidents of their own that somebody works on one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import Notification, split_alerts
from resumatch_monitor.notify.notifier import Integration, IntegrationId

KINDS = ("pagerduty",)
"""The integrations that keep incidents."""


@dataclass(frozen=True, slots=True)
class AcknowledgedGroup:
    """A group of which every alert that people were told fires is acknowledged.

    Attributes:
        thread_id: The id of its first notification.
        told: The integrations that keep an incident of it.
        alerts: Its alerts that fire.
        by: Who acknowledged the last of them.
    """

    group_id: GroupId
    thread_id: str
    told: Sequence[IntegrationId]
    alerts: Sequence[Alert]
    by: str


class AcknowledgementComposer:
    """Says it in the words of the outbox."""

    def __init__(
        self,
        integrations: Sequence[Integration],
        *,
        ids: Ids,
        external_labels: Labels = NO_LABELS,
    ) -> None:
        self._destinations: Mapping[IntegrationId, str] = {
            each.id: each.notifier.destination for each in integrations if each.id.kind in KINDS
        }
        self._ids = ids
        self._external_labels = external_labels

    @property
    def is_needed(self) -> bool:
        """Whether any integration keeps incidents."""
        return bool(self._destinations)

    def compose(
        self, group: AcknowledgedGroup, at: datetime
    ) -> tuple[Notification, Sequence[NewDelivery]]:
        """Return what is said about `group`, and to whom; to nobody if all are gone."""
        notification_id = self._ids.uuid()
        alerts, firing_count, _ = split_alerts(group.alerts)
        notification = Notification(
            id=notification_id,
            thread_id=group.thread_id or notification_id,
            receiver=group.group_id.receiver,
            group_key=group.group_id.key,
            group_labels=NO_LABELS,
            alerts=alerts,
            firing_count=firing_count,
            resolved_count=0,
            created_at=at,
            external_labels=self._external_labels,
            acknowledged_by=group.by,
        )
        deliveries = [
            NewDelivery(each, self._destinations[each])
            for each in group.told
            if each in self._destinations
        ]
        return notification, deliveries
