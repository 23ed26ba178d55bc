"""Says what a test expected and what it found instead."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, render_labels
from resumatch_monitor.promql.format import format_float
from resumatch_monitor.rules.testing.document import (
    AlertTest,
    ExpectedAlert,
    ExpectedSample,
    ExprTest,
    RuleTest,
)

_INDENT = " " * 4
_MOST_LINES = 400


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that is not as a test expects it.

    Attributes:
        line: Of the expectation in the test's file.
        headline: What was looked at.
        details: What differs, in lines.
    """

    line: int
    headline: str
    details: Sequence[str]


def describe_alerts(
    test: RuleTest,
    wanted: AlertTest,
    expected: Sequence[ExpectedAlert],
    found: Sequence[ExpectedAlert],
) -> Failure:
    """Return how the alerts that fire differ from those expected."""
    headline = f"alertname: {wanted.alert_name}, time: {format_duration(wanted.eval_time)}"
    details = _compare(_render_alerts(expected), _render_alerts(found))
    return Failure(wanted.line, _name(test, headline), details)


def describe_samples(
    test: RuleTest,
    wanted: ExprTest,
    expected: Sequence[ExpectedSample],
    found: Sequence[ExpectedSample],
) -> Failure:
    """Return how an expression's samples differ from those expected."""
    headline = f"expr: {wanted.expr!r}, time: {format_duration(wanted.eval_time)}"
    details = _compare(_render_samples(expected), _render_samples(found))
    return Failure(wanted.line, _name(test, headline), details)


def describe_error(test: RuleTest, wanted: ExprTest, error: str) -> Failure:
    """Return why an expression has no value."""
    headline = f"expr: {wanted.expr!r}, time: {format_duration(wanted.eval_time)}"
    return Failure(wanted.line, _name(test, headline), [f"err: {error}"])


def describe_evaluation_error(
    test: RuleTest, rule: str, passed: timedelta, error: str | None
) -> Failure:
    """Return why a rule cannot be evaluated."""
    headline = f"rule: {rule}, time: {format_duration(passed)}"
    return Failure(test.line, _name(test, headline), [f"err: {error}"])


def render_failure(file: str, failure: Failure) -> str:
    """Render as `test-rules` prints it."""
    lines = [f"{file}:{failure.line}: {failure.headline}", *failure.details]
    return "\n".join(
        _INDENT + (line if number == 0 else _INDENT + line) for number, line in enumerate(lines)
    )


def _name(test: RuleTest, headline: str) -> str:
    return f"name: {test.name}, {headline}" if test.name else headline


def _compare(expected: Sequence[str], found: Sequence[str]) -> list[str]:
    lines = ["expected (-), got (+):"]
    lines += [
        line.rstrip("\n") for line in difflib.ndiff(expected, found) if not line.startswith("?")
    ]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"… and {len(lines) - _MOST_LINES} more lines"]
    return lines


def _render_alerts(alerts: Sequence[ExpectedAlert]) -> list[str]:
    if not alerts:
        return ["no alert"]
    lines: list[str] = []
    for alert in alerts:
        lines.append("alert")
        lines += [f"  {name}: {value!r}" for name, value in alert.labels.pairs]
        lines += [f"  annotation {name}: {value!r}" for name, value in alert.annotations.pairs]
    return lines


def _render_samples(samples: Sequence[ExpectedSample]) -> list[str]:
    if not samples:
        return ["no sample"]
    return [f"{_render_series(each.labels)} {format_float(each.value)}" for each in samples]


def _render_series(labels: Labels) -> str:
    return render_labels(labels) if METRIC_NAME in labels or labels else "{}"
