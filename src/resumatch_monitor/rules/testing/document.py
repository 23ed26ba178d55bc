"""What a file of rule tests says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from resumatch_monitor.metrics.labels import Labels


@dataclass(frozen=True, slots=True)
class InputSeries:
    """A series that a test is given: a value an interval, None for no sample."""

    labels: Labels
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that is to fire, with `alertname` among its labels."""

    labels: Labels
    annotations: Labels


@dataclass(frozen=True, slots=True)
class AlertTest:
    """Which alerts of one name fire at `eval_time` after the start; no others do."""

    line: int
    eval_time: timedelta
    alert_name: str
    expected: Sequence[ExpectedAlert]


@dataclass(frozen=True, slots=True)
class ExpectedSample:
    """A series and its value."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class ExprTest:
    """What an expression yields at `eval_time` after the start."""

    line: int
    expr: str
    eval_time: timedelta
    expected: Sequence[ExpectedSample]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """Series, and what the rules are to make of them.

    Attributes:
        line: Where it begins in its file.
        name: Empty if it has none.
        interval: From one value of a series to the next.
        start_at: When the first values are; `time()` then.
    """

    line: int
    name: str
    interval: timedelta
    series: Sequence[InputSeries]
    alert_tests: Sequence[AlertTest]
    expr_tests: Sequence[ExprTest]
    external_labels: Mapping[str, str]
    external_url: str
    start_at: datetime

    @property
    def duration(self) -> timedelta:
        """How long it runs: to the last moment that is looked at."""
        times = [each.eval_time for each in (*self.alert_tests, *self.expr_tests)]
        return max(times, default=timedelta(0))


@dataclass(frozen=True, slots=True)
class RuleTestDocument:
    """A whole file of tests.

    Attributes:
        rule_files: Absolute or relative to the working directory; patterns are allowed.
        group_order: The names of groups in the order of their evaluation.
        is_fuzzy: Whether values may differ in their last bit.
    """

    rule_files: Sequence[Path]
    evaluation_interval: timedelta
    group_order: Sequence[str]
    is_fuzzy: bool
    tests: Sequence[RuleTest]
