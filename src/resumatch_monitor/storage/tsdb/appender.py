"""The one thread that appends, group by group."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.samples import FloatArray, RowLayout, SampleBatch, StoreFullError
from resumatch_monitor.storage.tsdb.admission import Admission, AppendLimits
from resumatch_monitor.storage.tsdb.disk import Disk
from resumatch_monitor.storage.tsdb.group_commit import (
    Group,
    GroupCommit,
    Row,
    Samples,
    to_full,
)
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)

_MOST_PENDING_SAMPLES = 8_000_000
_LARGEST_GROUP_SAMPLES = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    run: Callable[[], Any]
    future: "Future[Any]" = field(default_factory=lambda: Future[Any]())
    size: int = 0


_Item = Row | Samples | _Call


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
        self._wal = wal
        self._telemetry = telemetry
        self._groups = GroupCommit(
            state=state,
            wal=wal,
            admission=Admission(folder=folder, state=state, disk=disk, clock=clock, limits=limits),
            clock=clock,
            telemetry=telemetry,
        )
        self._queue: deque[_Item] = deque()
        self._pending = 0
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="tsdb-appender", daemon=True)

    @property
    def refused_at(self) -> float | None:
        """When, in monotonic seconds, an append was refused last; None if never."""
        return self._groups.refused_at

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
        return self._submit(Row(target_key, layout, timestamp_ms, values)).future

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
        return self._submit(Samples(batch)).future

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
        group = Group()
        for item in items:
            if not item.future.set_running_or_notify_cancel():
                continue
            if isinstance(item, _Call):
                _answer(item)
                continue
            try:
                self._groups.plan(group, item)
            except OSError as error:
                self._groups.fail(group, error)
                item.future.set_exception(to_full(error))
            # The caller is told whatever went wrong; the thread must live on.
            except Exception as error:  # noqa: BLE001
                if isinstance(error, StoreFullError):
                    self._groups.note_refusal()
                item.future.set_exception(error)
        self._groups.commit(group)


def _answer(call: _Call) -> None:
    try:
        result = call.run()
    # Handed to whoever asked.
    except Exception as error:  # noqa: BLE001
        call.future.set_exception(error)
    else:
        call.future.set_result(result)
