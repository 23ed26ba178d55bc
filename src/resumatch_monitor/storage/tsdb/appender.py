"""The one thread that appends: group commit to the log, then into the head."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    BoolArray,
    FloatArray,
    RowLayout,
    SampleBatch,
    StoreFullError,
    is_absent,
)
from resumatch_monitor.storage.tsdb.conflicts import (
    PushedSeries,
    Rejections,
    leave_out_known,
    put_in_order,
)
from resumatch_monitor.storage.tsdb.disk import Disk
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)

_MOST_PENDING_SAMPLES = 8_000_000
_LARGEST_GROUP_SAMPLES = 2_000_000
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


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    target_key: str
    layout: RowLayout
    timestamp_ms: int
    values: FloatArray
    future: "Future[None]" = field(default_factory=lambda: Future[None]())

    @property
    def size(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    batch: SampleBatch
    future: "Future[None]" = field(default_factory=lambda: Future[None]())

    @property
    def size(self) -> int:
        return len(self.batch.times)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    run: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=lambda: Future[Any]())
    size: int = 0


_Item = _Row | _Samples | _Call


@dataclass(slots=True, eq=False)
class _Group:
    """Appends that are encoded and not durable yet, with what is to happen afterwards."""

    applies: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    outcomes: list[tuple["Future[None]", Exception | None]] = field(
        default_factory=list[tuple["Future[None]", Exception | None]]
    )
    rows: dict[str, int] = field(default_factory=dict[str, int])
    has_pushed: bool = False
    samples: int = 0


class Appender:
    """Makes appends durable in groups and visible afterwards, on a thread of its own."""

    def __init__(
        self,
        *,
        folder: Path,
        state: StoreState,
        wal: WalWriter,
        disk: Disk,
        clock: Clock,
        telemetry: StoreTelemetry,
        limits: AppendLimits,
    ) -> None:
        self._folder = folder
        self._state = state
        self._wal = wal
        self._disk = disk
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits
        self._queue: deque[_Item] = deque()
        self._pending = 0
        self._is_closing = False
        self.refused_at: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tsdb-appender", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then end the thread and close the log."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        self._wal.close()

    def submit_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> "Future[None]":
        """Queue a row."""
        if values.shape != (len(layout.labels),):
            raise ValueError(f"{values.shape} values for {len(layout.labels)} series")
        return self._submit(_Row(target_key, layout, timestamp_ms, values)).future

    def submit_batch(self, batch: SampleBatch) -> "Future[None]":
        """Queue samples with their own times."""
        count = len(batch.times)
        if (
            batch.values.shape != (count,)
            or batch.offsets.shape != (len(batch.labels) + 1,)
            or batch.offsets[0] != 0
            or batch.offsets[-1] != count
        ):
            raise ValueError("the columns of a batch do not fit each other")
        return self._submit(_Samples(batch)).future

    def call(self, run: Callable[[], Any]) -> "Future[Any]":
        """Run something between two groups on the appending thread."""
        return self._submit(_Call(run)).future

    def _submit(self, item: Any) -> Any:
        with self._changed:
            if self._is_closing:
                raise RuntimeError("the store is closed")
            if self._pending + item.size > _MOST_PENDING_SAMPLES and self._pending:
                self._telemetry.refused_writes.inc()
                raise StoreFullError(f"{self._pending} samples already wait to be written")
            self._pending += item.size
            self._telemetry.queue_samples.set(self._pending)
            self._queue.append(item)
            self._changed.notify()
        return item

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._is_closing:
                    self._changed.wait()
                if not self._queue:
                    return
                items = self._take()
            self._process_safely(items)
            with self._changed:
                self._pending -= sum(item.size for item in items)
                self._telemetry.queue_samples.set(self._pending)
            # What was done may hold a whole cut of the head, and the next item may take its time.
            del items

    def _process_safely(self, items: list[_Item]) -> None:
        try:
            self._process(items)
        # Every caller gets an answer, and the next append a thread to run on.
        except Exception as error:
            logger.exception("A group of appends failed")
            self._wal.abandon()
            for item in items:
                if item.future.running():
                    item.future.set_exception(error)

    def _take(self) -> list[_Item]:
        items = [self._queue.popleft()]
        size = items[0].size
        while self._queue and not isinstance(items[-1], _Call):
            following = self._queue[0]
            size += following.size
            if isinstance(following, _Call) or size > _LARGEST_GROUP_SAMPLES:
                break
            items.append(self._queue.popleft())
        return items

    def _process(self, items: list[_Item]) -> None:
        group = _Group()
        for item in items:
            if not item.future.set_running_or_notify_cancel():
                continue
            if isinstance(item, _Call):
                _answer(item)
                continue
            try:
                self._check_room()
                if isinstance(item, _Row):
                    self._plan_row(group, item)
                else:
                    group = self._plan_samples(group, item)
            except OSError as error:
                self._fail(group, error)
                group = _Group()
                item.future.set_exception(_to_full(error))
            # The caller is told whatever went wrong; the thread must live on.
            except Exception as error:  # noqa: BLE001
                if isinstance(error, StoreFullError):
                    self._telemetry.refused_writes.inc()
                    self.refused_at = self._clock.monotonic()
                item.future.set_exception(error)
        self._commit(group)

    def _check_room(self) -> None:
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

    def _plan_row(self, group: _Group, row: _Row) -> None:
        head = self._state.head
        target = head.target(row.target_key)
        ids = target.ids_of(row.layout)
        if ids is None:
            ids = self._resolve(row.layout.labels)
            if len(distinct(ids)) != len(ids):
                raise ValueError(f"a row of {row.target_key} names a series twice")
            target.remember(row.layout, ids)
        last_ms = max(target.last_ms, group.rows.get(row.target_key, target.last_ms))
        if row.timestamp_ms <= last_ms:
            self._plan_late_row(group, row, ids)
            return
        values = row.values.copy()
        self._wal.put_row(row.target_key, row.layout, ids, row.timestamp_ms, values)
        group.rows[row.target_key] = row.timestamp_ms
        group.applies.append(
            lambda: head.append_row(row.target_key, row.layout, ids, row.timestamp_ms, values)
        )
        group.samples += len(values)
        group.outcomes.append((row.future, None))

    def _plan_late_row(self, group: _Group, row: _Row, ids: IdArray) -> None:
        """Take a row from before the target's last, after the system clock was set back."""
        present = np.flatnonzero(~is_absent(row.values)).astype(np.int32)
        times = np.full(len(present), row.timestamp_ms, dtype=np.int64)
        pushed = PushedSeries(ids[present], present, times, row.values[present])
        self._put_pushed(group, row.layout.labels, pushed)
        group.outcomes.append((row.future, None))

    def _plan_samples(self, group: _Group, item: _Samples) -> _Group:
        """Take samples with times of their own.

        Returns:
            The group to go on with: a fresh one if what was in this one had to be in the head, to
            be compared with.
        """
        batch, rejections = item.batch, Rejections()
        pushed = put_in_order(batch, self._resolve_some(batch.labels), rejections)
        pushed = _without_strangers(batch.labels, pushed, rejections)
        pushed = self._within_time(batch.labels, pushed, rejections)
        head = self._state.head
        is_old = pushed.times <= head.last_seen(pushed.ids)
        if is_old.any():
            if group.has_pushed:
                self._commit(group)
                group = _Group()
            pushed = self._without_known(batch.labels, pushed, is_old, rejections)
        self._put_pushed(group, batch.labels, pushed)
        group.outcomes.append((item.future, rejections.to_error(self._telemetry)))
        return group

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

    def _without_known(
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

    def _put_pushed(self, group: _Group, labels: Sequence[Labels], pushed: PushedSeries) -> None:
        if not len(pushed.ids):
            return
        head = self._state.head
        begins = np.flatnonzero(np.diff(pushed.positions, prepend=-1))
        counts = np.diff(begins, append=len(pushed.ids)).astype(np.uint32)
        positions: list[int] = pushed.positions[begins].tolist()
        named = [labels[each] for each in positions]
        self._wal.put_samples(pushed.ids[begins], named, counts, pushed.times, pushed.values)
        # At once, so that the next item of the group is compared with this one.
        head.note_each_seen(pushed.ids, pushed.times)
        group.applies.append(lambda: head.append_pushed(pushed.ids, pushed.times, pushed.values))
        group.has_pushed = True
        group.samples += len(pushed.ids)

    def _resolve(self, labels: Sequence[Labels]) -> IdArray:
        index = self._state.index
        room = self._limits.max_series - len(index)
        if room < len(labels):
            missing = sum(index.find(each) is None for each in labels)
            if missing > room:
                raise StoreFullError(
                    f"{missing} further series would exceed the {self._limits.max_series} allowed"
                )
        return index.resolve(labels)

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

    def _commit(self, group: _Group) -> None:
        started = perf_counter()
        try:
            self._wal.commit()
        except OSError as error:
            self._fail(group, error)
            return
        if group.applies:
            self._telemetry.fsync_seconds.observe(perf_counter() - started)
        for apply in group.applies:
            apply()
        self._telemetry.appended.inc(group.samples)
        self._telemetry.wal_bytes.set(self._wal.size_bytes)
        for future, error in group.outcomes:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _fail(self, group: _Group, error: OSError) -> None:
        logger.error("The write-ahead log cannot be written: %s", error)
        self.refused_at = self._clock.monotonic()
        self._wal.abandon()
        self._telemetry.refused_writes.inc(len(group.outcomes))
        for future, _ in group.outcomes:
            future.set_exception(_to_full(error))


def _without_strangers(
    labels: Sequence[Labels], pushed: PushedSeries, rejections: Rejections
) -> PushedSeries:
    """Leave out the series that have no id and get none."""
    is_stranger = pushed.ids < 0
    if not is_stranger.any():
        return pushed
    rejections.add_each(labels, pushed.keep(is_stranger), "series_limit")
    return pushed.keep(~is_stranger)


def _to_full(error: OSError) -> StoreFullError:
    return StoreFullError(f"the write-ahead log cannot be written: {error.strerror or error}")


def _answer(call: _Call) -> None:
    try:
        result = call.run()
    # Handed to whoever asked.
    except Exception as error:  # noqa: BLE001
        call.future.set_exception(error)
    else:
        call.future.set_result(result)
