"""A group of appends: written to the log together, and visible once it is durable."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    FloatArray,
    RowLayout,
    SampleBatch,
    StoreFullError,
    is_absent,
)
from resumatch_monitor.storage.tsdb.admission import Admission
from resumatch_monitor.storage.tsdb.conflicts import PushedSeries, Rejections
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A scrape: a value of each series of its layout at one time."""

    target_key: str
    layout: RowLayout
    timestamp_ms: int
    values: FloatArray
    future: "Future[None]" = field(default_factory=lambda: Future[None]())

    @property
    def size(self) -> int:
        """How many samples it has."""
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Samples with times of their own."""

    batch: SampleBatch
    future: "Future[None]" = field(default_factory=lambda: Future[None]())

    @property
    def size(self) -> int:
        """How many samples it has."""
        return len(self.batch.times)


@dataclass(slots=True, eq=False)
class Group:
    """Appends that are encoded and not durable yet, with what is to happen afterwards."""

    applies: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    outcomes: list[tuple["Future[None]", Exception | None]] = field(
        default_factory=list[tuple["Future[None]", Exception | None]]
    )
    rows: dict[str, int] = field(default_factory=dict[str, int])
    has_pushed: bool = False
    samples: int = 0

    def clear(self) -> None:
        """Begin anew: what was in it is answered."""
        self.applies.clear()
        self.outcomes.clear()
        self.rows.clear()
        self.has_pushed, self.samples = False, 0


class GroupCommit:
    """Plans appends into groups, and makes a group durable; on the appending thread alone."""

    def __init__(
        self,
        *,
        state: StoreState,
        wal: WalWriter,
        admission: Admission,
        clock: Clock,
        telemetry: StoreTelemetry,
    ) -> None:
        self._state = state
        self._wal = wal
        self._admission = admission
        self._clock = clock
        self._telemetry = telemetry
        self.refused_at: float | None = None

    def plan(self, group: Group, item: Row | Samples) -> None:
        """Encode an append into the log's buffer.

        What the group holds may have to be committed first, to be compared with.

        Raises:
            StoreFullError: If it is refused; it is not in the group.
            ValueError: If it contradicts itself; it is not in the group.
            OSError: If the log cannot be written; what the group holds is lost.
        """
        self._admission.check_room()
        if isinstance(item, Row):
            self._plan_row(group, item)
        else:
            self._plan_samples(group, item)

    def _plan_row(self, group: Group, row: Row) -> None:
        head = self._state.head
        target = head.target(row.target_key)
        ids = target.ids_of(row.layout)
        if ids is None:
            ids = self._admission.resolve(row.layout.labels)
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

    def _plan_late_row(self, group: Group, row: Row, ids: IdArray) -> None:
        """Take a row from before the target's last, after the system clock was set back."""
        present = np.flatnonzero(~is_absent(row.values)).astype(np.int32)
        times = np.full(len(present), row.timestamp_ms, dtype=np.int64)
        pushed = PushedSeries(ids[present], present, times, row.values[present])
        self._put_pushed(group, row.layout.labels, pushed)
        group.outcomes.append((row.future, None))

    def _plan_samples(self, group: Group, item: Samples) -> None:
        batch, rejections = item.batch, Rejections()
        pushed = self._admission.admit(batch, rejections)
        head = self._state.head
        is_old = pushed.times <= head.last_seen(pushed.ids)
        if is_old.any():
            if group.has_pushed:
                # What it holds has to be in the head, to be compared with.
                self.commit(group)
            pushed = self._admission.without_known(batch.labels, pushed, is_old, rejections)
        self._put_pushed(group, batch.labels, pushed)
        group.outcomes.append((item.future, rejections.to_error(self._telemetry)))

    def _put_pushed(self, group: Group, labels: Sequence[Labels], pushed: PushedSeries) -> None:
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

    def commit(self, group: Group) -> None:
        """Make a group durable, then visible, then answer; all of it fails if the disk does."""
        started = perf_counter()
        try:
            self._wal.commit()
        except OSError as error:
            self.fail(group, error)
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
        group.clear()

    def fail(self, group: Group, error: OSError) -> None:
        """Give up a group of which the log may hold a part."""
        logger.error("The write-ahead log cannot be written: %s", error)
        self.refused_at = self._clock.monotonic()
        self._wal.abandon()
        self._telemetry.refused_writes.inc(len(group.outcomes))
        for future, _ in group.outcomes:
            future.set_exception(to_full(error))
        group.clear()

    def note_refusal(self) -> None:
        """Take note that an append was refused for want of room."""
        self._telemetry.refused_writes.inc()
        self.refused_at = self._clock.monotonic()


def to_full(error: OSError) -> StoreFullError:
    """Say in the callers' terms that the disk does not take it."""
    return StoreFullError(f"the write-ahead log cannot be written: {error.strerror or error}")
