"""The outbox' own metrics."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry


class OutboxMetrics:
    """The outbox' own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        names = ["receiver", "integration"]
        self.sent = Counter(
            "resumatch_monitor_notifications_total",
            "Notifications that a destination accepted.",
            names,
            registry=registry,
        )
        self.failed_attempts = Counter(
            "resumatch_monitor_notification_attempts_failed_total",
            "Attempts that failed, whether or not they are repeated.",
            [*names, "reason"],
            registry=registry,
        )
        self.failed = Counter(
            "resumatch_monitor_notifications_failed_total",
            "Notifications that were given up.",
            [*names, "reason"],
            registry=registry,
        )
        self.waiting = Gauge(
            "resumatch_monitor_outbox_pending",
            "Notifications that wait to be delivered.",
            names,
            registry=registry,
        )
        self.latency = Histogram(
            "resumatch_monitor_notification_latency_seconds",
            "From the decision to notify to the destination's acceptance.",
            names,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400),
            registry=registry,
        )
        self.last_sent_at = Gauge(
            "resumatch_monitor_notification_last_success_timestamp_seconds",
            "When a destination last accepted a notification; 0 if never.",
            names,
            registry=registry,
        )
