"""The durable queue: one thread appends and syncs groups, one reader consumes in order."""

import asyncio
import fcntl
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from resumatch_monitor.kit.spool import FullReason, Position, SpoolBatch, SpoolFullError
from resumatch_monitor.storage.spool.metrics import SpoolMetrics
from resumatch_monitor.storage.spool.reading import Weigh, read_segment
from resumatch_monitor.storage.spool.records import HEADER_BYTES, encode_header
from resumatch_monitor.storage.spool.segments import (
    PositionFile,
    count_records,
    cut_torn_tail,
    list_segments,
    segment_path,
    sync_directory,
)
from resumatch_monitor.storage.spool.state import Append, Call, SpoolLimits, State
from resumatch_monitor.storage.spool.waiting import resolve

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024
_GROUP_MAX_BYTES = 8 * _MIB
_GROUP_MAX_RECORDS = 1024


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
        self._limits = limits
        self._metrics = metrics
        self._free_bytes = free_bytes or _free_bytes
        self._lock = threading.Lock()
        # Held while the position moves: the reader and the writing thread both move it.
        self._moving = threading.Lock()
        self._state = State()
        self._queue: queue.SimpleQueue[Append | Call | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._position_file: PositionFile | None = None
        self._directory_lock: int | None = None
        self._next_segment = 1
        self._active: tuple[int, int] | None = None
        self._active_size = 0

    def start(self) -> None:
        """Open the directory, mend what a crash left, count what waits, start the writer.

        Raises:
            BlockingIOError: If another process uses the directory.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory_lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._directory_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._position_file = PositionFile(self._directory / "position")
        self._recover(self._position_file.position)
        self._writer = threading.Thread(target=self._write_loop, name="spool-write", daemon=True)
        self._writer.start()

    def stop(self) -> None:
        """Write what is queued, then close."""
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        self._close_active()
        if self._position_file is not None:
            self._position_file.close()
            self._position_file = None
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
        with self._lock:
            return sum(self._state.ends.values())

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If there is no room; nothing of it was kept.
            OSError: If the disk fails in another way.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reserve(len(payload) + HEADER_BYTES)
        self._queue.put(Append(payload, len(payload) + HEADER_BYTES, done))
        await done

    @property
    def position(self) -> Position:
        """Where the oldest record that is not committed lies."""
        assert self._position_file is not None
        return self._position_file.position

    async def wait_for_records(self, *, after: Position | None = None) -> None:
        """Return as soon as there is a record that has not been committed, or lies `after`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._state.pending if after is None else self._has_more(after):
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
        return await asyncio.to_thread(self._read_batch, position, until, read)

    async def commit(self, batch: SpoolBatch) -> None:
        """Note durably that `batch` has been processed; delete segments that are consumed."""
        await asyncio.to_thread(self._commit, batch)

    async def drop_consumed(self) -> None:
        """Delete what has been processed from the disk, if everything has been."""
        await self._call(self._drop_consumed)

    async def drop_oldest(self, *, after: Position) -> Sequence[bytes]:
        """Give up the oldest segment to make room; return its records that lie `after`."""
        dropped: list[bytes] = []
        await self._call(lambda: dropped.extend(self._drop_oldest(after)))
        return dropped

    async def _call(self, run: Callable[[], None]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(Call(run, done))
        await done

    def _has_more(self, after: Position) -> bool:
        return any(
            end > (after.offset if number == after.segment else 0)
            for number, end in self._state.ends.items()
            if number >= after.segment
        )

    def _recover(self, position: Position) -> None:
        ends = list_segments(self._directory)
        if ends:
            newest = max(ends)
            ends[newest] = cut_torn_tail(segment_path(self._directory, newest), ends[newest])
        for number in [each for each in ends if each < position.segment]:
            segment_path(self._directory, number).unlink()
            del ends[number]
        self._next_segment = max([position.segment, *(number + 1 for number in ends)], default=1)
        self._next_segment = max(self._next_segment, 1)
        self._state.ends = ends
        self._state.pending = sum(
            count_records(
                segment_path(self._directory, number),
                start=position.offset if number == position.segment else 0,
                size=size,
            )
            for number, size in ends.items()
        )
        self._publish()

    def _reserve(self, size: int) -> None:
        with self._lock:
            used = sum(self._state.ends.values()) + self._state.queued_bytes
            if self._writer is None:
                raise SpoolFullError(FullReason.MEMORY, "the spool is not running")
            if used + size > self._limits.max_bytes:
                raise SpoolFullError(
                    FullReason.BYTES, f"the spool holds {used} bytes and is allowed no more"
                )
            if self._state.queued_bytes + size > self._limits.queue_max_bytes:
                raise SpoolFullError(FullReason.MEMORY, "too much waits for the disk")
            self._state.queued_bytes += size

    def _write_loop(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            group: list[Append] = []
            group_bytes = 0
            while isinstance(item, Append):
                group.append(item)
                group_bytes += item.size
                if group_bytes >= _GROUP_MAX_BYTES or len(group) >= _GROUP_MAX_RECORDS:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._write_group(group, group_bytes)
            if isinstance(item, Call):
                item.run()
                resolve([item.done])
            if item is None:
                return

    def _write_group(self, group: Sequence[Append], size: int) -> None:
        failure: Exception | None = None
        try:
            self._write_durably(group, size)
        except SpoolFullError as error:
            failure = error
        except OSError as error:
            logger.warning("The spool cannot write: %s", error)
            self._give_up_tail()
            failure = SpoolFullError(FullReason.DISK, f"the disk does not take it: {error}")
        waiter = None
        with self._lock:
            self._state.queued_bytes -= size
            if failure is None:
                self._state.pending += len(group)
                waiter, self._state.waiter = self._state.waiter, None
        self._publish()
        resolve((each.done for each in group), failure)
        if waiter is not None:
            resolve([waiter])

    def _write_durably(self, group: Sequence[Append], size: int) -> None:
        if self._limits.min_free_bytes:
            free = self._free_bytes(self._directory)
            if free - size < self._limits.min_free_bytes:
                raise SpoolFullError(FullReason.DISK, f"only {free} bytes of disk are free")
        number, descriptor = self._open_active()
        parts: list[bytes] = []
        for each in group:
            parts += (encode_header(each.payload), each.payload)
        rest = memoryview(b"".join(parts))
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        with self._metrics.sync_seconds.time():
            os.fdatasync(descriptor)
        self._active_size += size
        with self._lock:
            self._state.ends[number] = self._active_size
        if self._active_size >= self._limits.segment_bytes:
            self._close_active()

    def _open_active(self) -> tuple[int, int]:
        if self._active is None:
            number = self._next_segment
            descriptor = os.open(
                segment_path(self._directory, number),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                0o600,
            )
            self._next_segment = number + 1
            self._active = (number, descriptor)
            self._active_size = 0
            with self._lock:
                self._state.ends[number] = 0
                self._state.active = number
            sync_directory(self._directory)
        return self._active

    def _close_active(self) -> None:
        if self._active is not None:
            with self._lock:
                self._state.active = None
            os.close(self._active[1])
            self._active = None

    def _give_up_tail(self) -> None:
        """Cut off what was not acknowledged and go on in a fresh segment.

        After a failed sync the kernel may have dropped pages, so the file is not written again.
        """
        if self._active is None:
            return
        try:
            os.ftruncate(self._active[1], self._active_size)
        except OSError:
            logger.warning("The spool cannot shorten its segment; its end is not read")
        self._close_active()

    def _drop_consumed(self) -> None:
        try:
            if not self._state.pending and any(self._state.ends.values()):
                self._close_active()
                with self._moving:
                    self._move_to(Position(self._next_segment, 0))
        except OSError:
            logger.warning("The spool cannot delete what is consumed", exc_info=True)

    def _drop_oldest(self, after: Position) -> Sequence[bytes]:
        try:
            oldest = min((each for each, end in self._state.ends.items() if end), default=None)
            if oldest is None:
                return ()
            if self._active is not None and self._active[0] == oldest:
                self._close_active()
            with self._moving:
                end = self._state.ends[oldest]
                start = max(self.position, Position(oldest, 0))
                whole = read_segment(self._directory, start, end) if start.offset < end else None
                kept = max(start, after)
                lost = (
                    read_segment(self._directory, kept, end).records
                    if kept.segment == oldest and kept.offset < end
                    else ()
                )
                self._move_to(Position(oldest + 1, 0))
                with self._lock:
                    self._state.pending -= whole.count if whole is not None else 0
        except OSError:
            logger.warning("The spool cannot delete its oldest segment", exc_info=True)
            return ()
        self._publish()
        return lost

    def _move_to(self, position: Position) -> None:
        assert self._position_file is not None
        self._position_file.write(position)
        with self._lock:
            consumed = [each for each in self._state.ends if each < position.segment]
            for number in consumed:
                del self._state.ends[number]
        for number in consumed:
            segment_path(self._directory, number).unlink(missing_ok=True)
        self._publish()

    def _read_batch(
        self, position: Position, until: Position | None, read: Callable[..., SpoolBatch]
    ) -> SpoolBatch:
        with self._lock:
            ends = {n: end for n, end in self._state.ends.items() if n >= position.segment}
        for number, end in ends.items():
            start = position.offset if number == position.segment else 0
            if start >= end:
                continue
            if until is not None and until.segment == number and until.offset > start:
                end = min(end, until.offset)
            try:
                batch = read(self._directory, Position(number, start), end)
            except FileNotFoundError:
                # Given up as the oldest a moment ago.
                continue
            self._tell_damage(batch)
            return batch
        return SpoolBatch((), position, 0, 0)

    def _tell_damage(self, batch: SpoolBatch) -> None:
        if batch.corrupt:
            self._metrics.corrupt.inc(batch.corrupt)
            logger.error(
                "Segment %d of the spool is damaged; %d stretches are skipped",
                batch.end.segment,
                batch.corrupt,
            )

    def _commit(self, batch: SpoolBatch) -> None:
        end = batch.end
        with self._moving:
            if end <= self.position:
                # Its segment was given up meanwhile.
                return
            with self._lock:
                is_sealed = end.segment in self._state.ends and end.segment != self._state.active
                if is_sealed and end.offset >= self._state.ends[end.segment]:
                    end = Position(end.segment + 1, 0)
            self._move_to(end)
            with self._lock:
                self._state.pending -= batch.count
        self._publish()

    def _publish(self) -> None:
        self._metrics.pending.set(self._state.pending)
        self._metrics.size_bytes.set(self.size_bytes)


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
