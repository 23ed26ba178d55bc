"""What may come in: bounded by room, by the number of series, by time, and by what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, SampleBatch, StoreFullError
from resumatch_monitor.storage.tsdb.conflicts import (
    PushedSeries,
    Rejections,
    leave_out_known,
    put_in_order,
)
from resumatch_monitor.storage.tsdb.disk import Disk
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.state import StoreState

FURTHEST_AHEAD_MS = 10 * 60 * 1000


@dataclass(frozen=True, slots=True)
class AppendLimits:
    """When an append is refused.

    Attributes:
        min_free_bytes: How much room the disk must have.
        max_series: How many series there may be, sealed ones included.
        max_head_samples: How many samples may wait to be sealed.
        retention_ms: How old a sample may be.
    """

    min_free_bytes: int
    max_series: int
    max_head_samples: int
    retention_ms: int


class Admission:
    """Decides which samples may come in; it writes nothing but new series into the index."""

    def __init__(
        self, *, folder: Path, state: StoreState, disk: Disk, clock: Clock, limits: AppendLimits
    ) -> None:
        self._folder = folder
        self._state = state
        self._disk = disk
        self._clock = clock
        self._limits = limits

    def check_room(self) -> None:
        """Refuse everything while there is no room.

        Raises:
            StoreFullError: If the disk, or the head, is full.
            OSError: If the disk cannot be asked.
        """
        free = self._disk.free_bytes(self._folder)
        if free < self._limits.min_free_bytes:
            raise StoreFullError(
                f"only {free} bytes of disk are free, fewer than the"
                f" {self._limits.min_free_bytes} of storage.min_free_bytes"
            )
        if self._state.head.sample_count > self._limits.max_head_samples:
            raise StoreFullError(
                f"more than {self._limits.max_head_samples} samples wait to be sealed"
            )

    def resolve(self, labels: Sequence[Labels]) -> IdArray:
        """Return ids, (S,), of series that come in together.

        Raises:
            StoreFullError: If there would be too many series; none is added then.
        """
        index = self._state.index
        room = self._limits.max_series - len(index)
        if room < len(labels):
            missing = sum(index.find(each) is None for each in labels)
            if missing > room:
                raise StoreFullError(
                    f"{missing} further series would exceed the {self._limits.max_series} allowed"
                )
        return index.resolve(labels)

    def admit(self, batch: SampleBatch, rejections: Rejections) -> PushedSeries:
        """Return what may come in of samples with times of their own, in order."""
        pushed = put_in_order(batch, self._resolve_some(batch.labels), rejections)
        pushed = _without_strangers(batch.labels, pushed, rejections)
        return self._within_time(batch.labels, pushed, rejections)

    def without_known(
        self,
        labels: Sequence[Labels],
        pushed: PushedSeries,
        is_old: BoolArray,
        rejections: Rejections,
    ) -> PushedSeries:
        """Leave out samples that the store has; those that it has otherwise are rejected."""
        old = pushed.keep(is_old)
        first, last = int(old.times.min()), int(old.times.max())
        existing = self._state.read(distinct(old.ids), first, last)
        if not existing:
            return pushed
        return leave_out_known(labels, pushed, existing, rejections)

    def _resolve_some(self, labels: Sequence[Labels]) -> IdArray:
        """Return ids, (S,): of new series beyond the limit negative ones, each its own.

        A sender repeats what is refused as a whole: it would be held up for ever by one label whose
        values never end, and with it all the series that are there already.
        """
        index = self._state.index
        room = self._limits.max_series - len(index)
        if room >= len(labels):
            return index.resolve(labels)
        taken: list[int] = []
        new: set[Labels] = set()
        for position, each in enumerate(labels):
            if each not in new and index.find(each) is None:
                if len(new) >= room:
                    continue
                new.add(each)
            taken.append(position)
        ids = -1 - np.arange(len(labels), dtype=np.int32)
        ids[taken] = index.resolve([labels[position] for position in taken])
        return ids

    def _within_time(
        self, labels: Sequence[Labels], pushed: PushedSeries, rejections: Rejections
    ) -> PushedSeries:
        now_ms = to_milliseconds(self._clock.now())
        oldest_ms, newest_ms = now_ms - self._limits.retention_ms, now_ms + FURTHEST_AHEAD_MS
        too_old, too_new = pushed.times < oldest_ms, pushed.times > newest_ms
        if not (too_old.any() or too_new.any()):
            return pushed
        rejections.add_each(labels, pushed.keep(too_old), "too_old")
        rejections.add_each(labels, pushed.keep(too_new), "too_new")
        return pushed.keep(~(too_old | too_new))


def _without_strangers(
    labels: Sequence[Labels], pushed: PushedSeries, rejections: Rejections
) -> PushedSeries:
    """Leave out the series that have no id and get none."""
    is_stranger = pushed.ids < 0
    if not is_stranger.any():
        return pushed
    rejections.add_each(labels, pushed.keep(is_stranger), "series_limit")
    return pushed.keep(~is_stranger)
