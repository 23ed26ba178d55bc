"""What the door tells about itself."""

from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry

ITEM_TYPES = frozenset(
    {
        "event",
        "transaction",
        "span",
        "session",
        "sessions",
        "check_in",
        "log",
        "trace_metric",
        "attachment",
        "feedback",
        "user_report",
        "client_report",
        "profile",
        "profile_chunk",
        "replay_event",
        "replay_recording",
        "replay_video",
    }
)


class DoorMetrics:
    """The metric families of the door; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.rejected = telemetry.ingest_rejected
        self._items = Counter(
            "resumatch_monitor_errors_items_total",
            "Items of envelopes, by what became of them at the door.",
            ["type", "outcome"],
            registry=telemetry.registry,
        )
        self._sdk_discarded = Counter(
            "resumatch_monitor_errors_sdk_discarded_total",
            "Items that SDKs report as dropped before they were sent.",
            ["category", "reason"],
            registry=telemetry.registry,
        )

    def count_item(self, kind: str, outcome: str) -> None:
        """Count an item; a type that nobody has heard of counts as `other`."""
        self._items.labels(kind if kind in ITEM_TYPES else "other", outcome).inc()

    def count_discard(self, category: str, reason: str, quantity: int) -> None:
        """Count what an SDK dropped."""
        self._sdk_discarded.labels(category, reason).inc(quantity)
