"""Compares an answer of ours with Prometheus' JSON."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import Queryable, is_absent
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.parse import EXPERIMENTAL_FUNCTIONS
from resumatch_monitor.promql.value import (
    ExecutionError,
    InstantVector,
    Matrix,
    QueryError,
    RangeVector,
    ScalarValue,
    UnsupportedError,
)
from tests.promql.differential.queries import Query

RELATIVE_TOLERANCE = 1e-9
OPTIONS = Options(features=frozenset({EXPERIMENTAL_FUNCTIONS}))


@dataclass(frozen=True)
class Result:
    """An answer in a form that both engines have: series with values by millisecond, or an error.

    Attributes:
        error: Prometheus' `errorType`, None for success.
        message: What the error says.
        order: The series as they came.
    """

    error: str | None
    message: str
    series: Mapping[Labels, Mapping[int, float]]
    order: Sequence[Labels]


def ask_ours(store: Queryable, query: Query) -> Result:
    """Evaluate with this engine."""
    text = query.text.replace("holt_winters(", "double_exponential_smoothing(")
    try:
        if query.is_instant:
            value = evaluate_instant(store, text, query.start_ms, options=OPTIONS).value
        else:
            value = evaluate_range(
                store,
                text,
                start_ms=query.start_ms,
                end_ms=query.end_ms,
                step_ms=query.step_ms,
                options=OPTIONS,
            ).value
    except UnsupportedError as error:
        return Result("unsupported", str(error), {}, ())
    except ExecutionError as error:
        return Result("execution", str(error), {}, ())
    except QueryError as error:
        return Result("bad_data", str(error), {}, ())
    match value:
        case ScalarValue(timestamp_ms, number):
            return Result(None, "", {Labels(): {timestamp_ms: number}}, (Labels(),))
        case InstantVector(timestamp_ms, labels, values):
            numbers: list[float] = values.tolist()
            found = {
                each: {timestamp_ms: number} for each, number in zip(labels, numbers, strict=True)
            }
            assert len(found) == len(labels)
            return Result(None, "", found, list(labels))
        case RangeVector(blocks):
            points = {
                labels: dict(zip(block.timestamps.tolist(), row.tolist(), strict=True))
                for block in blocks
                for labels, row in zip(block.labels, block.values, strict=True)
            }
            return Result(None, "", points, list(points))
        case Matrix():
            return Result(None, "", _read_matrix(value), list(value.labels))
        case _:
            raise AssertionError(f"{query.text} is a {type(value).__name__}")


def _read_matrix(matrix: Matrix) -> dict[Labels, dict[int, float]]:
    there = ~is_absent(np.ascontiguousarray(matrix.values))
    times = matrix.timestamps
    return {
        labels: dict(
            zip(times[there[row]].tolist(), matrix.values[row, there[row]].tolist(), strict=True)
        )
        for row, labels in enumerate(matrix.labels)
    }


def read_theirs(answer: Mapping[str, Any]) -> Result:
    """Read Prometheus' JSON."""
    if answer["status"] != "success":
        return Result(answer["errorType"], answer["error"], {}, ())
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind == "scalar":
        return Result(None, "", {Labels(): dict([_read_point(result)])}, (Labels(),))
    series: dict[Labels, dict[int, float]] = {}
    for each in result:
        points = each["values"] if kind == "matrix" else [each["value"]]
        series[Labels.of(each["metric"])] = dict(_read_point(point) for point in points)
    return Result(None, "", series, list(series))


def _read_point(point: Sequence[Any]) -> tuple[int, float]:
    return round(float(point[0]) * 1000), float(point[1])


def find_difference(query: Query, ours: Result, theirs: Result) -> str | None:
    """Return what differs, None if nothing does."""
    if ours.error != theirs.error:
        return f"ours {ours.error} {ours.message!r}, theirs {theirs.error} {theirs.message!r}"
    if ours.series.keys() != theirs.series.keys():
        surplus = sorted(map(repr, ours.series.keys() - theirs.series.keys()))
        missing = sorted(map(repr, theirs.series.keys() - ours.series.keys()))
        return f"ours has besides {surplus}, misses {missing}"
    for labels, expected in theirs.series.items():
        actual = ours.series[labels]
        if actual.keys() != expected.keys():
            return f"{labels!r} has values at {sorted(actual.keys() ^ expected.keys())} in one only"
        for time, value in expected.items():
            if not is_close(actual[time], value, query.slack):
                return f"{labels!r} at {time} is {actual[time]!r}, theirs {value!r}"
    if query.is_ordered and not _is_same_order(ours, theirs):
        return f"ours is ordered {ours.order}, theirs {theirs.order}"
    return None


def _is_same_order(ours: Result, theirs: Result) -> bool:
    def values(result: Result) -> list[float]:
        return [next(iter(result.series[labels].values())) for labels in result.order]

    # Of equal values either may come first.
    return all(map(is_close, values(ours), values(theirs), itertools.repeat(0.0)))


def is_close(actual: float, expected: float, slack: float) -> bool:
    """Tell whether two values are the same but for rounding."""
    if math.isnan(actual) or math.isnan(expected):
        return math.isnan(actual) and math.isnan(expected)
    if actual == expected:
        return True
    if math.isinf(actual) or math.isinf(expected):
        return False
    scale = max(abs(actual), abs(expected))
    return abs(actual - expected) <= max(RELATIVE_TOLERANCE * scale, slack)
