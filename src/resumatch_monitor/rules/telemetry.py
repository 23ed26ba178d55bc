"""The rules' own metrics."""

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60)


class RuleTelemetry:
    """Counters and gauges of rule evaluation."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        self.evaluation_seconds = Histogram(
            "resumatch_monitor_rule_evaluation_duration_seconds",
            "Time that one rule took to evaluate.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.evaluations = Counter(
            "resumatch_monitor_rule_evaluations_total",
            "Evaluations of rules.",
            ["rule_group"],
            registry=registry,
        )
        self.failures = Counter(
            "resumatch_monitor_rule_evaluation_failures_total",
            "Evaluations of rules that failed.",
            ["rule_group"],
            registry=registry,
        )
        self.iterations_missed = Counter(
            "resumatch_monitor_rule_group_iterations_missed_total",
            "Evaluations of groups that were left out because the one before took too long.",
            ["rule_group"],
            registry=registry,
        )
        self.iterations = Counter(
            "resumatch_monitor_rule_group_iterations_total",
            "Evaluations of groups that were due, those left out included.",
            ["rule_group"],
            registry=registry,
        )
        self.interval = Gauge(
            "resumatch_monitor_rule_group_interval_seconds",
            "From one evaluation of a group to the next.",
            ["rule_group"],
            registry=registry,
        )
        self.samples = Gauge(
            "resumatch_monitor_rule_group_last_evaluation_samples",
            "Series that the rules of a group yielded when they were last evaluated.",
            ["rule_group"],
            registry=registry,
        )
        self.last_evaluation = Gauge(
            "resumatch_monitor_rule_group_last_evaluation_timestamp_seconds",
            "When a group was last evaluated.",
            ["rule_group"],
            registry=registry,
        )
        self.group_seconds = Gauge(
            "resumatch_monitor_rule_group_last_duration_seconds",
            "How long the last evaluation of a group took.",
            ["rule_group"],
            registry=registry,
        )
        self.template_failures = Counter(
            "resumatch_monitor_rule_template_failures_total",
            "Templates of labels or annotations that could not be expanded.",
            registry=registry,
        )
        self.rules = Gauge(
            "resumatch_monitor_rules", "Rules that are evaluated.", registry=registry
        )
        self.file_errors = Gauge(
            "resumatch_monitor_rule_file_errors",
            "Rules and rule files that cannot be used.",
            registry=registry,
        )

    def add_group(self, group: str, interval_seconds: float) -> None:
        """Make the group's series exist at 0."""
        for metric in (self.evaluations, self.failures, self.iterations_missed, self.iterations):
            metric.labels(group)
        self.interval.labels(group).set(interval_seconds)

    def remove_group(self, group: str) -> None:
        """End the group's series."""
        for metric in (
            self.evaluations,
            self.failures,
            self.iterations_missed,
            self.iterations,
            self.interval,
            self.samples,
            self.last_evaluation,
            self.group_seconds,
        ):
            metric.remove_by_labels({"rule_group": group})
