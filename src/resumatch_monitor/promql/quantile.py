"""Quantiles over sorted values."""

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import FloatArray
from resumatch_monitor.promql.vector import IndexArray

CountArray = npt.NDArray[np.int64]


def sort_with_nan_first(values: FloatArray) -> tuple[FloatArray, IndexArray]:
    """Sort along the last axis; NaN counts as less than everything.

    Returns:
        The values ascending, NaN last as NumPy leaves it, and how many of them are NaN.
    """
    return np.sort(values, axis=-1), np.isnan(values).sum(axis=-1)


def quantile_of_sorted(
    ascending: FloatArray, nan_counts: IndexArray, counts: CountArray, quantile: FloatArray
) -> FloatArray:
    """Interpolate between the two values nearest to the quantile's rank.

    Args:
        ascending: (…, k) values and padding behind them, as `sort_with_nan_first` returns them.
        nan_counts: (…) how many are NaN, which rank before the others.
        counts: (…) how many are values and not padding.
        quantile: Broadcasts to (…); below 0 gives -Inf, above 1 +Inf, NaN gives NaN.
    """
    shape = ascending.shape[:-1]
    counts = np.broadcast_to(counts, shape)
    clipped = np.clip(np.nan_to_num(quantile), 0.0, 1.0)
    rank = clipped * np.maximum(counts - 1, 0)
    below = np.floor(rank)
    weight = rank - below
    lower = _value_of_rank(ascending, nan_counts, below.astype(np.int64))
    above = np.minimum(below + 1, np.maximum(counts - 1, 0)).astype(np.int64)
    upper = _value_of_rank(ascending, nan_counts, above)
    result = lower * (1 - weight) + upper * weight
    result = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, result))
    return np.where(np.isnan(quantile) | (counts == 0), np.nan, result)


def _value_of_rank(ascending: FloatArray, nan_counts: IndexArray, rank: IndexArray) -> FloatArray:
    position = np.maximum(rank - nan_counts, 0)[..., np.newaxis]
    picked = np.take_along_axis(ascending, position, axis=-1)[..., 0]
    return np.where(rank < nan_counts, np.nan, picked)
