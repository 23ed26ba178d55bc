"""All functions by name, and how they take their arguments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray, TimeArray
from resumatch_monitor.promql import ast, math, over_time, rate, time
from resumatch_monitor.promql.context import Context
from resumatch_monitor.promql.histogram import (
    Remarks,
    histogram_fraction,
    histogram_quantile,
    histogram_quantiles,
    warn_of_quantile,
)
from resumatch_monitor.promql.info import add_info
from resumatch_monitor.promql.labels import (
    label_join,
    label_replace,
    labels_of_absence,
    order_by_labels,
)
from resumatch_monitor.promql.selection import Ranges, select_timestamps
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.vector import Scalar, Value, Vector, empty_vector, nameless


class Evaluation(Protocol):
    """What functions need of the evaluator: their arguments' values at its steps."""

    context: Context
    steps: TimeArray

    def scalar(self, node: ast.Expr) -> FloatArray: ...

    def vector(self, node: ast.Expr) -> Vector: ...

    def text(self, node: ast.Expr) -> str: ...

    def ranges(self, node: ast.Expr) -> Ranges: ...


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """A function of a range vector.

    Attributes:
        compute: Takes a window and the scalar arguments (T,), returns (S, T).
        min_samples: With fewer samples in its window a series is absent.
        keeps_name: Whether the result is still the metric.
        range_argument: Which of the arguments is the range vector.
        is_for_counters: Whether a metric that is no counter is remarked on.
        check: Refuses or remarks on the scalar arguments.
    """

    compute: Callable[..., FloatArray]
    min_samples: int = 1
    keeps_name: bool = False
    range_argument: int = 0
    is_for_counters: bool = False
    check: Callable[[Context, ast.Call, Sequence[FloatArray]], None] | None = None


def _check_quantile(context: Context, node: ast.Call, arguments: Sequence[FloatArray]) -> None:
    warn_of_quantile(arguments[0], context.annotations, node.place_of(0))


def _check_smoothing(context: Context, node: ast.Call, arguments: Sequence[FloatArray]) -> None:
    for name, symbol, values in zip(("smoothing", "trend"), ("sf", "tf"), arguments, strict=True):
        wrong = values[~((values > 0) & (values < 1))]
        if len(wrong):
            raise ExecutionError(
                f"invalid {name} factor. Expected: 0 < {symbol} < 1, got: {wrong[0]:f}"
            )


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": RangeFunction(rate.rate, 2, is_for_counters=True),
    "increase": RangeFunction(rate.increase, 2, is_for_counters=True),
    "delta": RangeFunction(rate.delta, 2),
    "irate": RangeFunction(rate.irate, 2),
    "idelta": RangeFunction(rate.idelta, 2),
    "deriv": RangeFunction(rate.deriv, 2),
    "predict_linear": RangeFunction(rate.predict_linear, 2),
    "changes": RangeFunction(rate.changes),
    "resets": RangeFunction(rate.resets),
    "double_exponential_smoothing": RangeFunction(
        rate.double_exponential_smoothing, 2, check=_check_smoothing
    ),
    "sum_over_time": RangeFunction(over_time.sum_over_time),
    "avg_over_time": RangeFunction(over_time.avg_over_time),
    "min_over_time": RangeFunction(over_time.min_over_time),
    "max_over_time": RangeFunction(over_time.max_over_time),
    "count_over_time": RangeFunction(over_time.count_over_time),
    "present_over_time": RangeFunction(over_time.present_over_time),
    "first_over_time": RangeFunction(over_time.first_over_time, keeps_name=True),
    "last_over_time": RangeFunction(over_time.last_over_time, keeps_name=True),
    "stddev_over_time": RangeFunction(over_time.stddev_over_time),
    "stdvar_over_time": RangeFunction(over_time.stdvar_over_time),
    "quantile_over_time": RangeFunction(
        over_time.quantile_over_time, range_argument=1, check=_check_quantile
    ),
    "mad_over_time": RangeFunction(over_time.mad_over_time),
    "ts_of_first_over_time": RangeFunction(over_time.ts_of_first_over_time),
    "ts_of_last_over_time": RangeFunction(over_time.ts_of_last_over_time),
    "ts_of_min_over_time": RangeFunction(over_time.ts_of_min_over_time),
    "ts_of_max_over_time": RangeFunction(over_time.ts_of_max_over_time),
}

Function = Callable[[Evaluation, ast.Call], Value]


def _elementwise(compute: Callable[[FloatArray], FloatArray]) -> Function:
    def call(evaluation: Evaluation, node: ast.Call) -> Vector:
        vector = evaluation.vector(node.args[0])
        return nameless(replace(vector, values=compute(vector.values)))

    return call


def _calendar(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = _argument_or_time(evaluation, node)
    return nameless(replace(vector, values=time.calendar_part(node.function, vector.values)))


def _argument_or_time(evaluation: Evaluation, node: ast.Call) -> Vector:
    if node.args:
        return evaluation.vector(node.args[0])
    return Vector([Labels()], evaluation.steps[np.newaxis] / 1000)


def _time(evaluation: Evaluation, node: ast.Call) -> Scalar:
    return Scalar(evaluation.steps / 1000)


def _of_the_query(evaluation: Evaluation, node: ast.Call) -> Scalar:
    context = evaluation.context
    milliseconds = {
        "start": context.start_ms,
        "end": context.end_ms,
        "range": context.end_ms - context.start_ms,
        "step": context.step_ms,
    }[node.function]
    return Scalar(np.full(len(evaluation.steps), milliseconds / 1000))


def _extreme_of(evaluation: Evaluation, node: ast.Call) -> Scalar:
    one, other = (evaluation.scalar(argument) for argument in node.args)
    choose = math.lesser if node.function == "min_of" else math.greater
    return Scalar(choose(one, other))


def _pi(evaluation: Evaluation, node: ast.Call) -> Scalar:
    return Scalar(np.full(len(evaluation.steps), np.pi))


def _vector(evaluation: Evaluation, node: ast.Call) -> Vector:
    return Vector([Labels()], evaluation.scalar(node.args[0])[np.newaxis])


def _scalar(evaluation: Evaluation, node: ast.Call) -> Scalar:
    vector = evaluation.vector(node.args[0])
    mask = vector.mask()
    if not len(mask):
        return Scalar(np.full(len(evaluation.steps), np.nan))
    single = mask.sum(axis=0) == 1
    # Picked and not added up, which would lose the sign of a zero.
    row = mask.argmax(axis=0)
    values = np.take_along_axis(vector.values, row[np.newaxis], axis=0)[0]
    return Scalar(np.where(single, values, np.nan))


def _timestamp(evaluation: Evaluation, node: ast.Call) -> Vector:
    argument = node.args[0]
    if isinstance(argument, ast.VectorSelector):
        return nameless(select_timestamps(evaluation.context, argument, evaluation.steps))
    vector = evaluation.vector(argument)
    values = np.broadcast_to(evaluation.steps / 1000, vector.values.shape)
    return nameless(replace(vector, values=values))


def _round(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = evaluation.vector(node.args[0])
    nearest = np.ones(len(evaluation.steps))
    if len(node.args) > 1:
        nearest = evaluation.scalar(node.args[1])
    return nameless(replace(vector, values=math.round_to(vector.values, nearest)))


def _clamp(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = evaluation.vector(node.args[0])
    lowest = np.full(len(evaluation.steps), -np.inf)
    highest = np.full(len(evaluation.steps), np.inf)
    if node.function == "clamp_max":
        highest = evaluation.scalar(node.args[1])
    else:
        lowest = evaluation.scalar(node.args[1])
    if node.function == "clamp":
        highest = evaluation.scalar(node.args[2])
    clamped = replace(vector, values=math.clamp(vector.values, lowest, highest))
    if (highest < lowest).any():
        clamped = replace(clamped, present=vector.mask() & ~(highest < lowest))
    return nameless(clamped.without_empty_series())


def _absent(evaluation: Evaluation, node: ast.Call) -> Vector:
    there: BoolArray = np.logical_or.reduce(evaluation.vector(node.args[0]).mask(), axis=0)
    return _absence(node, np.logical_not(there))


def _absent_over_time(evaluation: Evaluation, node: ast.Call) -> Vector:
    ranges = evaluation.ranges(node.args[0])
    there = np.zeros(len(evaluation.steps), dtype=np.bool_)
    for samples in ranges.samples():
        counts = samples.count_until(ranges.end_ms) - samples.count_until(ranges.start_ms)
        there |= (np.atleast_2d(counts) > 0).any(axis=0)
    return _absence(node, np.logical_not(there))


def _absence(node: ast.Call, is_absent: BoolArray) -> Vector:
    labels = labels_of_absence(node.args[0])
    ones = np.ones((1, len(is_absent)))
    return Vector([labels], ones, is_absent[np.newaxis]).without_empty_series()


def _sort(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = evaluation.vector(node.args[0])
    if len(evaluation.steps) != 1 or not len(vector.labels):
        return vector
    values = vector.values[:, 0]
    # NaN comes last in either direction, which is where NumPy puts it.
    order = np.argsort(values if node.function == "sort" else -values, kind="stable")
    return vector.take(order)


def _sort_by_label(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = evaluation.vector(node.args[0])
    names = [evaluation.text(argument) for argument in node.args[1:]]
    if len(evaluation.steps) != 1:
        return vector
    order = order_by_labels(vector, names, descending=node.function.endswith("_desc"))
    return vector.take(np.array(order, dtype=np.int64))


def _label_replace(evaluation: Evaluation, node: ast.Call) -> Vector:
    target, replacement, source, pattern = [evaluation.text(each) for each in node.args[1:]]
    return label_replace(
        evaluation.vector(node.args[0]),
        target=target,
        replacement=replacement,
        source=source,
        pattern=pattern,
    )


def _label_join(evaluation: Evaluation, node: ast.Call) -> Vector:
    target, separator, *sources = [evaluation.text(each) for each in node.args[1:]]
    vector = evaluation.vector(node.args[0])
    return label_join(vector, target=target, separator=separator, sources=sources)


def _histogram_quantile(evaluation: Evaluation, node: ast.Call) -> Vector:
    quantile = evaluation.scalar(node.args[0])
    vector = evaluation.vector(node.args[1])
    remarks = Remarks(evaluation.context.annotations, node.place_of(0), node.place_of(1))
    return histogram_quantile(quantile, vector, remarks)


def _histogram_quantiles(evaluation: Evaluation, node: ast.Call) -> Vector:
    vector = evaluation.vector(node.args[0])
    label = evaluation.text(node.args[1])
    quantiles = [evaluation.scalar(argument) for argument in node.args[2:]]
    remarks = [
        Remarks(evaluation.context.annotations, node.place_of(index), node.place_of(0))
        for index in range(2, len(node.args))
    ]
    return histogram_quantiles(quantiles, label, vector, remarks)


def _info(evaluation: Evaluation, node: ast.Call) -> Vector:
    base = evaluation.vector(node.args[0])
    return add_info(evaluation.context, base, node, evaluation.steps)


def _histogram_fraction(evaluation: Evaluation, node: ast.Call) -> Vector:
    lower, upper = evaluation.scalar(node.args[0]), evaluation.scalar(node.args[1])
    vector = evaluation.vector(node.args[2])
    remarks = Remarks(evaluation.context.annotations, "", node.place_of(2))
    return histogram_fraction(lower, upper, vector, remarks)


def _of_native_histograms(evaluation: Evaluation, node: ast.Call) -> Vector:
    # These look at native histograms only, and silently leave out everything else.
    evaluation.vector(node.args[-1])
    return empty_vector(len(evaluation.steps))


FUNCTIONS: dict[str, Function] = {
    **{name: _elementwise(compute) for name, compute in math.ELEMENTWISE.items()},
    **dict.fromkeys(time.CALENDAR_FUNCTIONS, _calendar),
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "clamp": _clamp,
    "clamp_max": _clamp,
    "clamp_min": _clamp,
    "histogram_avg": _of_native_histograms,
    "histogram_count": _of_native_histograms,
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
    "histogram_stddev": _of_native_histograms,
    "histogram_stdvar": _of_native_histograms,
    "histogram_sum": _of_native_histograms,
    "info": _info,
    "label_join": _label_join,
    "label_replace": _label_replace,
    "max_of": _extreme_of,
    "min_of": _extreme_of,
    "pi": _pi,
    **dict.fromkeys(("start", "end", "range", "step"), _of_the_query),
    "round": _round,
    "scalar": _scalar,
    "sort": _sort,
    "sort_by_label": _sort_by_label,
    "sort_by_label_desc": _sort_by_label,
    "sort_desc": _sort,
    "time": _time,
    "timestamp": _timestamp,
    "vector": _vector,
}
