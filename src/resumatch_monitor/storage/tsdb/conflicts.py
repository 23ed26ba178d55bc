"""Samples that contradict each other or what is stored: the first one counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    BoolArray,
    FloatArray,
    Rejection,
    SampleBatch,
    SamplesRejectedError,
    TimeArray,
    is_absent,
)
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.merge import JoinedSeries
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry

_MOST_REJECTIONS_NAMED = 10
_ROWS_AT_ONCE = 256


class Rejections:
    """Collects samples that cannot be stored, naming only the first."""

    def __init__(self) -> None:
        self._named: list[Rejection] = []
        self._counts: dict[str, int] = {}

    def add_each(self, labels: Sequence[Labels], rejected: "PushedSeries", reason: str) -> None:
        """Note that all of `rejected`, whose positions are among `labels`, are rejected."""
        count = len(rejected.times)
        if not count:
            return
        self._counts[reason] = self._counts.get(reason, 0) + count
        room = _MOST_REJECTIONS_NAMED - len(self._named)
        positions: list[int] = rejected.positions[:room].tolist()
        times: list[int] = rejected.times[:room].tolist()
        self._named.extend(
            Rejection(labels[position], time, reason)
            for position, time in zip(positions, times, strict=True)
        )

    def to_error(self, telemetry: StoreTelemetry) -> SamplesRejectedError | None:
        """Count them and return the error, if there are any."""
        for reason, count in self._counts.items():
            telemetry.rejected.labels(reason).inc(count)
        if not self._named:
            return None
        return SamplesRejectedError(self._named, count=sum(self._counts.values()))


@dataclass(frozen=True, slots=True, eq=False)
class PushedSeries:
    """N samples of series that have ids: what remains of a batch.

    Attributes:
        ids: (N,) the series of each sample, the samples of a series together.
        positions: (N,) its position among the batch's label sets.
        times: (N,) ascending and distinct within a series.
        values: (N,)
    """

    ids: IdArray
    positions: IdArray
    times: TimeArray
    values: FloatArray

    def keep(self, where: BoolArray) -> "PushedSeries":
        """Return the samples where `where`, (N,), is true."""
        if where.all():
            return self
        return PushedSeries(
            self.ids[where], self.positions[where], self.times[where], self.values[where]
        )


def put_in_order(batch: SampleBatch, ids: IdArray, rejections: Rejections) -> PushedSeries:
    """Return the samples series by series, their times ascending; of equal times the first counts.

    Args:
        batch: What came.
        ids: (S,) the ids of its series; they may repeat.
        rejections: Told of samples that contradict one before them.
    """
    counts = np.diff(batch.offsets)
    positions = np.repeat(np.arange(len(ids), dtype=np.int32), counts)
    values = batch.values.astype(np.float64)
    # The bits that mean "no sample" inside are a NaN like any other outside.
    values[is_absent(values)] = np.nan
    found = PushedSeries(ids[positions], positions, batch.times.astype(np.int64), values)
    if _is_in_order(found, ids):
        return found
    order = np.lexsort((found.times, found.ids))
    found = PushedSeries(found.ids[order], positions[order], found.times[order], values[order])
    repeats = np.zeros(len(order), dtype=np.bool_)
    repeats[1:] = (found.ids[1:] == found.ids[:-1]) & (found.times[1:] == found.times[:-1])
    if not repeats.any():
        return found
    first = np.flatnonzero(~repeats)[np.cumsum(~repeats) - 1]
    differs = repeats & ~_same(found.values, found.values[first])
    rejections.add_each(batch.labels, found.keep(differs), "conflict")
    return found.keep(~repeats)


def _is_in_order(found: PushedSeries, ids: IdArray) -> bool:
    """Tell whether every series has one place only, and there its times ascend."""
    if len(distinct(ids)) != len(ids):
        return False
    goes_on = found.positions[1:] == found.positions[:-1]
    return bool((~goes_on | (found.times[1:] > found.times[:-1])).all())


def leave_out_known(
    labels: Sequence[Labels],
    found: PushedSeries,
    existing: Sequence[JoinedSeries],
    rejections: Rejections,
) -> PushedSeries:
    """Return the samples that are not `existing`; those that contradict are rejected."""
    is_known = np.zeros(len(found.ids), dtype=np.bool_)
    is_conflict = np.zeros(len(found.ids), dtype=np.bool_)
    for part in existing:
        rows = np.searchsorted(part.ids, found.ids)
        columns = np.searchsorted(part.times, found.times)
        rows[rows == len(part.ids)] = 0
        columns[columns == len(part.times)] = 0
        hits = np.flatnonzero((part.ids[rows] == found.ids) & (part.times[columns] == found.times))
        if not len(hits):
            continue
        for first in distinct(rows[hits] // _ROWS_AT_ONCE * _ROWS_AT_ONCE).tolist():
            stored = part.read(first, first + _ROWS_AT_ONCE)
            near = hits[(rows[hits] >= first) & (rows[hits] < first + _ROWS_AT_ONCE)]
            values = stored[rows[near] - first, columns[near]]
            there = ~is_absent(values)
            is_known[near] |= there
            is_conflict[near] |= there & ~_same(found.values[near], values)
    rejections.add_each(labels, found.keep(is_conflict), "conflict")
    return found.keep(~is_known)


def _same(left: FloatArray, right: FloatArray) -> BoolArray:
    return (left == right) | (left.view(np.uint64) == right.view(np.uint64))
