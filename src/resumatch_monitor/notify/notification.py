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
    """Firing as long as one of its alerts does; a notice is not about alerts that begin or end."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class NoticeSection:
    """A heading and what stands below it, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to say that is not an alert: a digest, a silence that ends, a drill's result.

    Attributes:
        title: One line; the subject of a mail.
        text: A paragraph.
        sections: What follows it.
        severity: How grave it is, as an alert's.
        path: The page of the monitor about it, with query; empty if there is none.
    """

    title: str
    text: str = ""
    sections: tuple[NoticeSection, ...] = ()
    severity: str = "info"
    path: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about one group of alerts to one receiver.

    Attributes:
        id: Stable across retries; a destination may recognise a repeated delivery by it.
        thread_id: The id of the first notification since the group began to fire.
        group_key: Names the group; the same when it fires and when it resolves.
        alerts: Firing ones first; at most `MOST_ALERTS`; empty in a notice only.
        firing_count: How many fire, listed or not.
        resolved_count: How many have resolved, listed or not.
        is_repeat: Nothing changed; the group merely still fires.
        external_labels: `global.external_labels`: tell this monitor's alerts from another's.
        notice: What is said instead of alerts.
        is_drill: Nothing is wrong: the way of an alert is being tried.
        escalation: Why it comes to this receiver now, for people; empty unless it was escalated.
        dependents: Alerts that these drag along and that are not told for that reason.
        mute_note: What muting has to do with it, for people.
        acknowledged_by: Who has taken it; then it says nothing else, and goes only to
            integrations that keep incidents of their own.
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
    notice: Notice | None = None
    is_drill: bool = False
    escalation: str = ""
    dependents: tuple[Alert, ...] = ()
    mute_note: str = ""
    acknowledged_by: str = ""

    @property
    def kind(self) -> NotificationKind:
        """Whether anything fires."""
        if self.notice is not None:
            return NotificationKind.NOTICE
        if self.acknowledged_by:
            return NotificationKind.ACKNOWLEDGED
        return NotificationKind.FIRING if self.firing_count else NotificationKind.RESOLVED

    @property
    def severity(self) -> str:
        """How grave it is: the notice's, or that of the alert that comes first."""
        if self.notice is not None:
            return self.notice.severity
        return self.alerts[0].severity if self.alerts else "warning"

    @property
    def truncated_count(self) -> int:
        """How many alerts are counted and not listed."""
        return self.firing_count + self.resolved_count - len(self.alerts)

    @property
    def dedup_key(self) -> str:
        """The same for every notification of the group, so that a resolve finds its trigger."""
        return build_dedup_key(self.receiver, self.group_key, is_drill=self.is_drill)

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


def build_notice(
    notice: Notice,
    *,
    notification_id: str,
    receiver: str,
    group_key: str,
    created_at: datetime,
    external_labels: Labels = NO_LABELS,
    is_drill: bool = False,
) -> Notification:
    """Return the message that says `notice`, which is about no group of alerts."""
    return Notification(
        id=notification_id,
        thread_id=notification_id,
        receiver=receiver,
        group_key=group_key,
        group_labels=NO_LABELS,
        alerts=(),
        firing_count=0,
        resolved_count=0,
        created_at=created_at,
        external_labels=external_labels,
        notice=notice,
        is_drill=is_drill,
    )


def build_dedup_key(receiver: str, group_key: str, *, is_drill: bool = False) -> str:
    """Return what names a group where incidents are kept: a hash in hexadecimal digits."""
    # A drill must neither join nor end an incident that is real.
    drill = "\xffdrill" if is_drill else ""
    return hashlib.sha256(f"{receiver}\xff{group_key}{drill}".encode()).hexdigest()


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
        "notice": None if notification.notice is None else notice_to_json(notification.notice),
        "is_drill": notification.is_drill,
        "escalation": notification.escalation,
        "dependents": [_alert_to_json(alert) for alert in notification.dependents],
        "mute_note": notification.mute_note,
        "acknowledged_by": notification.acknowledged_by,
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
        notice=_notice_from_json(data["notice"]) if data.get("notice") else None,
        is_drill=data.get("is_drill", False),
        escalation=data.get("escalation", ""),
        dependents=tuple(_alert_from_json(alert) for alert in data.get("dependents", ())),
        mute_note=data.get("mute_note", ""),
        acknowledged_by=data.get("acknowledged_by", ""),
    )


def _common(mappings: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    if not mappings:
        return []
    first, *others = mappings
    return [
        (name, value)
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    ]


def notice_to_json(notice: Notice) -> dict[str, Any]:
    """Return a notice as JSON, as it is kept and as webhooks show it."""
    return {
        "title": notice.title,
        "text": notice.text,
        "sections": [{"title": each.title, "lines": list(each.lines)} for each in notice.sections],
        "severity": notice.severity,
        "path": notice.path,
    }


def _notice_from_json(data: Mapping[str, Any]) -> Notice:
    return Notice(
        title=data["title"],
        text=data["text"],
        sections=tuple(
            NoticeSection(each["title"], tuple(each["lines"])) for each in data["sections"]
        ),
        severity=data["severity"],
        path=data["path"],
    )


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
