"""The scraper's own metrics."""

from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry


class ScrapeTelemetry:
    """The scraper's own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        prefix = "resumatch_monitor_"
        self.scrapes = Counter(
            prefix + "scrapes_total", "Scrapes.", ["outcome"], registry=telemetry.registry
        )
        self.duplicates = Counter(
            prefix + "scrape_duplicate_samples_total",
            "Samples left out because the same scrape has the series twice.",
            registry=telemetry.registry,
        )
        self.missed = Counter(
            prefix + "scrapes_missed_total",
            "Scrapes left out because the one before took too long.",
            registry=telemetry.registry,
        )
        self.over_limit = Counter(
            prefix + "scrapes_over_limit_total",
            "Scrapes that failed because of a limit.",
            ["limit"],
            registry=telemetry.registry,
        )
        for outcome in ("ok", "failed", "not_stored"):
            self.scrapes.labels(outcome)
