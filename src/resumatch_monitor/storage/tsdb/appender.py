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
    FloatArray,
    RowLayout,
    StoreFullError,
    TimeArray,
    is_absent,
)
from resumatch_monitor.storage.tsdb.conflicts import Rejections, leave_out_known, put_in_order
from resumatch_monitor.storage.tsdb.disk import Disk
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.state import StoreState, existing_samples
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)

_MOST_PENDING_SAMPLES = 8_000_000
_LARGEST_GROUP_SAMPLES = 2_000_000
_FURTHEST_AHEAD_MS = 10 * 60 * 1000


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
    series: Sequence[tuple[Labels, TimeArray, FloatArray]]
    future: "Future[None]" = field(default_factory=lambda: Future[None]())

    @property
    def size(self) -> int:
        return sum(len(times) for _, times, _ in self.series)


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
    ragged: set[int] = field(default_factory=set[int])
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

    def submit_samples(
        self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]
    ) -> "Future[None]":
        """Queue samples with their own times."""
        for labels, times, values in series:
            if times.shape != values.shape or times.ndim != 1:
                raise ValueError(f"{times.shape} times and {values.shape} values of {labels!r}")
        return self._submit(_Samples(series)).future

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
            if len(np.unique(ids)) != len(ids):
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
        present = np.flatnonzero(~is_absent(row.values))
        times = np.array([row.timestamp_ms], dtype=np.int64)
        series = [
            (int(ids[each]), row.layout.labels[each], times, row.values[each : each + 1].copy())
            for each in present
        ]
        self._put_ragged(group, series)
        group.outcomes.append((row.future, None))

    def _plan_samples(self, group: _Group, item: _Samples) -> _Group:
        """Take samples with times of their own.

        Returns:
            The group to go on with: a fresh one if samples of the same series were in this one,
            since they must be in the head to be compared with.
        """
        ids = self._resolve([labels for labels, _, _ in item.series])
        numbers: list[int] = ids.tolist()
        if not group.ragged.isdisjoint(numbers):
            self._commit(group)
            group = _Group()
        rejections = Rejections()
        now_ms = to_milliseconds(self._clock.now())
        oldest_ms = now_ms - self._limits.retention_ms
        merged: dict[int, tuple[Labels, TimeArray, FloatArray]] = {}
        for number, (labels, times, values) in zip(numbers, item.series, strict=True):
            if number in merged:
                _, earlier_times, earlier_values = merged[number]
                times = np.concatenate((earlier_times, times))
                values = np.concatenate((earlier_values, values))
            merged[number] = (labels, times, values)
        checked: list[tuple[int, Labels, TimeArray, FloatArray]] = []
        for number, (labels, times, values) in merged.items():
            times, values = put_in_order(labels, times, values, rejections)
            kept = (times >= oldest_ms) & (times <= now_ms + _FURTHEST_AHEAD_MS)
            if not kept.all():
                rejections.add(labels, times[times < oldest_ms], "too_old")
                rejections.add(labels, times[times > now_ms + _FURTHEST_AHEAD_MS], "too_new")
                times, values = times[kept], values[kept]
            if len(times):
                checked.append((number, labels, times, values))
        self._put_ragged(group, self._without_known(checked, rejections))
        group.outcomes.append((item.future, rejections.to_error(self._telemetry)))
        return group

    def _put_ragged(
        self, group: _Group, series: list[tuple[int, Labels, TimeArray, FloatArray]]
    ) -> None:
        if not series:
            return
        head = self._state.head
        self._wal.put_samples(series)

        def apply() -> None:
            for number, _, times, values in series:
                head.append_ragged(number, times, values)

        group.applies.append(apply)
        group.ragged.update(number for number, _, _, _ in series)
        group.samples += sum(len(times) for _, _, times, _ in series)

    def _without_known(
        self,
        series: list[tuple[int, Labels, TimeArray, FloatArray]],
        rejections: "Rejections",
    ) -> list[tuple[int, Labels, TimeArray, FloatArray]]:
        """Leave out samples that the store has; those that it has otherwise are rejected."""
        head = self._state.head
        old = [each for each in series if each[2][0] <= head.last_seen(each[0])]
        if not old:
            return series
        ids = np.array(sorted(number for number, _, _, _ in old), dtype=np.int32)
        first = min(int(times[0]) for _, _, times, _ in old)
        last = max(int(times[-1]) for _, _, times, _ in old)
        existing = existing_samples(self._state.read(ids, first, last))
        fresh: list[tuple[int, Labels, TimeArray, FloatArray]] = []
        for number, labels, times, values in series:
            known = existing.get(number)
            if known is not None:
                times, values = leave_out_known(labels, times, values, known, rejections)
            if len(times):
                fresh.append((number, labels, times, values))
        return fresh

    def _resolve(self, labels: Sequence[Labels]) -> IdArray:
        index = self._state.index
        room = self._limits.max_series - len(index)
        if room < len(labels):
            missing = sum(index.find(each) is None for each in labels)
            if missing > room:
                raise StoreFullError(
                    f"{missing} further series would exceed the {self._limits.max_series} allowed"
                )
        return np.fromiter((index.add(each) for each in labels), np.int32, len(labels))

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
