"""What a preview of a rule says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, TimeArray
from resumatch_monitor.promql.finding import Suggestion
from resumatch_monitor.rules.preview.firing import Stretch
from resumatch_monitor.rules.preview.threshold import Threshold


class WarningKind(StrEnum):
    """What a warning is about."""

    NO_DATA = "no_data"
    UNKNOWN_METRIC = "unknown_metric"
    UNKNOWN_LABEL = "unknown_label"
    UNKNOWN_VALUE = "unknown_value"
    ALWAYS_FIRES = "always_fires"
    NEVER_FIRES = "never_fires"
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    RANGE_TOO_SHORT = "range_too_short"
    SHORT_FOR = "short_for"
    CHANGING_LABEL = "changing_label"
    TEMPLATE = "template"
    TOO_MANY = "too_many"
    NO_SEVERITY = "no_severity"
    DUPLICATE = "duplicate"
    NOTHING_RECORDED = "nothing_recorded"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class PreviewWarning:
    """Something to look at before the rule is saved.

    Attributes:
        text: A sentence or two for people.
        field: The key of the rule that it is about.
        suggestions: What to write instead.
    """

    kind: WarningKind
    text: str
    field: str = "expr"
    suggestions: Sequence[Suggestion] = ()


@dataclass(frozen=True, slots=True)
class PreviewedAlert:
    """When one alert of the rule would have fired.

    Attributes:
        labels: Of the series; the rule's own are added to them.
        stretches: In the order of time.
        firing: For how long it fired in all.
    """

    labels: Labels
    stretches: Sequence[Stretch]
    firing: timedelta

    @property
    def firing_count(self) -> int:
        """How often it fired."""
        return sum(each.fired_at is not None for each in self.stretches)

    @property
    def is_firing(self) -> bool:
        """Whether it fires at the end."""
        return bool(self.stretches) and (
            self.stretches[-1].fired_at is not None and self.stretches[-1].ended_at is None
        )


@dataclass(frozen=True, slots=True)
class PreviewChart:
    """What the rule looks at, for a chart.

    Attributes:
        expr: The expression of the series.
        labels: (S,) of them, those that matter most; `left_out` more are not there.
        times: (T,) milliseconds.
        values: (S, T)
        threshold: The line, None if the rule compares with no number.
        quantiles: Of all values: `p50`, `p95`, `p99`, `min`, `max`; none if there are no values.
    """

    expr: str
    times: TimeArray = field(default_factory=lambda: np.empty(0, np.int64))
    labels: Sequence[Labels] = ()
    values: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    left_out: int = 0
    threshold: Threshold | None = None
    quantiles: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class PreviewExample:
    """What people would have read of the alert that fired last."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    at_ms: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Where a rule would have fired.

    Attributes:
        from_ms: The first evaluation that was looked at, later than asked if time ran out.
        to_ms: The last one.
        step_ms: From one to the next.
        interval_ms: The rule's own; a longer step is coarser than the rule.
        is_cut: Whether time ran out before all was looked at.
        alerts: Those that fired most, the longest first.
        left_out: Label sets that are counted and not followed.
    """

    from_ms: int
    to_ms: int
    step_ms: int
    interval_ms: int
    is_cut: bool
    alerts: Sequence[PreviewedAlert]
    left_out: int
    chart: PreviewChart
    warnings: Sequence[PreviewWarning]
    example: PreviewExample | None


@dataclass(frozen=True, slots=True)
class RecordingPreview:
    """What a recording rule would have recorded.

    Attributes:
        from_ms: The first evaluation that was looked at, later than asked if time ran out.
        to_ms: The last one.
        step_ms: From one to the next; mostly longer than the rule's interval.
        interval_ms: The rule's own.
        is_cut: Whether time ran out before all was looked at.
        series: How many different series there were.
        most_at_once: How many there were at one moment, at most.
        chart: Some of them, with the name and the labels that the rule gives them.
    """

    from_ms: int
    to_ms: int
    step_ms: int
    interval_ms: int
    is_cut: bool
    series: int
    most_at_once: int
    chart: PreviewChart
    warnings: Sequence[PreviewWarning]
