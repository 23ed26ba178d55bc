"""Functions that summarise each range: avg_over_time, max_over_time, quantile_over_time and so on.

Each takes a window of S series at T steps and returns (S, T) values; where a series has no sample
the value is meaningless and masked by the caller.
"""

import numpy as np

from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.quantile import quantile_of_sorted, sort_with_nan_first
from resumatch_monitor.promql.rate import window_sum
from resumatch_monitor.promql.sums import is_one_signed, needs_compensation, robust_mean
from resumatch_monitor.promql.vector import IndexArray
from resumatch_monitor.promql.windows import Window, fold

_GATHERED_VALUES = 1 << 21
"""How many values are copied out of overlapping windows at a time, for sorting."""


def sum_over_time(window: Window) -> FloatArray:
    """Return the sum of the values."""
    values = window.samples.values
    total = fold(np.add, values, window.first, window.counts)
    if is_one_signed(values):
        return total
    magnitudes = fold(np.add, np.abs(values), window.first, window.counts)
    suspect = needs_compensation(total, magnitudes) & (window.counts > 0)
    return np.where(suspect, window_sum(window), total) if suspect.any() else total


def avg_over_time(window: Window) -> FloatArray:
    """Return the mean of the values, finite wherever all of them are."""
    total = sum_over_time(window)
    mean = total / window.counts
    overflown = np.isinf(total) & (window.counts > 0)
    if not overflown.any():
        return mean
    largest = fold(np.fmax, np.abs(window.samples.values), window.first, window.counts)
    for row, step in np.argwhere(overflown & np.isfinite(largest)).tolist():
        mean[row, step] = robust_mean(_values_in(window, row, step))
    return mean


def _values_in(window: Window, row: int, step: int) -> FloatArray:
    values = window.samples.values
    if values.ndim == 1:
        first = int(window.first[row, step])
        return values[first : first + int(window.counts[row, step])]
    first = int(window.first[step])
    return values[row, first : first + int(window.counts[step])]


def min_over_time(window: Window) -> FloatArray:
    """Return the least value; NaN only if there is nothing else."""
    return fold(np.fmin, window.samples.values, window.first, window.counts)


def max_over_time(window: Window) -> FloatArray:
    """Return the greatest value; NaN only if there is nothing else."""
    return fold(np.fmax, window.samples.values, window.first, window.counts)


def count_over_time(window: Window) -> FloatArray:
    """Return how many samples there are."""
    return np.broadcast_to(window.counts.astype(np.float64), window.shape)


def present_over_time(window: Window) -> FloatArray:
    """Return 1."""
    return np.ones(window.shape)


def first_over_time(window: Window) -> FloatArray:
    """Return the oldest value."""
    return window.first_values()


def last_over_time(window: Window) -> FloatArray:
    """Return the newest value."""
    return window.last_values()


def ts_of_first_over_time(window: Window) -> FloatArray:
    """Return the time of the oldest sample in seconds."""
    return np.broadcast_to(window.time_at(window.first) / 1000, window.shape)


def ts_of_last_over_time(window: Window) -> FloatArray:
    """Return the time of the newest sample in seconds."""
    return np.broadcast_to(window.time_at(window.last) / 1000, window.shape)


def ts_of_min_over_time(window: Window) -> FloatArray:
    """Return the time in seconds of the last sample with the least value."""
    return _time_of(window, min_over_time(window))


def ts_of_max_over_time(window: Window) -> FloatArray:
    """Return the time in seconds of the last sample with the greatest value."""
    return _time_of(window, max_over_time(window))


def _time_of(window: Window, wanted: FloatArray) -> FloatArray:
    found = np.broadcast_to(window.time_at(window.first), window.shape).copy()
    for positions, inside in window.each_offset():
        value = window.value_at(positions)
        same = (value == wanted) | (np.isnan(value) & np.isnan(wanted))
        np.copyto(found, window.time_at(positions), where=inside & same)
    return found / 1000


def stdvar_over_time(window: Window) -> FloatArray:
    """Return the population variance."""
    # Relative to each window's first value: equal values then give exactly zero.
    origin = window.first_values().copy()
    total = np.zeros(window.shape)
    for positions, inside in window.each_offset():
        np.add(total, window.value_at(positions) - origin, out=total, where=inside)
    mean = total / window.counts
    squares = np.zeros(window.shape)
    for positions, inside in window.each_offset():
        deviation = window.value_at(positions) - origin - mean
        np.add(squares, deviation * deviation, out=squares, where=inside)
    return squares / window.counts


def stddev_over_time(window: Window) -> FloatArray:
    """Return the population standard deviation."""
    return np.sqrt(stdvar_over_time(window))


def quantile_over_time(window: Window, quantile: FloatArray) -> FloatArray:
    """Return the `quantile` (T,) of the values, interpolated; NaN counts as the least."""
    result = np.empty(window.shape)
    for steps, gathered, counts in _gather(window):
        result[:, steps] = quantile_of_sorted(
            *sort_with_nan_first(gathered), counts, quantile[steps]
        )
    return result


def mad_over_time(window: Window) -> FloatArray:
    """Return the median of the absolute deviations from the median."""
    result = np.empty(window.shape)
    for steps, gathered, counts in _gather(window):
        half = np.full(steps.stop - steps.start, 0.5)
        median = quantile_of_sorted(*sort_with_nan_first(gathered), counts, half)
        deviations = np.abs(gathered - median[..., np.newaxis])
        # A window's padding must stay behind its values.
        places = np.arange(gathered.shape[-1], dtype=np.int64)
        padding: BoolArray = np.greater_equal(places, counts[..., np.newaxis])
        np.copyto(deviations, np.inf, where=padding)
        mad = quantile_of_sorted(*sort_with_nan_first(deviations), counts, half)
        result[:, steps] = np.where(np.isnan(gathered).any(axis=-1), np.nan, mad)
    return result


def _gather(window: Window) -> list[tuple[slice, FloatArray, IndexArray]]:
    """Copy the windows out into (S, t, k) arrays, a few steps at a time, padded with infinity."""
    rows, steps = window.shape
    longest = max(int(window.counts.max(initial=0)), 1)
    width = max(1, _GATHERED_VALUES // (longest * max(rows, 1)))
    pieces: list[tuple[slice, FloatArray, IndexArray]] = []
    offsets = np.arange(longest)
    size = window.samples.values.shape[-1]
    for begin in range(0, steps, width):
        window.checkpoint()
        chosen = slice(begin, min(begin + width, steps))
        counts = window.counts[..., chosen]
        positions = np.minimum(window.first[..., chosen, np.newaxis] + offsets, size - 1)
        gathered = np.take(window.samples.values, positions, axis=-1)
        padding: BoolArray = np.broadcast_to(offsets >= counts[..., np.newaxis], gathered.shape)
        np.copyto(gathered, np.inf, where=padding)
        pieces.append((chosen, gathered, counts))
    return pieces
