"""The store's own metrics."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry

_FSYNC_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class StoreTelemetry:
    """Counters and gauges of one store."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        prefix = "resumatch_monitor_tsdb_"
        self.head_series = Gauge(
            prefix + "head_series", "Series in memory or in a block.", registry=registry
        )
        self.head_samples = Gauge(
            prefix + "head_samples", "Samples that are not sealed yet.", registry=registry
        )
        self.blocks = Gauge(prefix + "blocks", "Sealed blocks.", registry=registry)
        self.block_bytes = Gauge(
            prefix + "block_bytes", "Size of all sealed blocks.", registry=registry
        )
        self.compactions = Counter(
            prefix + "compactions_total",
            "Times that blocks were joined or rewritten.",
            registry=registry,
        )
        self.wal_bytes = Gauge(
            prefix + "wal_bytes", "Size of the write-ahead log.", registry=registry
        )
        self.queue_samples = Gauge(
            prefix + "queue_samples",
            "Samples waiting to be made durable, not acknowledged yet.",
            registry=registry,
        )
        self.appended = Counter(
            prefix + "samples_appended_total", "Samples made durable.", registry=registry
        )
        self.rejected = Counter(
            prefix + "samples_rejected_total",
            "Samples refused one by one.",
            ["reason"],
            registry=registry,
        )
        self.refused_writes = Counter(
            prefix + "writes_refused_total",
            "Writes refused as a whole: the disk or a limit.",
            registry=registry,
        )
        self.fsync_seconds = Histogram(
            prefix + "wal_fsync_duration_seconds",
            "Time to make one group of appends durable.",
            buckets=_FSYNC_BUCKETS,
            registry=registry,
        )
        self.corruptions = Counter(
            prefix + "corruptions_total",
            "Damaged places found in segments and blocks; the rest stays readable.",
            ["kind"],
            registry=registry,
        )
        self.seals = Counter(
            prefix + "seals_total", "Attempts to seal a block.", ["result"], registry=registry
        )
        self.open_seconds = Gauge(
            prefix + "open_duration_seconds", "How long opening took.", registry=registry
        )
        for reason in ("conflict", "too_old", "too_new", "series_limit"):
            self.rejected.labels(reason)
        for kind in ("wal", "block", "chunk"):
            self.corruptions.labels(kind)
        for result in ("sealed", "failed"):
            self.seals.labels(result)
        # An append is applied before it is acknowledged, so nothing acknowledged is invisible.
        telemetry.ingest_pending.labels("metrics").set(0)
