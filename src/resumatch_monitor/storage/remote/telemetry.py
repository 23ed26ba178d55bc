"""What the way to the external store tells about itself."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry

_PREFIX = "resumatch_monitor_remote_write_"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
DROP_REASONS = ("rejected", "queue_full", "too_old", "damaged")


class RemoteTelemetry:
    """Counters and gauges of the queue and of the sender."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        self.appended = Counter(
            _PREFIX + "samples_total", "Samples made durable in the queue.", registry=registry
        )
        self.sent = Counter(
            _PREFIX + "samples_sent_total", "Samples that the server took.", registry=registry
        )
        self.dropped = Counter(
            _PREFIX + "samples_dropped_total",
            "Samples that never reach the server: it refused them, the queue was full, they"
            " waited too long, or the disk damaged them.",
            ["reason"],
            registry=registry,
        )
        self.resent = Counter(
            _PREFIX + "samples_resent_total",
            "Samples sent once more because the server may have lost them in a restart.",
            registry=registry,
        )
        self.requests = Counter(
            _PREFIX + "requests_total", "Requests to the server.", ["result"], registry=registry
        )
        self.bytes_sent = Counter(
            _PREFIX + "bytes_sent_total", "Bytes of bodies, compressed.", registry=registry
        )
        self.request_seconds = Histogram(
            _PREFIX + "request_duration_seconds",
            "How long the server took for a request.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.queue_records = Gauge(
            _PREFIX + "queue_records",
            "Records in the queue on the disk: those that wait, and those that are kept for a"
            " while after they were sent.",
            registry=registry,
        )
        self.lag_seconds = Gauge(
            _PREFIX + "lag_seconds",
            "How long the oldest sample that the server has not taken waits.",
            registry=registry,
        )
        self.up = Gauge(
            _PREFIX + "up",
            "Whether the last request to the server succeeded.",
            registry=registry,
        )
        self.up.set(1)
        # What waits is acknowledged and not visible to queries.
        self.pending = telemetry.ingest_pending.labels("metrics")
        for reason in DROP_REASONS:
            self.dropped.labels(reason)
        for result in ("ok", "retried", "rejected", "failed"):
            self.requests.labels(result)
