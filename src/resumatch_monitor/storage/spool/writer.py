"""The end of a spool where records come in: one thread writes and syncs them in groups."""

import asyncio
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from resumatch_monitor.kit.spool import FullReason, SpoolFullError
from resumatch_monitor.storage.spool.metrics import SpoolMetrics
from resumatch_monitor.storage.spool.records import HEADER_BYTES, encode_header
from resumatch_monitor.storage.spool.segments import segment_path, sync_directory
from resumatch_monitor.storage.spool.state import Append, Call, SpoolLimits, State
from resumatch_monitor.storage.spool.waiting import resolve

logger = logging.getLogger(__name__)

_MIB = 1024 * 1024
_GROUP_MAX_BYTES = 8 * _MIB
_GROUP_MAX_RECORDS = 1024


class GroupWriter:
    """Appends records to the newest segment; those that wait together share one fdatasync."""

    def __init__(
        self,
        directory: Path,
        *,
        state: State,
        limits: SpoolLimits,
        metrics: SpoolMetrics,
        free_bytes: Callable[[Path], int],
    ) -> None:
        self._directory = directory
        self._state = state
        self._limits = limits
        self._metrics = metrics
        self._free_bytes = free_bytes
        self._queue: queue.SimpleQueue[Append | Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Of the segment that is being written: its number and its descriptor.
        self._active: tuple[int, int] | None = None
        self._active_size = 0
        self.next_segment = 1

    def start(self, next_segment: int) -> None:
        """Start the thread, whose first segment is `next_segment`."""
        self.next_segment = next_segment
        self._thread = threading.Thread(target=self._run, name="spool-write", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, then end the thread and close its segment."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self.seal()

    async def append(self, payload: bytes) -> None:
        """Keep `payload`; it is on the disk when this returns.

        Raises:
            SpoolFullError: If there is no room; nothing of it was kept.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        size = len(payload) + HEADER_BYTES
        self._reserve(size)
        self._queue.put(Append(payload, size, done))
        await done

    async def call(self, run: Callable[[], None]) -> None:
        """Let the thread do something between two groups; what it raises is raised here."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(Call(run, done))
        await done

    def seal(self) -> None:
        """Close the segment that is being written; only the thread may, or whoever ended it."""
        if self._active is not None:
            with self._state.lock:
                self._state.active = None
            os.close(self._active[1])
            self._active = None

    def _reserve(self, size: int) -> None:
        state, limits = self._state, self._limits
        with state.lock:
            used = sum(state.ends.values()) + state.queued_bytes
            if self._thread is None:
                raise SpoolFullError(FullReason.MEMORY, "the spool is not running")
            if used + size > limits.max_bytes:
                raise SpoolFullError(
                    FullReason.BYTES, f"the spool holds {used} bytes and is allowed no more"
                )
            if state.queued_bytes + size > limits.queue_max_bytes:
                raise SpoolFullError(FullReason.MEMORY, "too much waits for the disk")
            state.queued_bytes += size

    def _run(self) -> None:
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
                _carry_out(item)
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
        # Without the thread, whoever appends would wait for ever.
        except Exception as error:
            logger.exception("The spool cannot write")
            self._give_up_tail()
            failure = SpoolFullError(
                FullReason.MEMORY, f"the spool cannot write: {type(error).__name__}"
            )
        waiter = None
        with self._state.lock:
            self._state.queued_bytes -= size
            if failure is None:
                self._state.pending += len(group)
                waiter, self._state.waiter = self._state.waiter, None
        self._metrics.publish(self._state)
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
        with self._state.lock:
            self._state.ends[number] = self._active_size
        if self._active_size >= self._limits.segment_bytes:
            self.seal()

    def _open_active(self) -> tuple[int, int]:
        if self._active is None:
            number = self.next_segment
            descriptor = os.open(
                segment_path(self._directory, number),
                os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                0o600,
            )
            self.next_segment = number + 1
            self._active = (number, descriptor)
            self._active_size = 0
            with self._state.lock:
                self._state.ends[number] = 0
                self._state.active = number
            sync_directory(self._directory)
        return self._active

    def _give_up_tail(self) -> None:
        """Cut off what was not acknowledged and go on in a fresh segment.

        After a failed sync the kernel may have dropped pages, so the file is not written again.
        One with nothing acknowledged in it goes: while a disk is full, each attempt makes one.
        """
        if self._active is None:
            return
        number, descriptor = self._active
        try:
            if self._active_size:
                os.ftruncate(descriptor, self._active_size)
            else:
                segment_path(self._directory, number).unlink(missing_ok=True)
        except OSError:
            logger.warning("The spool cannot shorten its segment; its end is not read")
        if not self._active_size:
            with self._state.lock:
                self._state.ends.pop(number, None)
        try:
            self.seal()
        except OSError:
            # The descriptor is gone whatever closing it says.
            self._active = None


def _carry_out(call: Call) -> None:
    failure: Exception | None = None
    try:
        call.run()
    # Whoever asked is told; the thread must live on.
    except Exception as error:  # noqa: BLE001
        failure = error
    resolve([call.done], failure)
