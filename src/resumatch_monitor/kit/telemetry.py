"""The monitor's own metrics. Every name begins with `resumatch_monitor_`."""

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

SIGNALS = ("errors", "logs", "metrics", "events", "traces")


class Telemetry:
    """The registry, and the metrics that several parts of the process share.

    A part that has metrics of its own registers them on `registry` in its constructor.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.ingest_pending = Gauge(
            "resumatch_monitor_ingest_pending",
            "Records acknowledged and not yet visible to queries.",
            ["signal"],
            registry=self.registry,
        )
        for signal in SIGNALS:
            self.ingest_pending.labels(signal)
        self.ingest_rejected = Counter(
            "resumatch_monitor_ingest_rejected_total",
            "Requests or records refused at the door.",
            ["signal", "reason"],
            registry=self.registry,
        )
        self.loop_failures = Counter(
            "resumatch_monitor_loop_failures_total",
            "Crashes of background loops, each followed by a restart.",
            ["loop"],
            registry=self.registry,
        )
