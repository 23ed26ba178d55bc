"""Quantiles and fractions of classic histograms, whose series have their upper bound in `le`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.context import Annotations
from resumatch_monitor.promql.format import format_g, format_open_metrics
from resumatch_monitor.promql.vector import METADATA_LABELS, Vector, empty_vector, merge_equal

BUCKET_LABEL = "le"
_TOLERANCE = 1e-12
"""Differences between buckets that are this small beside them are rounding, not observations."""
_CHUNK_GROUPS = 32

_NUMBER_START = frozenset("+-.0123456789iInN")


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Histograms with the same bounds.

    Attributes:
        bounds: (B,) upper bounds, ascending.
        counts: (B, H, T) cumulative counts.
        present: (B, H, T), or None where all buckets always have a value.
    """

    bounds: FloatArray
    counts: FloatArray
    present: BoolArray | None

    def there(self, bucket: int) -> BoolArray:
        """Return where a bucket has a value, (H, T)."""
        if self.present is None:
            return np.ones(self.counts.shape[1:], dtype=np.bool_)
        return self.present[bucket]


@dataclass(frozen=True, slots=True)
class Remarks:
    """Where remarks go, and where in the query what they are about is."""

    annotations: Annotations
    quantile_place: str
    vector_place: str


def histogram_quantile(quantile: FloatArray, vector: Vector, remarks: Remarks) -> Vector:
    """Return the `quantile` (T,) of each histogram, interpolated linearly in its bucket."""
    warn_of_quantile(quantile, remarks.annotations, remarks.quantile_place)

    def compute(buckets: Buckets) -> FloatArray:
        counts, was_forced = _make_monotonic(buckets)
        if was_forced:
            remarks.annotations.inform(
                "input to histogram_quantile needed to be fixed for monotonicity"
                " (see https://prometheus.io/docs/prometheus/latest/querying/functions/"
                "#histogram_quantile)",
                remarks.vector_place,
            )
        return _quantile(quantile, buckets, counts)

    return _for_each_histogram(vector, remarks, compute)


def histogram_quantiles(
    quantiles: Sequence[FloatArray], label: str, vector: Vector, remarks: Sequence[Remarks]
) -> Vector:
    """Return several quantiles, each series with its quantile in `label`."""
    labels: list[Labels] = []
    found: list[Vector] = []
    for quantile, each_remarks in zip(quantiles, remarks, strict=True):
        result = histogram_quantile(quantile, vector, each_remarks)
        name = format_open_metrics(float(quantile[0]))
        labels.extend(each.with_labels({label: name}) for each in result.visible_labels())
        found.append(result)
    values = np.concatenate([result.values for result in found])
    present = np.concatenate([result.mask() for result in found])
    return merge_equal(Vector(labels, values, present))


def histogram_fraction(
    lower: FloatArray, upper: FloatArray, vector: Vector, remarks: Remarks
) -> Vector:
    """Return what fraction of each histogram lies between `lower` and `upper`, both (T,)."""

    def compute(buckets: Buckets) -> FloatArray:
        total = _last_count(buckets)
        fraction = (_rank_of(upper, buckets, total) - _rank_of(lower, buckets, total)) / total
        fraction = np.where(lower >= upper, 0.0, fraction)
        unknown = (total == 0) | np.isnan(lower) | np.isnan(upper) | ~_is_complete(buckets)
        return np.where(unknown, np.nan, fraction)

    return _for_each_histogram(vector, remarks, compute)


def warn_of_quantile(quantile: FloatArray, annotations: Annotations, place: str) -> None:
    """Add a warning for each quantile that is not between 0 and 1."""
    for value in np.unique(quantile[~((quantile >= 0) & (quantile <= 1))]).tolist():
        annotations.warn(f"quantile value should be between 0 and 1, got {format_g(value)}", place)


def _for_each_histogram(
    vector: Vector, remarks: Remarks, compute: Callable[[Buckets], FloatArray]
) -> Vector:
    labels: list[Labels] = []
    pieces: list[FloatArray] = []
    masks: list[BoolArray] = []
    for found, buckets in _collect(vector, remarks):
        labels.extend(found)
        pieces.append(compute(buckets))
        present = buckets.present
        shape = buckets.counts.shape[1:]
        there = np.ones(shape, dtype=np.bool_)
        for bucket in range(len(buckets.bounds) if present is not None else 0):
            there = buckets.there(bucket) if bucket == 0 else there | buckets.there(bucket)
        masks.append(there)
    if not labels:
        return empty_vector(vector.step_count)
    result = Vector(labels, np.concatenate(pieces), np.concatenate(masks), is_nameless=True)
    return merge_equal(result.without_empty_series())


def _collect(vector: Vector, remarks: Remarks) -> Iterator[tuple[Sequence[Labels], Buckets]]:
    """Find the histograms, those with the same bounds together, a few at a time."""
    ignored = frozenset((BUCKET_LABEL, *(METADATA_LABELS if vector.is_nameless else ())))
    histograms: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        bound = _parse_bound(labels.value(BUCKET_LABEL))
        if bound is None:
            name = "" if vector.is_nameless else labels.metric_name
            of_metric = f' for metric name "{name}"' if name else ""
            remarks.annotations.warn(
                f'bucket label "{BUCKET_LABEL}" is missing or has a malformed value of'
                f' "{labels.value(BUCKET_LABEL)}"{of_metric}',
                remarks.vector_place,
            )
            continue
        key = tuple([pair for pair in labels.pairs if pair[0] not in ignored])
        histograms.setdefault(key, []).append((bound, row))
    same_bounds: dict[tuple[float, ...], list[tuple[Labels, list[int]]]] = {}
    for key, buckets in histograms.items():
        buckets.sort()
        bounds = tuple(bound for bound, _ in buckets)
        labels = Labels.from_sorted(tuple(pair for pair in key if pair[0] not in METADATA_LABELS))
        same_bounds.setdefault(bounds, []).append((labels, [row for _, row in buckets]))
    for bounds, members in same_bounds.items():
        for begin in range(0, len(members), _CHUNK_GROUPS):
            chunk = members[begin : begin + _CHUNK_GROUPS]
            rows = np.array([each for _, each in chunk], dtype=np.int64).T
            present = None if vector.present is None else vector.present[rows]
            found = Buckets(np.array(bounds), vector.values[rows], present)
            yield [labels for labels, _ in chunk], _coalesce(found)


def _parse_bound(text: str) -> float | None:
    if not text or text[0] not in _NUMBER_START or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _coalesce(buckets: Buckets) -> Buckets:
    """Add up buckets that have one bound, written differently."""
    bounds, begins = np.unique(buckets.bounds, return_index=True)
    if len(bounds) == len(buckets.bounds):
        return buckets
    counts, present = buckets.counts, buckets.present
    if present is not None:
        counts = np.where(present, counts, 0.0)
        present = np.logical_or.reduceat(present, begins, axis=0)
    return Buckets(bounds, np.add.reduceat(counts, begins, axis=0), present)


def _make_monotonic(buckets: Buckets) -> tuple[FloatArray, bool]:
    """Return cumulative counts that never fall, and whether they had to be bent noticeably."""
    counts = buckets.counts.copy()
    was_forced = False
    previous = np.zeros(counts.shape[1:])
    begun = np.zeros(counts.shape[1:], dtype=np.bool_)
    for bucket in range(len(buckets.bounds)):
        current, there = counts[bucket], buckets.there(bucket)
        scale = np.abs(previous) + np.abs(current)
        close = np.abs(current - previous) < _TOLERANCE * scale
        falls = current < previous
        keep = begun & (close | falls)
        was_forced = was_forced or bool((begun & there & falls & ~close).any())
        np.copyto(current, previous, where=keep)
        np.copyto(previous, current, where=there)
        begun |= there
    return counts, was_forced


def _is_complete(buckets: Buckets) -> BoolArray:
    """Tell where the greatest bucket is the one of everything."""
    if buckets.bounds[-1] != np.inf:
        return np.zeros(buckets.counts.shape[1:], dtype=np.bool_)
    return buckets.there(len(buckets.bounds) - 1)


def _last_count(buckets: Buckets) -> FloatArray:
    return buckets.counts[-1]


def _quantile(quantile: FloatArray, buckets: Buckets, counts: FloatArray) -> FloatArray:
    shape = counts.shape[1:]
    total = counts[-1]
    rank = quantile * total
    result = np.full(shape, np.nan)
    found = np.zeros(shape, dtype=np.bool_)
    previous_count = np.zeros(shape)
    previous_bound = np.full(shape, np.nan)
    seen = np.zeros(shape, dtype=np.bool_)
    bounds: list[float] = buckets.bounds.tolist()
    for bucket, bound in enumerate(bounds[:-1]):
        there, count = buckets.there(bucket), counts[bucket]
        here = there & ~found & (count >= rank)
        if here.any():
            value = _interpolate(bound, previous_bound, count, previous_count, rank, ~seen)
            np.copyto(result, value, where=here)
            found |= here
        np.copyto(previous_count, count, where=there)
        np.copyto(previous_bound, bound, where=there)
        seen |= there
    # In the bucket of everything, the best that can be said is where it begins.
    np.copyto(result, previous_bound, where=~found)
    # A count of NaN is not less than any rank, and so stands for the bucket of everything.
    unknown = ~_is_complete(buckets) | ~seen | (total == 0)
    result = np.where(unknown, np.nan, result)
    result = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, result))
    return np.where(np.isnan(quantile), np.nan, result)


def _interpolate(
    bound: float,
    start: FloatArray,
    count: FloatArray,
    count_before: FloatArray,
    rank: FloatArray,
    is_first: BoolArray,
) -> FloatArray:
    """Return where in a bucket the observation of `rank` is, if they are spread evenly."""
    # The first bucket begins at zero, unless it ends there or below.
    begin = np.where(is_first, 0.0, start)
    before = np.where(is_first, 0.0, count_before)
    value = begin + (bound - begin) * ((rank - before) / (count - before))
    return np.where(is_first & (bound <= 0), bound, value)


def _rank_of(limit: FloatArray, buckets: Buckets, total: FloatArray) -> FloatArray:
    """Return how many observations lie below `limit` (T,), (H, T)."""
    shape = total.shape
    result = np.full(shape, np.nan)
    found = np.zeros(shape, dtype=np.bool_)
    seen = np.zeros(shape, dtype=np.bool_)
    rank = np.zeros(shape)
    begin = np.zeros(shape)
    bounds: list[float] = buckets.bounds.tolist()
    for bucket, bound in enumerate(bounds):
        there, count = buckets.there(bucket), buckets.counts[bucket]
        start: FloatArray = np.where(seen, begin, 0.0 if bound > 0 else -np.inf)
        below = there & ~found & (start >= limit)
        np.copyto(result, rank, where=below)
        found |= below
        inside = there & ~found & (start < limit) & (bound > limit)
        linear: FloatArray = rank + (count - rank) * (limit - start) / (bound - start)
        np.copyto(result, np.where(np.isinf(start), count, linear), where=inside)
        found |= inside
        np.copyto(rank, count, where=there)
        np.copyto(begin, bound, where=there)
        seen |= there
    return np.where(found & (result <= total), result, total)
