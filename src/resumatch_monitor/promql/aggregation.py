"""Aggregations over series: sum, avg, topk, quantile and so on.

Each takes (S, T) values, where they are present, and the group (S,) of each series, and returns
(G, T) values with where they are present, or for topk and its like what stays of (S, T).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.format import format_float
from resumatch_monitor.promql.grouping import Groups
from resumatch_monitor.promql.quantile import quantile_of_sorted, sort_with_nan_first
from resumatch_monitor.promql.sums import (
    compensated_sum,
    finish_sum,
    is_one_signed,
    needs_compensation,
    robust_mean,
)
from resumatch_monitor.promql.vector import IndexArray, Vector

_CHUNK_ROWS = 96
"""Rows that are put in order and added up at a time, so that they stay in the cache."""


Reducer = Callable[[FloatArray, BoolArray | None, Groups], FloatArray]


def reduce_rows(
    combine: np.ufunc, values: FloatArray, groups: Groups, *, start: float
) -> FloatArray:
    """Combine the rows of each group, (G, T); a group begins with `start`."""
    result = np.full((groups.count, values.shape[1]), start)
    for begin in range(0, len(values), _CHUNK_ROWS):
        end = begin + _CHUNK_ROWS
        combine_into(combine, result, values[begin:end], groups.of_row[begin:end])
    return result


def combine_into(
    combine: np.ufunc, result: FloatArray, rows: FloatArray, members: IndexArray
) -> None:
    """Combine a few rows into their groups' rows of `result`, in place."""
    if (members == members[0]).all():
        result[members[0]] = combine(result[members[0]], combine.reduce(rows, axis=0))
        return
    order = np.argsort(members, kind="stable")
    ordered = members[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    reduced = combine.reduceat(rows[order], begins, axis=0)
    touched = ordered[begins]
    result[touched] = combine(result[touched], reduced)


def count(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Count the series at each step."""
    if present is None:
        sizes = np.bincount(groups.of_row, minlength=groups.count).astype(np.float64)
        return np.repeat(sizes[:, np.newaxis], values.shape[1], axis=1)
    return reduce_rows(np.add, present.astype(np.float64), groups, start=0.0)


def total(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Add up, as accurately as with compensation."""
    filled = _fill(values, present, 0.0)
    plain = reduce_rows(np.add, filled, groups, start=0.0)
    if is_one_signed(filled):
        return plain
    magnitudes = reduce_rows(np.add, np.abs(filled), groups, start=0.0)
    suspect = needs_compensation(plain, magnitudes)
    for group in np.flatnonzero(suspect.any(axis=1)).tolist():
        steps = np.flatnonzero(suspect[group])
        rows = np.flatnonzero(groups.of_row == group)
        # A zero in place of an absent value changes neither the sum nor its compensation.
        always = np.ones(len(steps), dtype=np.bool_)
        pieces = ((filled[row, steps], always) for row in rows.tolist())
        plain[group, steps] = finish_sum(*compensated_sum(pieces, (len(steps),)))
    return plain


def mean(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return the mean, finite wherever all values are."""
    sums = total(values, present, groups)
    means = sums / count(values, present, groups)
    for group, step in np.argwhere(np.isinf(sums)).tolist():
        rows = groups.of_row == group
        if present is not None:
            rows = rows & present[:, step]
        members = values[rows, step]
        if np.isfinite(members).all():
            means[group, step] = robust_mean(members)
    return means


def least(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return the least value; NaN only if there is nothing else."""
    return reduce_rows(np.fmin, _fill(values, present, np.nan), groups, start=np.nan)


def greatest(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return the greatest value; NaN only if there is nothing else."""
    return reduce_rows(np.fmax, _fill(values, present, np.nan), groups, start=np.nan)


def one(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return 1."""
    return np.ones((groups.count, values.shape[1]))


def variance(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return the population variance."""
    # Relative to the group's first value: equal values then give exactly zero.
    origin = _first_values(values, present, groups)[groups.of_row]
    shifted = values - origin
    centre = mean(shifted, present, groups)[groups.of_row]
    deviations = shifted - centre
    squares = _fill(deviations * deviations, present, 0.0)
    sums = reduce_rows(np.add, squares, groups, start=0.0)
    return sums / count(values, present, groups)


def deviation(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    """Return the population standard deviation."""
    return np.sqrt(variance(values, present, groups))


def _first_values(values: FloatArray, present: BoolArray | None, groups: Groups) -> FloatArray:
    first = np.zeros((groups.count, values.shape[1]))
    # Backwards, so that the first value is the one that stays.
    for row in range(len(values) - 1, -1, -1):
        where = True if present is None else present[row]
        np.copyto(first[groups.of_row[row]], values[row], where=where)
    return first


REDUCERS: dict[str, Reducer] = {
    "sum": total,
    "avg": mean,
    "count": count,
    "min": least,
    "max": greatest,
    "group": one,
    "stdvar": variance,
    "stddev": deviation,
}


def _fill(values: FloatArray, present: BoolArray | None, filler: float) -> FloatArray:
    return values if present is None else np.where(present, values, filler)


def group_presence(vector: Vector, groups: Groups) -> BoolArray | None:
    """Return where each group has any series, (G, T), or None if always."""
    if vector.present is None:
        return None
    there = np.zeros((groups.count, vector.step_count), dtype=np.bool_)
    np.logical_or.at(there, groups.of_row, vector.present)
    return None if there.all() else there


def quantile(vector: Vector, groups: Groups, wanted: FloatArray) -> FloatArray:
    """Return the `wanted` (T,) quantile of each group, (G, T)."""
    result = np.empty((groups.count, vector.step_count))
    for group, rows in groups.members():
        values = vector.values[rows].T
        counts = np.full(len(values), len(rows), dtype=np.int64)
        if vector.present is not None:
            present = vector.present[rows].T
            values = np.where(present, values, np.inf)
            counts = present.sum(axis=1)
        result[group] = quantile_of_sorted(*sort_with_nan_first(values), counts, wanted)
    return result


def select_extremes(vector: Vector, groups: Groups, limits: IndexArray, *, is_top: bool) -> Vector:
    """Keep, at each step, the `limits` (T,) greatest or least values of each group.

    NaN is kept only if there are not enough numbers. Of equal values the first series wins.
    """
    kept = np.zeros(vector.values.shape, dtype=np.bool_)
    for _, rows in groups.members():
        values = vector.values if len(rows) == len(kept) else vector.values[rows]
        values = values if is_top else -values
        if vector.present is None:
            contenders = _find_contenders(values, limits)
            rows, values = rows[contenders], values[contenders]
        present = np.ones(values.shape, dtype=np.bool_)
        if vector.present is not None:
            present = vector.present[rows]
        kept[rows] = _mask_greatest(values.T, present.T, limits).T
    return replace(vector, present=kept).without_empty_series()


def _find_contenders(values: FloatArray, limits: IndexArray) -> IndexArray:
    """Return the rows that can be among the greatest at any step at all.

    What the greatest few rows reach at a step, nothing below it can be among the greatest there.
    """
    wanted = int(limits.max(initial=0))
    everything = np.arange(len(values), dtype=np.int64)
    sample_size = max(4 * wanted, 64)
    if wanted < 1 or len(values) <= 2 * sample_size:
        return everything
    peaks = np.fmax.reduce(values, axis=1)
    peaks = np.where(np.isnan(peaks), -np.inf, peaks)
    sample = values[np.argpartition(peaks, -sample_size)[-sample_size:]]
    sample = np.where(np.isnan(sample), -np.inf, sample)
    bar = np.partition(sample, -wanted, axis=0)[-wanted]
    if not (bar > -np.inf).all():
        return everything
    return np.flatnonzero(np.greater_equal(values, bar).any(axis=1))


def _mask_greatest(values: FloatArray, present: BoolArray, limits: IndexArray) -> BoolArray:
    """Return where (T, n) `values` are among the greatest `limits` (T,) of their row."""
    kept = np.zeros(present.shape, dtype=np.bool_)
    numbers = present & ~np.isnan(values)
    size = values.shape[1]
    for limit in np.unique(limits).tolist():
        steps = np.flatnonzero(limits == limit)
        if limit < 1:
            continue
        wanted = min(int(limit), size)
        chosen = np.where(numbers[steps], values[steps], -np.inf)
        threshold = np.partition(chosen, size - wanted, axis=1)[:, size - wanted, np.newaxis]
        above = numbers[steps] & (chosen > threshold)
        room = wanted - above.sum(axis=1, keepdims=True)
        # Ties at the threshold, then NaN, fill what room is left, in the order of the series.
        tied = numbers[steps] & (chosen == threshold)
        tied &= np.cumsum(tied, axis=1) <= room
        room -= tied.sum(axis=1, keepdims=True)
        rest = present[steps] & ~numbers[steps]
        rest &= np.cumsum(rest, axis=1) <= room
        kept[steps] = above | tied | rest
    return kept


def order_of_extremes(vector: Vector, groups: Groups, *, is_top: bool) -> list[int]:
    """Return the order in which an instant query shows what `select_extremes` kept."""
    values = vector.values[:, 0]
    keyed = -values if is_top else values
    return np.lexsort((keyed, groups.of_row)).tolist()


def select_first(vector: Vector, groups: Groups, limits: IndexArray) -> Vector:
    """Keep, at each step, the first `limits` (T,) series of each group."""
    mask = vector.mask()
    kept = np.zeros(mask.shape, dtype=np.bool_)
    for _, rows in groups.members():
        kept[rows] = mask[rows] & (np.cumsum(mask[rows], axis=0) <= limits)
    return replace(vector, present=kept).without_empty_series()


def count_values(
    vector: Vector, groups: Groups, label: str | None, *, count_samples: Callable[[int], None]
) -> Vector:
    """Count how many series of each group have each value, which becomes label `label`.

    Without a label only the counts of the values stay, added up.
    `count_samples` is told how much is made before it is: nearly every value may be another one.
    """
    mask = vector.mask()
    made: list[Labels] = []
    counts: list[FloatArray] = []
    for group, rows in groups.members():
        present = mask[rows]
        steps = np.nonzero(present)[1]
        bits, found = np.unique(vector.values[rows][present].view(np.uint64), return_inverse=True)
        texts: dict[str, int] = {}
        # Several bit patterns are called NaN.
        row_of_bits = np.array(
            [
                texts.setdefault(format_float(value), len(texts))
                for value in bits.view(np.float64).tolist()
            ],
            dtype=np.int64,
        )
        count_samples(len(texts) * vector.step_count)
        table = np.zeros((len(texts), vector.step_count))
        np.add.at(table, (row_of_bits[found], steps), 1.0)
        own = groups.labels[group]
        made += [own if label is None else own.with_labels({label: text}) for text in texts]
        counts.append(table)
    if not made:
        return Vector((), np.empty((0, vector.step_count)))
    return _add_up(made, np.concatenate(counts))


def _add_up(labels: Sequence[Labels], counts: FloatArray) -> Vector:
    rows_of: dict[Labels, int] = {}
    targets = [rows_of.setdefault(each, len(rows_of)) for each in labels]
    values = np.zeros((len(rows_of), counts.shape[1]))
    np.add.at(values, targets, counts)
    return Vector(list(rows_of), values, values > 0).without_empty_series()
