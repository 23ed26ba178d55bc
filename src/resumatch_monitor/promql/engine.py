"""Evaluates a query's text over a store: the synchronous heart of everything here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, Protocol, TypeVar

import numpy as np
from typing_extensions import override

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, Queryable, TimeArray
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import Context, Options, no_checkpoint
from resumatch_monitor.promql.crew import ALONE, Crew
from resumatch_monitor.promql.durations import QuerySpan
from resumatch_monitor.promql.evaluator import Evaluator
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.selection import select_raw
from resumatch_monitor.promql.statistics import NO_STATISTICS, Statistics
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    QueryLimitError,
    RangeVector,
    ScalarValue,
    StringValue,
)
from resumatch_monitor.promql.vector import Scalar, Text, Value, Vector, merge_equal

MAX_POINTS = 11_000
TOO_MANY_POINTS = (
    "exceeded maximum resolution of 11,000 points per timeseries."
    " Try decreasing the query resolution (?step=XX)"
)
# Far beyond any data, and well inside what millisecond arithmetic in 64 bits holds.
_FURTHEST_MS = 1 << 58

ValueT = TypeVar("ValueT", covariant=True)


class QueryEngine(Protocol):
    """Evaluates queries. Methods block: call them in a thread."""

    def evaluate_instant(
        self, query: str, at_ms: int, *, options: Options, checkpoint: Callable[[], None]
    ) -> "Answer[InstantValue]":
        """Evaluate `query` at one moment.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        ...

    def evaluate_range(
        self,
        query: str,
        *,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: Options,
        checkpoint: Callable[[], None],
    ) -> "Answer[Matrix]":
        """Evaluate `query` at `start_ms`, `start_ms + step_ms`, … up to `end_ms` inclusive.

        Raises:
            QueryError: See `promql.value` for its subclasses.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer(Generic[ValueT]):
    """A query's value and the remarks on it."""

    value: ValueT
    warnings: Sequence[str] = ()
    infos: Sequence[str] = ()
    statistics: Statistics = NO_STATISTICS


def evaluate_instant(
    queryable: Queryable,
    query: str,
    at_ms: int,
    *,
    options: Options,
    checkpoint: Callable[[], None] = no_checkpoint,
    crew: Crew = ALONE,
) -> Answer[InstantValue]:
    """Evaluate `query` at one moment.

    Raises:
        QueryError: See `promql.value` for its subclasses.
    """
    watch = _Stopwatch()
    node = parse(query, features=options.features)
    watch.end_preparation()
    context = Context(
        queryable, start_ms=at_ms, end_ms=at_ms, options=options, checkpoint=checkpoint, crew=crew
    )
    steps = np.array([at_ms], dtype=np.int64)
    with np.errstate(all="ignore"):
        if isinstance(node, ast.MatrixSelector):
            blocks = select_raw(context, node, steps)
            watch.end_evaluation()
            return _answer(RangeVector(blocks), context, watch)
        if isinstance(node, ast.Subquery):
            blocks = Evaluator(context, steps).points_of(node)
            watch.end_evaluation()
            return _answer(RangeVector(blocks), context, watch)
        value = Evaluator(context, steps).evaluate(node)
        watch.end_evaluation()
        return _answer(_to_instant_value(value, at_ms), context, watch)


def evaluate_range(
    queryable: Queryable,
    query: str,
    *,
    start_ms: int,
    end_ms: int,
    step_ms: int,
    options: Options,
    checkpoint: Callable[[], None] = no_checkpoint,
    crew: Crew = ALONE,
) -> Answer[Matrix]:
    """Evaluate `query` at `start_ms`, `start_ms + step_ms`, … up to `end_ms` inclusive.

    Raises:
        QueryError: See `promql.value` for its subclasses.
    """
    check_range(start_ms, end_ms, step_ms)
    watch = _Stopwatch()
    span = QuerySpan(step_ms, end_ms - start_ms)
    node = parse(query, features=options.features, span=span)
    watch.end_preparation()
    context = Context(
        queryable,
        start_ms=start_ms,
        end_ms=end_ms,
        step_ms=step_ms,
        options=options,
        checkpoint=checkpoint,
        crew=crew,
    )
    steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    with np.errstate(all="ignore"):
        if isinstance(node, ast.MatrixSelector | ast.Subquery | ast.StringLiteral):
            kind = "string" if isinstance(node, ast.StringLiteral) else "range vector"
            raise QueryError(
                f'invalid expression type "{kind}" for range query,'
                " must be Scalar or instant Vector"
            )
        value = Evaluator(context, steps).evaluate(node)
        watch.end_evaluation()
        matrix = _to_matrix(value, steps)
    return _answer(matrix, context, watch)


class StoreEngine(QueryEngine):
    """Evaluates here what a store has."""

    def __init__(self, queryable: Queryable, *, crew: Crew = ALONE) -> None:
        self._queryable = queryable
        self._crew = crew

    @override
    def evaluate_instant(
        self, query: str, at_ms: int, *, options: Options, checkpoint: Callable[[], None]
    ) -> Answer[InstantValue]:
        return evaluate_instant(
            self._queryable,
            query,
            at_ms,
            options=options,
            checkpoint=checkpoint,
            crew=self._crew,
        )

    @override
    def evaluate_range(
        self,
        query: str,
        *,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        options: Options,
        checkpoint: Callable[[], None],
    ) -> Answer[Matrix]:
        return evaluate_range(
            self._queryable,
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            options=options,
            checkpoint=checkpoint,
            crew=self._crew,
        )


def check_range(start_ms: int, end_ms: int, step_ms: int) -> None:
    """Refuse a range that is backwards, has no step or too many points."""
    if step_ms <= 0:
        raise QueryError("zero or negative query resolution step widths are not accepted")
    if end_ms < start_ms:
        raise QueryError("end timestamp must not be before start time")
    if max(abs(start_ms), abs(end_ms)) > _FURTHEST_MS:
        raise QueryError("the time is too far away")
    if (end_ms - start_ms) // step_ms > MAX_POINTS:
        raise QueryLimitError(TOO_MANY_POINTS)


class _Stopwatch:
    """Measures the phases of one evaluation."""

    def __init__(self) -> None:
        self._started = self._prepared = self._evaluated = perf_counter()

    def end_preparation(self) -> None:
        self._prepared = self._evaluated = perf_counter()

    def end_evaluation(self) -> None:
        self._evaluated = perf_counter()

    def read(self, context: Context) -> Statistics:
        return Statistics(
            prepare_seconds=self._prepared - self._started,
            evaluate_seconds=self._evaluated - self._prepared,
            sort_seconds=perf_counter() - self._evaluated,
            samples_loaded=context.loaded_count,
            samples=context.sample_count,
        )


def _answer(value: ValueT, context: Context, watch: _Stopwatch) -> Answer[ValueT]:
    remarks = context.annotations
    return Answer(
        value,
        tuple(remarks.warnings),
        tuple(remarks.infos),
        watch.read(context),
    )


def _to_instant_value(value: Value, at_ms: int) -> InstantValue:
    if isinstance(value, Scalar):
        return ScalarValue(at_ms, float(value.values[0]))
    if isinstance(value, Text):
        return StringValue(at_ms, value.value)
    vector = merge_equal(value.without_empty_series())
    return InstantVector(at_ms, vector.visible_labels(), vector.values[:, 0].copy())


def _to_matrix(value: Value, steps: TimeArray) -> Matrix:
    if isinstance(value, Text):
        raise QueryError("a string cannot be evaluated over a range")
    if isinstance(value, Scalar):
        value = Vector([Labels()], value.values[np.newaxis])
    vector = merge_equal(value.without_empty_series())
    labels = vector.visible_labels()
    order = sorted(range(len(labels)), key=lambda row: labels[row].pairs)
    values = vector.values[order] if order else vector.values
    if vector.present is not None and order:
        values = np.where(vector.present[order], values, ABSENT)
    return Matrix(steps, [labels[row] for row in order], np.ascontiguousarray(values))
