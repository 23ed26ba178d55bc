"""Sums and means that are as accurate as Prometheus' compensated ones, and as fast as plain ones.

Prometheus adds with Neumaier's compensation, one value after the other. That shows only where
values cancel each other out. So the plain sum is taken, together with the sum of magnitudes;
only where the one is tiny beside the other the compensated sum is computed instead.
"""

from collections.abc import Iterable

import numpy as np

from resumatch_monitor.metrics.samples import BoolArray, FloatArray

_CANCELLATION = 1e-5
"""A plain sum this small beside its magnitudes may have lost more digits than it should."""


def needs_compensation(plain: FloatArray, magnitudes: FloatArray) -> BoolArray:
    """Tell where `plain` may be inaccurate, given the sums of the absolute values."""
    # NaN anywhere makes both NaN, which no compensation changes.
    return ~(np.abs(plain) > _CANCELLATION * magnitudes) & ~np.isnan(magnitudes) & (magnitudes > 0)


def is_one_signed(values: FloatArray) -> bool:
    """Tell whether no two values can cancel each other out: all finite or NaN, of one sign."""
    if not values.size:
        return True
    lowest, highest = values.min(), values.max()
    if np.isnan(lowest):
        return False
    return bool((lowest >= 0 and highest < np.inf) or (highest <= 0 and lowest > -np.inf))


def compensated_sum(
    pieces: Iterable[tuple[FloatArray, BoolArray]], shape: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Add pieces one after the other; each comes with where it counts.

    Returns:
        The running sum and its compensation, both of `shape`. Their sum is the result, except
        that an infinite sum stays as it is.
    """
    total = np.zeros(shape)
    compensation = np.zeros(shape)
    for piece, counts_here in pieces:
        result = total + piece
        larger = np.abs(total) >= np.abs(piece)
        lost = np.where(larger, (total - result) + piece, (piece - result) + total)
        correction = np.where(np.isinf(result), 0.0, compensation + lost)
        np.copyto(compensation, correction, where=counts_here)
        np.copyto(total, result, where=counts_here)
    return total, compensation


def finish_sum(total: FloatArray, compensation: FloatArray) -> FloatArray:
    """Return the result of a compensated sum."""
    return np.where(np.isinf(total), total, total + compensation)


def robust_mean(values: FloatArray) -> float:
    """Return the mean of a few values whose plain sum overflows.

    It follows Prometheus from the value on that would overflow the sum: an incremental mean.
    """
    total, compensation, mean = float(values[0]), 0.0, 0.0
    is_incremental = False
    count = 1.0
    for index, value in enumerate(values[1:].tolist()):
        count = index + 2.0
        if not is_incremental:
            result, corrected = _add(value, total, compensation)
            if not np.isinf(result):
                total, compensation = result, corrected
                continue
            is_incremental = True
            mean = total / (count - 1)
            compensation /= count - 1
        share = (count - 1) / count
        mean, compensation = _add(value / count, share * mean, share * compensation)
    return mean + compensation if is_incremental else total / count + compensation / count


def _add(value: float, total: float, compensation: float) -> tuple[float, float]:
    result = total + value
    if np.isinf(result):
        return result, 0.0
    if abs(total) >= abs(value):
        return result, compensation + ((total - result) + value)
    return result, compensation + ((value - result) + total)
