"""Counts which metrics and which labels the series of a store come from."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TypeVar

from resumatch_monitor.metrics.admin import Cardinality, LabelCardinality, MetricCardinality
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.storage.tsdb.state import StoreState

__all__ = ["Cardinality", "MetricCardinality", "count_metric", "count_series"]

KeyT = TypeVar("KeyT")


def count_series(state: StoreState, limit: int) -> Cardinality:
    """Return the sizes of everything; each list has at most `limit` items."""
    by_pair: Counter[tuple[str, str]] = Counter()
    series = 0

    def pairs_of_all() -> Iterator[tuple[tuple[str, str], ...]]:
        nonlocal series
        for labels in state.index.labels:
            if labels is not None:
                series += 1
                yield labels.pairs

    by_pair.update(chain.from_iterable(pairs_of_all()))
    by_metric: dict[str, int] = {}
    values_by_label: Counter[str] = Counter()
    bytes_by_label: Counter[str] = Counter()
    for (name, value), count in by_pair.items():
        values_by_label[name] += 1
        bytes_by_label[name] += len(value.encode()) * count
        if name == METRIC_NAME:
            by_metric[value] = count
    oldest, newest = _time_bounds(state)
    return Cardinality(
        series=series,
        label_pairs=len(by_pair),
        metrics=len(by_metric),
        labels=len(values_by_label),
        chunks=_count_chunks(state),
        min_ms=oldest,
        max_ms=newest,
        by_metric=_largest(by_metric, limit),
        values_by_label=_largest(values_by_label, limit),
        bytes_by_label=_largest(bytes_by_label, limit),
        series_by_pair=_largest(by_pair, limit),
    )


def count_metric(state: StoreState, metric: str, limit: int) -> MetricCardinality | None:
    """Return the sizes of one metric, None if there is no such.

    Args:
        state: What the store holds.
        metric: Its name.
        limit: The most values to name of each label.
    """
    index = state.index
    found = index.labels_of(index.match([Matcher(METRIC_NAME, MatchOp.EQUAL, metric)]))
    if not found:
        return None
    values_by_label: dict[str, dict[str, int]] = {}
    for (name, value), count in _count_pairs(found).items():
        if name != METRIC_NAME:
            values_by_label.setdefault(name, {})[value] = count
    labels = [
        LabelCardinality(
            label=name,
            series=sum(values.values()),
            values=len(values),
            size_bytes=sum(len(value.encode()) * count for value, count in values.items()),
            top_values=_largest(values, limit),
        )
        for name, values in values_by_label.items()
    ]
    labels.sort(key=lambda each: (-each.values, each.label))
    return MetricCardinality(metric, len(found), labels)


def _count_pairs(found: Iterable[Labels]) -> Counter[tuple[str, str]]:
    return Counter(chain.from_iterable(labels.pairs for labels in found))


def _largest(counts: Mapping[KeyT, int], limit: int) -> list[tuple[KeyT, int]]:
    return heapq.nsmallest(limit, counts.items(), key=lambda item: (-item[1], item[0]))


def _time_bounds(state: StoreState) -> tuple[int | None, int | None]:
    bounds: list[int] = []
    for target in list(state.head.targets.values()):
        for chunk in target.chunks:
            times = chunk.rows()[1]
            if len(times):
                bounds += (int(times[0]), int(times[-1]))
    for grid in state.head.pushed.grids():
        bounds += (int(grid.times[0]), int(grid.times[-1]))
    for block in state.blocks:
        bounds += (block.meta.min_ms, block.meta.max_ms)
    return (min(bounds), max(bounds)) if bounds else (None, None)


def _count_chunks(state: StoreState) -> int:
    head = state.head
    in_matrices = sum(
        chunk.width for target in list(head.targets.values()) for chunk in target.chunks
    )
    return in_matrices + sum(len(grid.ids) for grid in head.pushed.grids())
