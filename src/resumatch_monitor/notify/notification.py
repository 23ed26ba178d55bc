"""The neutral notification: what is said, before any channel decides how it looks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.metrics.labels import NO_LABELS, Labels

MOST_ALERTS = 1000
"""More alerts than these are counted in a notification and not listed."""


class NotificationKind(StrEnum):
    """Firing as long as one of its alerts does."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about one group of alerts to one receiver.

    Attributes:
        id: Stable across retries; a destination may recognise a repeated delivery by it.
        thread_id: The id of the first notification since the group began to fire.
        group_key: Names the group; the same when it fires and when it resolves.
        alerts: Firing ones first, never empty; at most `MOST_ALERTS`.
        firing_count: How many fire, listed or not.
        resolved_count: How many have resolved, listed or not.
        is_repeat: Nothing changed; the group merely still fires.
        external_labels: `global.external_labels`: tell this monitor's alerts from another's.
    """

    id: str
    thread_id: str
    receiver: str
    group_key: str
    group_labels: Labels
    alerts: tuple[Alert, ...]
    firing_count: int
    resolved_count: int
    created_at: datetime
    is_repeat: bool = False
    external_labels: Labels = NO_LABELS

    @property
    def kind(self) -> NotificationKind:
        """Whether anything fires."""
        return NotificationKind.FIRING if self.firing_count else NotificationKind.RESOLVED

    @property
    def truncated_count(self) -> int:
        """How many alerts are counted and not listed."""
        return self.firing_count + self.resolved_count - len(self.alerts)

    @property
    def dedup_key(self) -> str:
        """The same for every notification of the group, so that a resolve finds its trigger."""
        text = f"{self.receiver}\xff{self.group_key}"
        return hashlib.sha256(text.encode()).hexdigest()

    def labels_of(self, alert: Alert) -> Labels:
        """Return the labels that `alert` has outside the monitor."""
        return self.external_labels.with_labels(alert.labels)

    @property
    def common_labels(self) -> Labels:
        """The labels that all listed alerts share."""
        return Labels(_common([self.labels_of(alert) for alert in self.alerts]))

    @property
    def common_annotations(self) -> dict[str, str]:
        """The annotations that all listed alerts share."""
        return dict(_common([alert.annotations for alert in self.alerts]))

    def without_resolved(self) -> "Notification":
        """Return the same without what has resolved, for destinations that want none of it."""
        firing = tuple(each for each in self.alerts if each.status is AlertStatus.FIRING)
        return replace(self, alerts=firing, resolved_count=0)


def split_alerts(alerts: Sequence[Alert]) -> tuple[tuple[Alert, ...], int, int]:
    """Return the alerts that a notification lists, how many fire and how many have resolved."""
    firing = [alert for alert in alerts if alert.status is AlertStatus.FIRING]
    resolved = [alert for alert in alerts if alert.status is AlertStatus.RESOLVED]
    return tuple([*firing, *resolved][:MOST_ALERTS]), len(firing), len(resolved)


def notification_to_json(notification: Notification) -> dict[str, Any]:
    """Return what `notification_from_json` reads; it is kept, so keys are only ever added."""
    return {
        "id": notification.id,
        "thread_id": notification.thread_id,
        "receiver": notification.receiver,
        "group_key": notification.group_key,
        "group_labels": dict(notification.group_labels),
        "alerts": [_alert_to_json(alert) for alert in notification.alerts],
        "firing_count": notification.firing_count,
        "resolved_count": notification.resolved_count,
        "created_at_ms": to_milliseconds(notification.created_at),
        "is_repeat": notification.is_repeat,
        "external_labels": dict(notification.external_labels),
    }


def notification_from_json(data: Mapping[str, Any]) -> Notification:
    """Read what `notification_to_json` wrote."""
    return Notification(
        id=data["id"],
        thread_id=data["thread_id"],
        receiver=data["receiver"],
        group_key=data["group_key"],
        group_labels=Labels.of(data["group_labels"]),
        alerts=tuple(_alert_from_json(alert) for alert in data["alerts"]),
        firing_count=data["firing_count"],
        resolved_count=data["resolved_count"],
        created_at=from_milliseconds(data["created_at_ms"]),
        is_repeat=data["is_repeat"],
        external_labels=Labels.of(data.get("external_labels")),
    )


def _common(mappings: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    first, *others = mappings
    return [
        (name, value)
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    ]


def _alert_to_json(alert: Alert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at_ms": to_milliseconds(alert.starts_at),
        "ends_at_ms": None if alert.ends_at is None else to_milliseconds(alert.ends_at),
        "source": alert.source.value,
        "path": alert.generator_path,
        "is_event": alert.is_event,
        # As text, since JSON has no infinity.
        "value": None if alert.value is None else repr(float(alert.value)),
    }


def _alert_from_json(data: Mapping[str, Any]) -> Alert:
    ends_at_ms, value = data["ends_at_ms"], data["value"]
    return Alert(
        labels=Labels.of(data["labels"]),
        annotations=data["annotations"],
        starts_at=from_milliseconds(data["starts_at_ms"]),
        ends_at=None if ends_at_ms is None else from_milliseconds(ends_at_ms),
        source=AlertSource(data["source"]),
        generator_path=data["path"],
        is_event=data["is_event"],
        value=None if value is None else float(value),
    )
