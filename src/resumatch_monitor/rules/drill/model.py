"""What is known of a drill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.model import AlertingRule, RuleGroup

DRILL_LABEL = "drill"


@dataclass(frozen=True, slots=True)
class Target:
    """A rule that is to be tried."""

    group: RuleGroup
    rule: AlertingRule


@dataclass(frozen=True, slots=True)
class DirectTarget:
    """An alert that the monitor raises by itself, and no rule.

    Attributes:
        labels: Beside its name and severity.
        is_event: It is told once and never resolved.
    """

    name: str
    severity: str
    summary: str
    labels: tuple[tuple[str, str], ...] = ()
    source: AlertSource = AlertSource.MONITOR
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A series of the shadow, and what it does."""

    labels: Labels
    text: str


@dataclass(frozen=True, slots=True)
class Firing:
    """How a rule came to fire in the shadow.

    Attributes:
        alerts: Those that fire, marked; at most a few.
        fired_after: Since the condition was first seen to hold; None if it did not fire.
        is_replaced: No data could be made up: the condition was replaced by its result.
        series: What was made up.
        problem: Why it did not fire.
    """

    alerts: Sequence[Alert]
    fired_after: timedelta | None
    evaluations: int
    is_replaced: bool
    series: Sequence[MadeUp] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DrillRecord:
    """A drill as it is kept.

    Attributes:
        id: Names it.
        alert: The name of the rule.
        finished_at: None while it is under way.
        is_passed: None while that is not known.
        report: For programs; see `rules.drill.report`.
    """

    id: str
    alert: str
    started_at: datetime
    finished_at: datetime | None
    started_by: str
    is_passed: bool | None
    report: Mapping[str, object] = field(default_factory=dict[str, object])
