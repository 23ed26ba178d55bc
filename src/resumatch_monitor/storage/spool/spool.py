"""The durable queue: one thread appends and syncs groups, one reader consumes in order."""

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from resumatch_monitor.kit.spool import Position, SpoolBatch
from resumatch_monitor.storage.spool.consumption import Consumption
from resumatch_monitor.storage.spool.metrics import SpoolMetrics
from resumatch_monitor.storage.spool.reading import Weigh, read_segment
from resumatch_monitor.storage.spool.recovery import recover
from resumatch_monitor.storage.spool.state import SpoolLimits, State
from resumatch_monitor.storage.spool.writer import GroupWriter

logger = logging.getLogger(__name__)


class Spool:
    """Keeps records in append-only segments until their reader has processed them.

    Appends that wait at the same moment are written together and share one fdatasync. The spool
    locks its directory: two processes cannot share one.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limits: SpoolLimits,
        metrics: SpoolMetrics,
        free_bytes: "Callable[[Path], int] | None" = None,
    ) -> None:
        self._directory = directory
        self._metrics = metrics
        self._state = State()
        self._writer = GroupWriter(
            directory,
            state=self._state,
            limits=limits,
            metrics=metrics,
            free_bytes=free_bytes or _free_bytes,
        )
        self._consumption = Consumption(directory, state=self._state, metrics=metrics)
        self._directory_lock: int | None = None

    def start(self) -> None:
        """Open the directory, mend what a crash left, count what waits, start the writer.

        Raises:
            BlockingIOError: If another process uses the directory.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory_lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._directory_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = recover(self._directory, self._consumption.open())
        self._state.ends, self._state.pending = found.ends, found.pending
        self._metrics.publish(self._state)
        self._writer.start(found.next_segment)

    def stop(self) -> None:
        """Write what is queued, then close."""
        self._writer.stop()
        self._consumption.close()
        if self._directory_lock is not None:
            os.close(self._directory_lock)
            self._directory_lock = None

    @property
    def pending(self) -> int:
        """How many records are durable and not yet committed."""
        return self._state.pending

    @property
    def size_bytes(self) -> int:
        """How long the segments are together."""
        return self._state.size_bytes

    @property
    def position(self) -> Position:
        """Where the oldest record that is not committed lies."""
        return self._consumption.position

    @property
    def end(self) -> Position:
        """Where the next record will lie: once `position` is there, all these are processed."""
        with self._state.lock:
            if not self._state.ends:
                return Position(0, 0)
            last = max(self._state.ends)
            return Position(last, self._state.ends[last])

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If there is no room, or the disk fails; nothing of it was kept.
        """
        await self._writer.append(payload)

    async def wait_for_records(self, *, after: Position | None = None) -> None:
        """Return as soon as there is a record that has not been committed, or lies `after`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._state.lock:
            if self._state.pending if after is None else self._state.has_more(after):
                return
            self._state.waiter = future
        await future

    async def read_batch(
        self,
        max_records: int,
        max_bytes: int,
        *,
        after: Position | None = None,
        until: Position | None = None,
        weigh: Weigh | None = None,
    ) -> SpoolBatch:
        """Return the oldest uncommitted records: at least one, if there is any.

        Args:
            max_records: How many at most.
            max_bytes: How many bytes they may have together, or how much by `weigh`.
            after: Leave out what lies before; a reader that reads ahead passes the end of the
                batch before.
            until: A place where the batch ends at the latest, if it begins before it.
            weigh: What a record counts, instead of its bytes.
        """
        position = self.position if after is None else max(self.position, after)
        read = partial(read_segment, max_records=max_records, max_bytes=max_bytes, weigh=weigh)
        return await asyncio.to_thread(self._consumption.read_batch, position, until, read)

    async def commit(self, batch: SpoolBatch) -> None:
        """Note durably that `batch` has been processed; delete segments that are consumed."""
        await asyncio.to_thread(self._consumption.commit, batch)

    async def drop_consumed(self) -> None:
        """Delete what has been processed from the disk, if everything has been."""
        await self._writer.call(self._drop_consumed)

    async def drop_oldest(self, *, after: Position) -> Sequence[bytes]:
        """Give up the oldest segment to make room; return its records that lie `after`."""
        dropped: list[bytes] = []
        await self._writer.call(lambda: dropped.extend(self._drop_oldest(after)))
        return dropped

    # What follows runs on the writing thread: nothing is written to what it deletes.

    def _drop_consumed(self) -> None:
        try:
            if not self._state.pending and self._state.size_bytes:
                self._writer.seal()
                self._consumption.skip_to(self._writer.next_segment)
        except OSError:
            logger.warning("The spool cannot delete what is consumed", exc_info=True)

    def _drop_oldest(self, after: Position) -> Sequence[bytes]:
        try:
            return self._consumption.give_up_oldest(after, seal=self._seal)
        except OSError:
            logger.warning("The spool cannot delete its oldest segment", exc_info=True)
            return ()

    def _seal(self, number: int) -> None:
        if self._state.active == number:
            self._writer.seal()


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
