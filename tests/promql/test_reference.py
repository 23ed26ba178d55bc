"""Compares the vectorised functions with plain ones, written sample by sample, on random data."""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE, is_absent, is_stale
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_range
from tests.support.memory_store import MemoryStore

INTERVAL_MS = 15_000
ROWS = 40
Sample = tuple[int, float]
Reference = Callable[[Sequence[Sample], int, int], float | None]


def ref_increase(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
    if len(samples) < 2:
        return None
    (first_t, first_v), (last_t, last_v) = samples[0], samples[-1]
    change = last_v - first_v
    for (_, before), (_, after) in itertools.pairwise(samples):
        if after < before:
            change += before
    sampled = (last_t - first_t) / 1000
    average = sampled / (len(samples) - 1)
    to_start, to_end = (first_t - start_ms) / 1000, (end_ms - last_t) / 1000
    if to_start >= average * 1.1:
        to_start = average / 2
    if to_end >= average * 1.1:
        to_end = average / 2
    if change > 0 and first_v >= 0:
        to_start = min(to_start, sampled * (first_v / change))
    return change * ((sampled + to_start + to_end) / sampled)


def ref_rate(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
    increase = ref_increase(samples, start_ms, end_ms)
    return None if increase is None else increase / ((end_ms - start_ms) / 1000)


def ref_irate(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
    if len(samples) < 2:
        return None
    (before_t, before), (last_t, last) = samples[-2:]
    return (last if last < before else last - before) / ((last_t - before_t) / 1000)


def ref_resets(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
    if not samples:
        return None
    return float(sum(b < a for (_, a), (_, b) in itertools.pairwise(samples)))


def ref_changes(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
    if not samples:
        return None
    pairs = itertools.pairwise(samples)
    return float(sum(b != a and not (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in pairs))


def over(compute: Callable[[list[float]], float]) -> Reference:
    def reference(samples: Sequence[Sample], start_ms: int, end_ms: int) -> float | None:
        return compute([value for _, value in samples]) if samples else None

    return reference


def total(values: list[float]) -> float:
    return math.nan if any(math.isnan(value) for value in values) else math.fsum(values)


def ignoring_nan(choose: Callable[[list[float]], float]) -> Callable[[list[float]], float]:
    def compute(values: list[float]) -> float:
        numbers = [value for value in values if not math.isnan(value)]
        return choose(numbers) if numbers else math.nan

    return compute


def spread(values: list[float]) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    return statistics.pvariance(values)


REFERENCES: dict[str, Reference] = {
    "rate": ref_rate,
    "increase": ref_increase,
    "irate": ref_irate,
    "resets": ref_resets,
    "changes": ref_changes,
    "sum_over_time": over(total),
    "avg_over_time": over(lambda values: total(values) / len(values)),
    "min_over_time": over(ignoring_nan(min)),
    "max_over_time": over(ignoring_nan(max)),
    "count_over_time": over(lambda values: float(len(values))),
    "last_over_time": over(lambda values: values[-1]),
    "stdvar_over_time": over(spread),
}
# Thousandths, so that no result is all rounding: Prometheus adds in another order in places.
_NUMBER = st.integers(0, 10**9).map(lambda number: number / 1000)
_COUNTER = st.one_of(_NUMBER, st.integers(0, 10).map(float), st.sampled_from([None, STALE]))
_GAUGE = st.one_of(
    _NUMBER.map(lambda value: value - 5e5),
    st.sampled_from([None, None, STALE, 0.0, -0.0, math.nan]),
)


@pytest.mark.parametrize("function", sorted(REFERENCES))
@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.one_of(
            st.lists(_COUNTER, min_size=ROWS, max_size=ROWS),
            st.lists(_GAUGE, min_size=ROWS, max_size=ROWS),
            st.lists(_NUMBER, min_size=ROWS, max_size=ROWS),
        ),
        min_size=1,
        max_size=4,
    ),
    window_s=st.integers(1, 400),
    step_s=st.integers(7, 90),
    shift_ms=st.integers(0, 20_000),
    is_matrix=st.booleans(),
)
def test_agrees_with_the_definition(
    function: str,
    rows: list[list[float | None]],
    window_s: int,
    step_s: int,
    shift_ms: int,
    is_matrix: bool,
) -> None:
    store = MemoryStore(is_matrix=is_matrix)
    samples: dict[Labels, list[Sample]] = {}
    for number, row in enumerate(rows):
        points = {
            index * INTERVAL_MS + shift_ms: value
            for index, value in enumerate(row)
            if value is not None
        }
        labels = Labels.of(row=str(number))
        store.add(Labels.of({"__name__": "metric"}, row=str(number)), points)
        samples[labels] = [
            (time, value) for time, value in sorted(points.items()) if not _is_marker(value)
        ]

    matrix = evaluate_range(
        store,
        f"{function}(metric[{window_s}s])",
        start_ms=-60_000,
        end_ms=700_000,
        step_ms=step_s * 1000,
        options=Options(),
    ).value

    found = {labels.without(["__name__"]): row for row, labels in enumerate(matrix.labels)}
    gaps = is_absent(matrix.values)
    for labels, points in samples.items():
        for step, end_ms in enumerate(matrix.timestamps.tolist()):
            start_ms = end_ms - window_s * 1000
            inside = [each for each in points if start_ms < each[0] <= end_ms]
            expected = REFERENCES[function](inside, start_ms, end_ms)
            row = found.get(labels)
            is_gap = row is None or bool(gaps[row, step])
            assert is_gap == (expected is None)
            if row is not None and expected is not None:
                actual = float(matrix.values[row, step])
                values = [value for _, value in inside]
                assert _is_close(actual, expected, values, function)


def _is_marker(value: float) -> bool:
    return bool(is_stale(np.array([value]))[0])


def _is_close(actual: float, expected: float, values: Sequence[float], function: str) -> bool:
    if math.isnan(actual) or math.isnan(expected):
        return math.isnan(actual) and math.isnan(expected)
    scale = abs(expected)
    if function == "stdvar_over_time":
        # A variance near zero is made of large squares.
        scale = max(scale, 1e-3 * max(abs(value) for value in values) ** 2)
    return actual == expected or abs(actual - expected) <= 1e-9 * scale
