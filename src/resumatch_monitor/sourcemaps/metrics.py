"""What source maps tell about themselves."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry


class SourceMapMetrics:
    """The metric families of source maps; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        self.uploads = Counter(
            "resumatch_monitor_sourcemaps_uploads_total",
            "Bundles that were to be put together, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("stored", "known", "refused"):
            self.uploads.labels(outcome)
        self.bundles = Gauge(
            "resumatch_monitor_sourcemaps_bundles", "Bundles that are kept.", registry=registry
        )
        self.bytes = Gauge(
            "resumatch_monitor_sourcemaps_bytes", "What they have of the disk.", registry=registry
        )
        self.frames = Counter(
            "resumatch_monitor_sourcemaps_frames_total",
            "Minified frames, by whether their original place was found.",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("resolved", "missing", "failed"):
            self.frames.labels(outcome)
        self.lookup_seconds = Histogram(
            "resumatch_monitor_sourcemaps_lookup_seconds",
            "How long the helper process took to answer.",
            buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10),
            registry=registry,
        )
        self.helper_starts = Counter(
            "resumatch_monitor_sourcemaps_helper_starts_total",
            "Starts of the helper process that reads maps.",
            registry=registry,
        )
