"""The dispatcher's own metrics."""

import collections
from collections.abc import Callable, Sequence

from prometheus_client import Counter, Gauge

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.dispatch.grouping.group import Decision
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.kit.telemetry import Telemetry


class DispatchMetrics:
    """What came in, and what was held back."""

    def __init__(self, telemetry: Telemetry, *, count_groups: Callable[[], int]) -> None:
        registry = telemetry.registry
        self._received = Counter(
            "resumatch_monitor_alerts_received_total",
            "Reports of alerts, repeated ones included.",
            ["source", "status"],
            registry=registry,
        )
        self._suppressed = Counter(
            "resumatch_monitor_notifications_suppressed_total",
            "Alerts that were held back from a group's notification, once each time it began.",
            ["kind"],
            registry=registry,
        )
        self._summarised = Counter(
            "resumatch_monitor_notifications_summarised_total",
            "Notifications beyond the limit of an hour, put into a summary instead.",
            ["receiver"],
            registry=registry,
        )
        groups = Gauge(
            "resumatch_monitor_alert_groups",
            "Groups of alerts about which something may have to be said.",
            registry=registry,
        )
        groups.set_function(count_groups)
        for source in AlertSource:
            for status in AlertStatus:
                self._received.labels(source.value, status.value)
        for kind in MuteKind:
            self._suppressed.labels(kind.value)

    def note_received(self, alerts: Sequence[Alert]) -> None:
        """Count reports."""
        counts = collections.Counter((each.source.value, each.status.value) for each in alerts)
        for labels, count in counts.items():
            self._received.labels(*labels).inc(count)

    def note_held(self, decision: Decision) -> None:
        """Count what begins to be held back."""
        for _, mute in decision.newly_held:
            self._suppressed.labels(mute.kind.value).inc()

    def note_summarised(self, receiver: str, count: int) -> None:
        """Count messages that were put into a summary."""
        self._summarised.labels(receiver).inc(count)
