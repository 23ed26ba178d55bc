"""What the monitor tells about its logs."""

from prometheus_client import Counter, Gauge

from resumatch_monitor.kit.telemetry import Telemetry


class LogMetrics:
    """The series of taking in and indexing."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.records = Counter(
            "resumatch_monitor_logs_records_total",
            "Log records by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        self.rejected = Counter(
            "resumatch_monitor_logs_rejected_total",
            "Requests and records of logs that were refused.",
            ["door", "reason"],
            registry=telemetry.registry,
        )
        self.lag_seconds = Gauge(
            "resumatch_monitor_logs_lag_seconds",
            "How long the last record waited between its arrival and being found.",
            registry=telemetry.registry,
        )
        self.bytes = Gauge(
            "resumatch_monitor_logs_bytes",
            "How much of the disk log records take.",
            registry=telemetry.registry,
        )
        self.unsearchable = Gauge(
            "resumatch_monitor_logs_unsearchable_partitions",
            "Partitions of log records that are damaged, or whose index is being made anew.",
            registry=telemetry.registry,
        )
        self.dropped = Counter(
            "resumatch_monitor_logs_dropped_total",
            "Log records that were given up, by the reason.",
            ["reason"],
            registry=telemetry.registry,
        )
        self.syslog_connections = Gauge(
            "resumatch_monitor_logs_syslog_connections",
            "Connections of senders of syslog.",
            registry=telemetry.registry,
        )
        for reason in ("expired", "over_budget"):
            self.dropped.labels(reason)
        for outcome in ("indexed", "duplicate", "dropped", "unreadable"):
            self.records.labels(outcome)
