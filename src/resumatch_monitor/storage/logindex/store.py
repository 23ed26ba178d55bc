"""The store of logs: partitions in order of arrival, one thread that writes, several that read."""

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.spool import Position
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import (
    Count,
    FieldStatistics,
    HistogramBucket,
    LogPage,
    LogQuery,
    LogsUnavailableError,
    StoredRecord,
    TopValues,
)
from resumatch_monitor.storage.logindex.counting import LogCounting
from resumatch_monitor.storage.logindex.duplicates import drop_duplicates
from resumatch_monitor.storage.logindex.frames import FrameError, read_layout
from resumatch_monitor.storage.logindex.partition import RECORDS_FILE, Partition, Seal
from resumatch_monitor.storage.logindex.records import RecordReader
from resumatch_monitor.storage.logindex.recovery import recover_latest, recover_sealed
from resumatch_monitor.storage.logindex.sealing import repack
from resumatch_monitor.storage.logindex.searching import LogSearch
from resumatch_monitor.storage.logindex.writer import PartitionWriter, create_partition

logger = logging.getLogger(__name__)

T = TypeVar("T")

_READERS = 4
_PARTITION_ROWS = 1_000_000
_PARTITION_RAW_BYTES = 768 * 1024 * 1024
_PARTITION_US = 86_400_000_000
"""How long a partition takes records in, so that expired ones go in time."""


class TantivyLogStore:
    """A `LogStore` and `LogReader`: `open`, then use, then `close`."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        min_free_bytes: int,
        partition_rows: int = _PARTITION_ROWS,
        partition_raw_bytes: int = _PARTITION_RAW_BYTES,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        """Build it.

        Args:
            folder: Where the partitions are.
            clock: When a search has taken too long.
            min_free_bytes: Nothing is stored when less of the disk is free.
            partition_rows: How many records a partition has at most.
            partition_raw_bytes: How long they are together at most, before they are compressed.
            free_bytes: Tells how much of the disk is free.
        """
        self._folder = folder
        self._clock = clock
        self._min_free_bytes = min_free_bytes
        self._partition_rows = partition_rows
        self._partition_raw_bytes = partition_raw_bytes
        self._free_bytes = free_bytes or _free_bytes
        self._lock = threading.Lock()
        self._partitions: dict[int, Partition] = {}
        self._writer: PartitionWriter | None = None
        self._position: Position | None = None
        self._dictionary: bytes | None = None
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="logs-write")
        self._seal_thread = ThreadPoolExecutor(1, thread_name_prefix="logs-seal")
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="logs-read")
        self._search = LogSearch(self.partitions, monotonic=clock.monotonic)
        self._counting = LogCounting(self.partitions, monotonic=clock.monotonic)

    def open(self) -> None:
        """Find the partitions, mend the latest, and open it; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        numbers: list[int] = []
        for path in sorted(self._folder.iterdir()):
            if path.name.endswith((".new", ".dropped")):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.isdigit():
                numbers.append(int(path.name))
        for number in sorted(numbers):
            self._open_partition(number, is_latest=number == max(numbers))

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        self._write_thread.shutdown()
        self._seal_thread.shutdown()
        self._read_threads.shutdown()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for each in self.partitions():
            each.close()

    def partitions(self) -> list[Partition]:
        """Return all partitions, the oldest first."""
        with self._lock:
            return [self._partitions[number] for number in sorted(self._partitions)]

    def position(self) -> Position | None:
        """See `LogStore`."""
        return self._position

    async def append(self, records: Sequence[LogRecord], *, until: Position) -> int:
        """See `LogStore`."""
        return await self._write(partial(self._append, records, until))

    async def expire(self, before: datetime) -> int:
        """See `LogKeeper`."""
        before_us = to_milliseconds(before) * 1000
        return await self._write(partial(self._drop_while, lambda each: each.last_us < before_us))

    async def fit(self, max_bytes: int) -> int:
        """See `LogKeeper`."""
        return await self._write(partial(self._fit, max_bytes))

    def size_bytes(self) -> int:
        """See `LogKeeper`."""
        return sum(each.size_bytes() for each in self.partitions())

    async def search(
        self,
        query: LogQuery,
        *,
        limit: int,
        after: int | None = None,
        is_newest_first: bool = True,
    ) -> LogPage:
        """See `LogReader`."""
        return await self._read(
            partial(
                self._search.search,
                query,
                limit=limit,
                after=after,
                is_newest_first=is_newest_first,
            )
        )

    async def count(self, query: LogQuery) -> Count:
        """See `LogReader`."""
        return await self._read(partial(self._counting.count, query))

    async def histogram(self, query: LogQuery, *, step_us: int) -> Sequence[HistogramBucket]:
        """See `LogReader`."""
        return await self._read(partial(self._counting.histogram, query, step_us=step_us))

    async def top_values(self, query: LogQuery, field_name: str, *, limit: int) -> TopValues:
        """See `LogReader`."""
        return await self._read(partial(self._counting.top_values, query, field_name, limit=limit))

    async def statistics(self, query: LogQuery, field_name: str) -> FieldStatistics:
        """See `LogReader`."""
        return await self._read(partial(self._counting.statistics, query, field_name))

    async def find(self, seq: int) -> StoredRecord | None:
        """See `LogReader`."""
        return await self._read(partial(self._search.find, seq))

    async def _write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, work)

    def _append(self, records: Sequence[LogRecord], until: Position) -> int:
        free = self._free_bytes(self._folder)
        if free < self._min_free_bytes:
            raise LogsUnavailableError(
                f"only {free} bytes of disk are free, fewer than storage.min_free_bytes"
            )
        try:
            writer = self._find_writer()
            fresh = drop_duplicates(records, self.partitions())
            if fresh:
                writer.append(fresh, until=until)
        except BaseException as error:
            # After an error the library's writer goes on as if all were well, and keeps nothing.
            self._give_up_writer()
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise LogsUnavailableError(f"logs cannot be written: {error}") from error
        if fresh:
            self._position = until
        return len(fresh)

    def _find_writer(self) -> PartitionWriter:
        """Return what adds to the latest partition, beginning a new one if it is time to."""
        if self._writer is not None and self._is_full(self._writer):
            self._seal(self._writer)
        if self._writer is None:
            self._writer = self._begin_partition()
        return self._writer

    def _is_full(self, writer: PartitionWriter) -> bool:
        age_us = to_milliseconds(self._clock.now()) * 1000 - writer.partition.first_us
        return bool(writer.rows) and (
            writer.rows >= self._partition_rows
            or age_us >= _PARTITION_US
            or writer.partition.raw_bytes >= self._partition_raw_bytes
        )

    def _begin_partition(self) -> PartitionWriter:
        latest = max(self._partitions, default=0)
        if latest and Seal.read(self._partitions[latest].folder) is None:
            # It was given up after an error: nothing says yet where file and index agree.
            self._partitions.pop(latest).close()
            self._open_partition(latest, is_latest=True)
            if self._writer is not None:
                return self._writer
        folder = self._folder / f"{latest + 1:08d}"
        create_partition(folder, self._dictionary)
        opened = Partition(folder)
        opened.open()
        with self._lock:
            self._partitions[opened.number] = opened
        return PartitionWriter(opened, read_layout(folder / RECORDS_FILE))

    def _give_up_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _seal(self, writer: PartitionWriter) -> None:
        """End a partition: another takes over at once, and it is packed anew in the background."""
        sealed = writer.partition
        writer.close()
        self._writer = None
        if writer.until is None:
            return
        sealed.refresh()
        Seal(
            sealed.rows,
            sealed.low_seq,
            sealed.high_seq,
            sealed.raw_bytes,
            sealed.first_us,
            sealed.last_us,
            writer.until,
        ).write(sealed.folder)
        self._seal_thread.submit(self._repack, sealed)

    def _fit(self, max_bytes: int) -> int:
        excess = self.size_bytes() - max_bytes

        def is_superfluous(partition: Partition) -> bool:
            nonlocal excess
            if excess <= 0:
                return False
            excess -= partition.size_bytes()
            return True

        return self._drop_while(is_superfluous)

    def _drop_while(self, is_superfluous: Callable[[Partition], bool]) -> int:
        """Drop partitions from the oldest on; return how many records went."""
        dropped = 0
        for each in self.partitions():
            if not each.rows or not is_superfluous(each):
                break
            if self._writer is not None and self._writer.partition is each:
                self._seal(self._writer)
            with self._lock:
                del self._partitions[each.number]
            dropped += each.rows
            each.drop()
        return dropped

    def _repack(self, partition: Partition) -> None:
        try:
            dictionary = repack(partition.folder)
            path = partition.folder / RECORDS_FILE
            partition.replace_records(RecordReader(path, read_layout(path)))
            self._dictionary = dictionary or self._dictionary
        except (OSError, FrameError) as error:
            logger.warning("Logs in %s stay as large as they are: %s", partition.folder.name, error)

    def _open_partition(self, number: int, *, is_latest: bool) -> None:
        folder = self._folder / f"{number:08d}"
        try:
            seal = Seal.read(folder)
            if seal is None:
                recover_latest(folder)
            else:
                recover_sealed(folder, seal.rows)
            opened = Partition(folder)
            opened.open()
            layout = read_layout(folder / RECORDS_FILE)
            if seal is not None:
                opened.raw_bytes = seal.raw_bytes
                opened.first_us, opened.last_us = seal.first_us, seal.last_us
                self._position = seal.until
            elif is_latest:
                self._writer = PartitionWriter(opened, layout)
                self._position = self._writer.until or self._position
            self._dictionary = layout.dictionary or self._dictionary
        except (FrameError, OSError) as error:
            logger.warning(
                "Logs in %s cannot be read, and are left where they are: %s", number, error
            )
            return
        with self._lock:
            self._partitions[number] = opened


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
