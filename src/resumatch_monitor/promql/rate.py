"""Functions on how fast a series changes: rate, increase, delta, irate, deriv, changes and so on.

Each takes a window of S series at T steps and returns (S, T) values; where a series has too few
samples the value is meaningless and masked by the caller.
"""

import numpy as np

from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.sums import compensated_sum, finish_sum
from resumatch_monitor.promql.vector import IndexArray
from resumatch_monitor.promql.windows import Window, fold


def rate(window: Window) -> FloatArray:
    """Return the increase per second of a counter, extrapolated to the whole range."""
    return _extrapolate(window, is_counter=True, is_rate=True)


def increase(window: Window) -> FloatArray:
    """Return the increase of a counter, extrapolated to the whole range."""
    return _extrapolate(window, is_counter=True, is_rate=False)


def delta(window: Window) -> FloatArray:
    """Return the change of a gauge, extrapolated to the whole range."""
    return _extrapolate(window, is_counter=False, is_rate=False)


def _extrapolate(window: Window, *, is_counter: bool, is_rate: bool) -> FloatArray:
    """Stretch the change between the first and the last sample to the ends of the range.

    Prometheus' rule: all the way to an end that is less than 1.1 average intervals away, else by
    half an interval, and never further back than to where a counter would have been zero.
    """
    first_values = window.first_values()
    change = window.last_values() - first_values
    if is_counter:
        _undo_resets(window, change)
    first_times = window.time_at(window.first)
    last_times = window.time_at(window.last)
    sampled = (last_times - first_times) / 1000
    average = sampled / np.maximum(window.counts - 1, 1)
    to_start = (first_times - window.start_ms) / 1000
    to_end = (window.end_ms - last_times) / 1000
    threshold = average * 1.1
    to_start = np.where(to_start >= threshold, average / 2, to_start)
    to_end = np.where(to_end >= threshold, average / 2, to_end)
    scale = sampled * ((window.end_ms - window.start_ms) / 1000) if is_rate else sampled
    if not is_counter:
        change *= (sampled + to_start + to_end) / scale
        return change
    to_zero = first_values / change
    to_zero *= sampled
    # A falling or negative counter has no zero to stop at; a comparison with NaN is false.
    np.copyto(to_zero, np.inf, where=~((change > 0) & (first_values >= 0)))
    np.minimum(to_zero, to_start, out=to_zero)
    to_zero += sampled + to_end
    to_zero /= scale
    change *= to_zero
    return change


def _undo_resets(window: Window, change: FloatArray) -> None:
    """Add to `change`, in place, what the counters had reached before each of their resets."""
    values = window.samples.values
    dropped = values[..., 1:] < values[..., :-1]
    if not dropped.any():
        return
    pairs = np.maximum(window.counts - 1, 0)
    if values.ndim == 1:
        lost = np.where(dropped, values[:-1], 0.0)
        first = np.minimum(window.first, len(lost) - 1)
        change += np.where(pairs > 0, fold(np.add, lost, first, pairs), 0.0)
        return
    rows = np.flatnonzero(dropped.any(axis=1))
    # Where a counter falls between two samples, what is lost is the value of the former.
    lost = np.where(dropped[rows], values[rows, :-1], 0.0)
    first = np.minimum(window.first, lost.shape[-1] - 1)
    change[rows] += np.where(pairs > 0, fold(np.add, lost, first, pairs), 0.0)


def irate(window: Window) -> FloatArray:
    """Return the increase per second between the last two samples of a counter."""
    before, last = _last_two(window)
    change = np.where(last < before, last, last - before)
    change /= (window.time_at(window.last) - window.time_at(_before_last(window))) / 1000
    return change


def idelta(window: Window) -> FloatArray:
    """Return the difference between the last two samples."""
    before, last = _last_two(window)
    return last - before


def _before_last(window: Window) -> IndexArray:
    return np.maximum(window.last - 1, 0)


def _last_two(window: Window) -> tuple[FloatArray, FloatArray]:
    return window.value_at(_before_last(window)), window.last_values()


def changes(window: Window) -> FloatArray:
    """Count how often the value changed; from NaN to NaN is no change."""
    values = window.samples.values
    before, after = values[..., :-1], values[..., 1:]
    return _count_pairs(window, (after != before) & ~(np.isnan(after) & np.isnan(before)))


def resets(window: Window) -> FloatArray:
    """Count how often the value fell."""
    values = window.samples.values
    return _count_pairs(window, values[..., 1:] < values[..., :-1])


def _count_pairs(window: Window, happened: BoolArray) -> FloatArray:
    running = np.zeros(window.samples.values.shape, dtype=np.int64)
    np.cumsum(happened, axis=-1, out=running[..., 1:])
    ends = np.take(running, window.last, axis=-1)
    return (ends - np.take(running, window.first, axis=-1)).astype(np.float64)


def deriv(window: Window) -> FloatArray:
    """Return the slope per second of the straight line of least squares."""
    # The first sample's own time keeps the numbers small, and so accurate.
    slope, _ = _regress(window, window.time_at(window.first))
    return slope


def predict_linear(window: Window, seconds: FloatArray) -> FloatArray:
    """Return where the straight line of least squares is `seconds` (T,) after each step."""
    slope, intercept = _regress(window, window.eval_ms)
    return slope * seconds + intercept


def _regress(window: Window, origin_ms: IndexArray) -> tuple[FloatArray, FloatArray]:
    shape = window.shape
    totals = np.zeros((4, *shape))
    compensations = np.zeros((4, *shape))
    start = window.first_values()
    is_constant = np.ones(shape, dtype=np.bool_)
    for positions, inside in window.each_offset():
        x = np.broadcast_to((window.time_at(positions) - origin_ms) / 1000, shape)
        y = window.value_at(positions)
        is_constant &= (y == start) | ~inside
        piece = np.stack((x, y, x * y, x * x))
        added = totals + piece
        larger = np.abs(totals) >= np.abs(piece)
        lost = np.where(larger, (totals - added) + piece, (piece - added) + totals)
        lost = np.where(np.isinf(added), 0.0, compensations + lost)
        np.copyto(compensations, lost, where=inside)
        np.copyto(totals, added, where=inside)
    sum_x, sum_y, sum_xy, sum_xx = totals + compensations
    count = window.counts
    slope = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    intercept = sum_y / count - slope * sum_x / count
    flat = np.where(np.isinf(start), np.nan, 0.0)
    return (
        np.where(is_constant, flat, slope),
        np.where(is_constant, start + flat, intercept),
    )


def double_exponential_smoothing(
    window: Window, smoothing: FloatArray, trend: FloatArray
) -> FloatArray:
    """Return the smoothed last value; `smoothing` and `trend` (T,) are between 0 and 1."""
    shape = window.shape
    smoothed, before = window.first_values().copy(), np.zeros(shape)
    slope = window.value_at(np.minimum(window.first + 1, window.last)) - smoothed
    for index, (positions, inside) in enumerate(window.each_offset()):
        if index == 0:
            continue
        value = window.value_at(positions)
        if index > 1:
            slope = np.where(inside, trend * (smoothed - before) + (1 - trend) * slope, slope)
        result = smoothing * value + (1 - smoothing) * (smoothed + slope)
        before = np.where(inside, smoothed, before)
        smoothed = np.where(inside, result, smoothed)
    return smoothed


def window_sum(window: Window) -> FloatArray:
    """Add up one value after the other with compensation; slow, for what cancels out."""
    pieces = ((window.value_at(positions), inside) for positions, inside in window.each_offset())
    return finish_sum(*compensated_sum(pieces, window.shape))
