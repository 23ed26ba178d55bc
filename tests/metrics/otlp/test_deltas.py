"""Deltas are summed by series, whatever shares a series' name."""

from datetime import timedelta

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.otlp.deltas import DeltaSums
from tests.support.clock import FakeClock

_SERIES = Labels.of(__name__="requests")


def make_sums() -> DeltaSums:
    return DeltaSums(clock=FakeClock(), max_series=5, expiry=timedelta(minutes=5))


def test_a_sum_and_a_histogram_of_one_name_at_one_time_begin_anew() -> None:
    sums = make_sums()

    assert sums.add(_SERIES, [1.0, 2.0, 3.0], time_ns=7, bounds=(0.5,)) == [1.0, 2.0, 3.0]
    assert sums.add(_SERIES, [4.0], time_ns=7) == [4.0]
    assert sums.add(_SERIES, [1.0, 1.0, 1.0], time_ns=8, bounds=(0.5,)) == [1.0, 1.0, 1.0]


def test_what_comes_a_second_time_is_not_added_again() -> None:
    sums = make_sums()

    sums.add(_SERIES, [1.0], time_ns=7)
    sums.add(_SERIES, [2.0], time_ns=8)

    assert sums.add(_SERIES, [2.0], time_ns=8) == [3.0]
