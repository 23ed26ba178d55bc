"""What the spools tell about themselves."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.spool.state import State


class SpoolTelemetry:
    """The metric families that all spools of the process share; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.pending = telemetry.ingest_pending
        self.size_bytes = Gauge(
            "resumatch_monitor_spool_bytes",
            "Length of a spool's segments on the disk.",
            ["signal"],
            registry=telemetry.registry,
        )
        self.corrupt = Counter(
            "resumatch_monitor_spool_corrupt_records_total",
            "Damaged stretches of a spool that were skipped.",
            ["signal"],
            registry=telemetry.registry,
        )
        self.sync_seconds = Histogram(
            "resumatch_monitor_spool_sync_seconds",
            "How long the disk took to make a group of records durable.",
            ["signal"],
            registry=telemetry.registry,
            buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5),
        )

    def for_signal(self, signal: str, *, pending: Gauge | None = None) -> "SpoolMetrics":
        """Return the metrics of the spool of `signal`.

        Args:
            signal: The label's value.
            pending: Set to what is not committed, where that is not what is still invisible.
        """
        return SpoolMetrics(self, signal, pending or self.pending.labels(signal))


class SpoolMetrics:
    """The metrics of one spool."""

    def __init__(self, families: SpoolTelemetry, signal: str, pending: Gauge) -> None:
        self.pending = pending
        self.size_bytes = families.size_bytes.labels(signal)
        self.corrupt = families.corrupt.labels(signal)
        self.sync_seconds = families.sync_seconds.labels(signal)

    def publish(self, state: State) -> None:
        """Show what waits and how much there is."""
        self.pending.set(state.pending)
        self.size_bytes.set(state.size_bytes)
