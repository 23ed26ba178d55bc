"""What error tracking tells about itself."""

from prometheus_client import Counter, Gauge

from resumatch_monitor.kit.telemetry import Telemetry


class ErrorMetrics:
    """The metric families of error tracking; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.events = Counter(
            "resumatch_monitor_errors_events_total",
            "Acknowledged events, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "duplicate", "set_aside"):
            self.events.labels(outcome)
        self.lag_seconds = Gauge(
            "resumatch_monitor_errors_lag_seconds",
            "Time from arrival to storage of the last event that was stored.",
            registry=telemetry.registry,
        )
