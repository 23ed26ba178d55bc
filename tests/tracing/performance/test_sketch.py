"""Distributions: as accurate as DDSketch says, however often they are merged."""

import math

import pytest
from ddsketch.ddsketch import BaseDDSketch, DDSketch
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.tracing.performance.sketch import (
    RELATIVE_ACCURACY,
    Distribution,
    SketchBuilder,
    apdex,
    merge_packed,
)

VALUES = st.lists(st.floats(min_value=1, max_value=1e9), min_size=1, max_size=200)
QUANTILES = (0.0, 0.5, 0.75, 0.95, 0.99, 1.0)


def pack(*values: float) -> bytes:
    builder = SketchBuilder()
    for value in values:
        builder.add(value)
    return builder.pack()


@given(values=VALUES)
def test_quantiles_are_those_of_the_library(values: list[float]) -> None:
    theirs: BaseDDSketch = DDSketch(RELATIVE_ACCURACY)
    for value in values:
        theirs.add(value)

    ours = Distribution([pack(*values)])

    for quantile in QUANTILES:
        assert ours.quantile(quantile) == pytest.approx(theirs.get_quantile_value(quantile))


@given(parts=st.lists(VALUES, min_size=1, max_size=5))
def test_merged_sketches_are_within_one_percent_of_the_values(parts: list[list[float]]) -> None:
    everything = sorted(value for part in parts for value in part)

    merged = Distribution([pack(*part) for part in parts])
    stored = b""
    for part in parts:
        stored = merge_packed(stored, pack(*part))
    added = Distribution([stored])

    for quantile in QUANTILES:
        exact = everything[math.floor(quantile * (len(everything) - 1))]
        assert merged.quantile(quantile) == pytest.approx(exact, rel=RELATIVE_ACCURACY * 1.001)
        assert added.quantile(quantile) == merged.quantile(quantile)
    assert merged.count == len(everything)


def test_a_weight_counts_as_that_many_values() -> None:
    builder = SketchBuilder()
    builder.add(10, 99)
    builder.add(1_000, 1)

    distribution = Distribution([builder.pack()])

    assert distribution.count == 100
    assert distribution.quantile(0.95) == pytest.approx(10, rel=0.01)


def test_nothing_has_no_quantiles() -> None:
    empty = Distribution([b"", b""])

    assert (empty.count, empty.quantile(0.5), empty.count_up_to(5)) == (0, None, 0)
    assert apdex(empty, 1) is None


def test_values_are_counted_between_bounds() -> None:
    distribution = Distribution([pack(1, 5, 50, 51, 5_000)])

    assert distribution.count_between([10, 100]) == [2, 2, 1]


def test_apdex_counts_half_of_those_who_tolerate() -> None:
    # Two are satisfied (up to 300), one tolerates (up to 1,200), one does not.
    distribution = Distribution([pack(10, 300, 1_100, 2_000)])

    assert apdex(distribution, 300) == pytest.approx((2 + 0.5) / 4)
