"""What to look at in a rule before it is saved."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from resumatch_monitor.alerts.alert import SEVERITY
from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.samples import FloatArray
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.absence import AbsenceFinder
from resumatch_monitor.promql.context import no_checkpoint
from resumatch_monitor.promql.finding import FindingKind, Suggestion, with_range
from resumatch_monitor.promql.format import format_g
from resumatch_monitor.promql.functions import RANGE_FUNCTIONS
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import InstantVector, QueryError
from resumatch_monitor.promql.walk import find_nodes
from resumatch_monitor.rules.data import find_needed
from resumatch_monitor.rules.model import AlertingRule, Rule
from resumatch_monitor.rules.preview.model import (
    PreviewChart,
    PreviewedAlert,
    PreviewWarning,
    WarningKind,
)

_MOST_SELECTORS = 10
_MOMENTS = 12
_FEWEST_SCRAPES = 4
_NICE_SECONDS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
_ALMOST_ALWAYS = 0.95
_KINDS = {
    FindingKind.UNKNOWN_METRIC: WarningKind.UNKNOWN_METRIC,
    FindingKind.UNKNOWN_LABEL: WarningKind.UNKNOWN_LABEL,
    FindingKind.UNKNOWN_VALUE: WarningKind.UNKNOWN_VALUE,
    FindingKind.NO_COMBINATION: WarningKind.UNKNOWN_VALUE,
}


def advise_rule(rule: AlertingRule, interval: timedelta) -> Iterator[PreviewWarning]:
    """Yield what shows in the rule itself."""
    zero = timedelta(0)
    for key, duration in (("for", rule.hold_duration), ("keep_firing_for", rule.keep_firing_for)):
        if zero < duration < interval:
            yield PreviewWarning(
                WarningKind.SHORT_FOR,
                f"{key} is shorter than the {format_duration(interval)} from one evaluation to the"
                " next: it works like that long.",
                key,
            )
    for name, text in rule.labels:
        if "{{" in text and ("$value" in text or ".Value" in text):
            yield PreviewWarning(
                WarningKind.CHANGING_LABEL,
                f"The label {name} shows the value: with each new value the old alert ends and"
                " another one begins. Put it into an annotation.",
                f"labels.{name}",
            )
    if SEVERITY not in dict(rule.labels):
        yield PreviewWarning(
            WarningKind.NO_SEVERITY,
            "Without the label severity it counts as a warning; critical, warning and info decide"
            " who is told and how.",
            "labels",
        )


async def advise_data(
    queries: QueryRunner, rule: Rule, node: ast.Expr, *, start_ms: int, end_ms: int
) -> list[PreviewWarning]:
    """Return what is wrong with the series that the rule reads."""
    found: list[PreviewWarning] = []
    for selector in list(find_needed(node))[:_MOST_SELECTORS]:
        try:
            if await _is_there(queries, selector, start_ms, end_ms):
                continue
            # At one moment: over the whole range, it would read all that there is.
            findings = await queries.explain(selector, start_ms=end_ms, end_ms=end_ms)
        except QueryError:
            continue
        found += [
            PreviewWarning(
                _KINDS.get(each.kind, WarningKind.NO_DATA),
                f"{each.selector or selector}: {each.text}",
                suggestions=[
                    Suggestion(every.text, _substitute(rule.expr, selector, every.expr))
                    for every in each.suggestions
                ],
            )
            for each in findings[:1]
        ]
    found += await _advise_ranges(queries, rule, node, end_ms)
    return found


def advise_firing(
    alerts: Sequence[PreviewedAlert], chart: PreviewChart, span: timedelta, *, left_out: int
) -> Iterator[PreviewWarning]:
    """Yield what shows in when it would have fired."""
    always = [each for each in alerts if each.firing >= span * _ALMOST_ALWAYS]
    if always and span:
        yield PreviewWarning(
            WarningKind.ALWAYS_FIRES,
            f"{len(always)} of its alerts would have fired all the time: nobody looks at those.",
        )
    if not any(each.firing_count for each in alerts) and not left_out:
        text = "It would never have fired in this time."
        if chart.threshold is not None and chart.quantiles:
            low, high = chart.quantiles["min"], chart.quantiles["max"]
            text += f" What it compares lay between {format_g(low)} and {format_g(high)}."
        yield PreviewWarning(WarningKind.NEVER_FIRES, text)
    if left_out:
        yield PreviewWarning(
            WarningKind.TOO_MANY,
            f"{left_out} more label sets would have been alerts: aggregate them, or many people"
            " get many messages.",
        )


def advise_values(
    node: ast.Expr, chart: PreviewChart, nan: float, infinite: float
) -> Iterator[PreviewWarning]:
    """Yield what shows in the values; `nan` and `infinite` are shares of all of them."""
    divides = any(
        isinstance(each, ast.Binary) and each.operator == "/" for each in find_nodes(node)
    )
    if nan > 0 and chart.threshold is not None:
        why = ": a division of 0 by 0, where nothing happened" if divides else ""
        yield PreviewWarning(
            WarningKind.NOT_A_NUMBER,
            f"{nan:.0%} of the values are NaN{why}. No comparison holds for NaN, so the alert"
            " ends then; divide by (… > 0) to say so.",
        )
    if infinite > 0:
        why = ": something is divided by 0" if divides else ""
        yield PreviewWarning(
            WarningKind.INFINITE,
            f"{infinite:.0%} of the values are infinite{why}, which is beyond every threshold;"
            " divide by (… > 0).",
        )


async def _is_there(queries: QueryRunner, selector: str, start_ms: int, end_ms: int) -> bool:
    """Tell whether a selector finds something at one of a few moments, the last one first."""
    for moment in range(_MOMENTS):
        at_ms = end_ms - (end_ms - start_ms) * moment // _MOMENTS
        value = await queries.instant(f"group({selector})", from_milliseconds(at_ms))
        if isinstance(value, InstantVector) and len(value.labels):
            return True
    return False


async def _advise_ranges(
    queries: QueryRunner, rule: Rule, node: ast.Expr, end_ms: int
) -> list[PreviewWarning]:
    found: dict[int, PreviewWarning] = {}
    for call in find_nodes(node):
        if not isinstance(call, ast.Call) or call.function not in RANGE_FUNCTIONS:
            continue
        if RANGE_FUNCTIONS[call.function].min_samples < 2:
            continue
        argument = call.args[RANGE_FUNCTIONS[call.function].range_argument]
        if not isinstance(argument, ast.MatrixSelector) or argument.range_ms in found:
            continue
        matchers = argument.selector.matchers
        interval_ms = await queries.read(
            lambda queryable, wanted=matchers: AbsenceFinder(
                queryable, rule.expr, no_checkpoint
            ).interval_ms(wanted, end_ms)
        )
        if interval_ms is not None and argument.range_ms < _FEWEST_SCRAPES * interval_ms:
            found[argument.range_ms] = _too_short(rule.expr, call, argument.range_ms, interval_ms)
    return list(found.values())


def _too_short(expr: str, call: ast.Call, range_ms: int, interval_ms: int) -> PreviewWarning:
    wanted = _FEWEST_SCRAPES * interval_ms / 1000
    seconds = next((each for each in _NICE_SECONDS if each >= wanted), int(wanted) + 1)
    longer = timedelta(seconds=seconds)
    text = format_duration(longer)
    return PreviewWarning(
        WarningKind.RANGE_TOO_SHORT,
        f"{call.function}() over {format_duration(timedelta(milliseconds=range_ms))} sees fewer"
        f" than four samples: there is one every {round(interval_ms / 1000)}s. When one is missed,"
        " it yields nothing or jumps.",
        suggestions=[Suggestion(f"[{text}]", with_range(expr, range_ms, seconds * 1000))],
    )


def _substitute(expr: str, selector: str, better: str | None) -> str | None:
    """Return the rule's expression with a better selector, None if it is not written like that."""
    if better is None or selector not in expr:
        return None
    return expr.replace(selector, better)


def count_odd(values: FloatArray) -> tuple[float, float]:
    """Return the shares of NaN and of infinite values."""
    if not values.size:
        return 0.0, 0.0
    return float(np.isnan(values).mean()), float(np.isinf(values).mean())
