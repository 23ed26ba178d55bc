"""Why a query has no result: follows the empty values down its syntax tree to where they begin."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.labels import METRIC_NAME
from resumatch_monitor.metrics.samples import Queryable, TimeArray
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.absence import AbsenceFinder, Span
from resumatch_monitor.promql.context import Context, Options, no_checkpoint
from resumatch_monitor.promql.evaluator import Evaluator
from resumatch_monitor.promql.finding import (
    Finding,
    FindingKind,
    Suggestion,
    render_selector,
    with_range,
)
from resumatch_monitor.promql.format import format_float
from resumatch_monitor.promql.functions import RANGE_FUNCTIONS
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.promql.vector import Value, Vector

MAX_FINDINGS = 8
_MOST_STEPS = 61
_INTERVALS_TO_SUGGEST = 4
_NICE_RANGES_MS = tuple(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 360, 1440))
_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
_HISTOGRAM_FUNCTIONS = frozenset({"histogram_quantile", "histogram_fraction"})


def explain(
    queryable: Queryable,
    query: str,
    *,
    start_ms: int,
    end_ms: int,
    options: Options,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> list[Finding]:
    """Return why `query` has no result between two moments; nothing if it has one.

    The query is evaluated at a few moments of the range only, so a result that is there for
    shorter than a sixtieth of it may go unseen.

    Raises:
        QueryError: See `promql.value` for its subclasses.
    """
    node = parse(query, features=options.features)
    count = _MOST_STEPS if end_ms > start_ms else 1
    steps = np.unique(np.linspace(start_ms, end_ms, count).astype(np.int64))
    step_ms = int(steps[1] - steps[0]) if len(steps) > 1 else 0

    def make_context() -> Context:
        return Context(
            queryable,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            options=options,
            checkpoint=checkpoint,
        )

    finder = AbsenceFinder(queryable, query, checkpoint)
    with np.errstate(all="ignore"):
        found = _Explainer(make_context, steps, finder).explain(node)
    return list(dict.fromkeys(found))[:MAX_FINDINGS]


@dataclass(frozen=True, slots=True)
class _Explainer:
    """Explains expressions at `steps`, (T,) ascending milliseconds."""

    make_context: Callable[[], Context]
    steps: TimeArray
    finder: AbsenceFinder

    @property
    def context(self) -> Context:
        """A context with the query's limits, none of which is used up."""
        return self.make_context()

    def explain(self, node: ast.Expr) -> list[Finding]:
        match node:
            case ast.NumberLiteral() | ast.StringLiteral():
                return []
            case ast.MatrixSelector():
                return self._selector(node.selector, node.range_ms, min_samples=1)
            case ast.Subquery():
                return self._subquery(node)
            case _:
                pass
        try:
            return self._explain_empty(node) if _is_empty(self._evaluate(node)) else []
        except QueryLimitError:
            return [_empty("It reads too many series to be looked into as a whole.")]

    def _explain_empty(self, node: ast.Expr) -> list[Finding]:
        match node:
            case ast.VectorSelector():
                return self._selector(node, self.context.options.lookback_ms, min_samples=1)
            case ast.Negation():
                return self.explain(node.expr)
            case ast.Aggregation():
                return self.explain(node.expr) or [
                    _empty(f"{node.operator}() is left with nothing.")
                ]
            case ast.Call():
                return self._call(node)
            case ast.Binary():
                return self._binary(node)
            case _:
                return []

    def _call(self, node: ast.Call) -> list[Finding]:
        function = RANGE_FUNCTIONS.get(node.function)
        if function is not None:
            argument = node.args[function.range_argument]
            if isinstance(argument, ast.MatrixSelector):
                return self._selector(
                    argument.selector, argument.range_ms, min_samples=function.min_samples
                )
        found = [finding for argument in node.args for finding in self.explain(argument)]
        if found:
            return found
        if node.function in _HISTOGRAM_FUNCTIONS:
            return [
                Finding(
                    FindingKind.NO_BUCKETS,
                    f"{node.function}() needs series with the label le, which the _bucket series"
                    " of a histogram have. An aggregation inside must keep it: sum by (le) (…).",
                )
            ]
        if node.function.startswith("absent"):
            return [_empty(f"{node.function}() has no result because what it asks for is there.")]
        return [_empty(f"What {node.function}() is given exists, but it yields nothing.")]

    def _subquery(self, node: ast.Subquery) -> list[Finding]:
        ends = self.context.look_at(self.steps, offset_ms=node.offset_ms, at=node.at)
        steps = np.linspace(int(ends.min()) - node.range_ms, int(ends.max()), _MOST_STEPS)
        return _Explainer(
            self.make_context, np.unique(steps.astype(np.int64)), self.finder
        ).explain(node.expr)

    def _selector(
        self, node: ast.VectorSelector, range_ms: int, *, min_samples: int
    ) -> list[Finding]:
        ends = self.context.look_at(self.steps, offset_ms=node.offset_ms, at=node.at)
        span = Span(int(ends.min()) - range_ms + 1, int(ends.max()))
        if not self.finder.has_samples(node.matchers, span):
            return [self.finder.explain(node.matchers, span)]
        if min_samples > 1:
            return [self._too_short(node, range_ms, span.end_ms)]
        return []

    def _too_short(self, node: ast.VectorSelector, range_ms: int, end_ms: int) -> Finding:
        selector = render_selector(node.matchers)
        interval_ms = self.finder.interval_ms(node.matchers, end_ms)
        if interval_ms is None or range_ms >= 2 * interval_ms:
            text = "There are samples, but at no moment are two of one series inside the range."
            return Finding(FindingKind.RANGE_TOO_SHORT, text, selector)
        wanted_ms = _INTERVALS_TO_SUGGEST * interval_ms
        longer_ms = next((each for each in _NICE_RANGES_MS if each >= wanted_ms), wanted_ms)
        suggestion = Suggestion(
            f"[{_span(longer_ms)}]", with_range(self.finder.query, range_ms, longer_ms)
        )
        return Finding(
            FindingKind.RANGE_TOO_SHORT,
            f"It needs two samples in its range of {_span(range_ms)}, and there is one every"
            f" {_span(interval_ms)}. A range of four intervals survives a lost scrape.",
            selector,
            suggestions=(suggestion,),
        )

    def _binary(self, node: ast.Binary) -> list[Finding]:
        left, right = self._evaluate(node.lhs), self._evaluate(node.rhs)
        sides = [
            (each, value)
            for each, value in ((node.lhs, left), (node.rhs, right))
            if isinstance(value, Vector)
        ]
        if node.operator == "unless":
            sides = sides[:1]
        found = [
            finding for each, value in sides if _is_empty(value) for finding in self.explain(each)
        ]
        if found:
            return found
        if node.operator == "unless":
            return [_empty("unless removes every series: each has an equal one on the right.")]
        if isinstance(left, Vector) and isinstance(right, Vector):
            return [_explain_matching(node, left, right)]
        vector = left if isinstance(left, Vector) else right
        if node.operator in _COMPARISONS and isinstance(vector, Vector):
            return [_explain_comparison(node, vector)]
        return [_empty(f"Both sides of {node.operator} exist, but it yields nothing.")]

    def _evaluate(self, node: ast.Expr) -> Value:
        try:
            return Evaluator(self.context, self.steps).evaluate(node)
        except QueryLimitError:
            # Of very many series, the last moment alone has to do.
            return Evaluator(self.context, self.steps[-1:]).evaluate(node)


def _explain_comparison(node: ast.Binary, vector: Vector) -> Finding:
    values = vector.values[vector.mask()]
    known = values[~np.isnan(values)]
    if not len(known):
        return Finding(FindingKind.FILTERED, "All values are NaN, which no comparison keeps.")
    low, high = (format_float(float(f"{each:.6g}")) for each in (known.min(), known.max()))
    count = len(vector.labels)
    bounds = f"is always {low}" if low == high else f"lies between {low} and {high}"
    return Finding(
        FindingKind.FILTERED,
        f"The comparison {node.operator} filters out everything: what it compares"
        f" ({count:,} series) {bounds} in this time range.",
    )


def _explain_matching(node: ast.Binary, left: Vector, right: Vector) -> Finding:
    names = [_label_names(each) for each in (left, right)]
    matching = node.matching
    matched = ", ".join(matching.labels)
    rule = f"on ({matched})" if matching.is_on else f"ignoring ({matched})" if matched else ""
    only_left, only_right = (
        ", ".join(sorted(each - other)) for each, other in (names, reversed(names))
    )
    text = f"Both sides of {node.operator} have series, but no two have equal labels"
    text += f" under {rule}." if rule else "."
    if only_left and not matching.is_on:
        text += f" Only the left side has: {only_left}."
    if only_right and not matching.is_on:
        text += f" Only the right side has: {only_right}."
    common = sorted(names[0] & names[1])
    if not rule and (only_left or only_right):
        text += f" Say which labels must agree: {node.operator} on ({', '.join(common)})."
    elif common:
        text += f" For example {_example(left)} on the left and {_example(right)} on the right."
    if node.operator in _COMPARISONS:
        text += " Or the pairs exist and the comparison keeps none of them."
    return Finding(FindingKind.NO_MATCH, text)


def _label_names(vector: Vector) -> set[str]:
    return {name for labels in vector.labels for name in labels if name != METRIC_NAME}


def _example(vector: Vector) -> str:
    pairs = [pair for pair in vector.labels[0].pairs if pair[0] != METRIC_NAME]
    inner = ", ".join(f'{name}="{value}"' for name, value in pairs[:6])
    return f"{{{inner}}}"


def _is_empty(value: Value) -> bool:
    return isinstance(value, Vector) and not len(value.without_empty_series().labels)


def _empty(text: str) -> Finding:
    return Finding(FindingKind.EMPTY, text)


def _span(milliseconds: int) -> str:
    """Render in whole seconds, or finer below one."""
    rounded = round(milliseconds, -3) if milliseconds >= 1000 else milliseconds
    return format_duration(timedelta(milliseconds=rounded))
