"""What tracing tells about itself."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from resumatch_monitor.kit.telemetry import Telemetry


class TracingMetrics:
    """The metric families of tracing; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.rejected = telemetry.ingest_rejected
        self._spans = Counter(
            "resumatch_monitor_traces_spans_total",
            "Acknowledged spans, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "malformed", "too_many", "own_envelope"):
            self._spans.labels(outcome)
        self.items = Counter(
            "resumatch_monitor_traces_items_total",
            "Acknowledged transactions, span items and OTLP requests, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "duplicate", "unreadable", "refused"):
            self.items.labels(outcome)
        self.segments_observed = Counter(
            "resumatch_monitor_traces_segments_total",
            "Segments whose figures were counted.",
            registry=telemetry.registry,
        )
        self.lag_seconds = Gauge(
            "resumatch_monitor_traces_lag_seconds",
            "Time from arrival to storage of the last item that was stored.",
            registry=telemetry.registry,
        )
        self.bytes = Gauge(
            "resumatch_monitor_traces_bytes",
            "How much of the disk traces take.",
            registry=telemetry.registry,
        )
        self.dropped_parts = Counter(
            "resumatch_monitor_traces_parts_total",
            "Files of traces that were thinned or given up, by the reason.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("expired", "thinned", "over_budget"):
            self.dropped_parts.labels(outcome)

    def count_spans(self, stored: int, refused: Mapping[str, int]) -> None:
        """Count what became of spans."""
        self._spans.labels("stored").inc(stored)
        for reason, count in refused.items():
            self._spans.labels(reason).inc(count)
