"""The store of logs: partitions in order of arrival, one thread that writes, several that read."""

import asyncio
import logging
import shutil
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
from resumatch_monitor.storage.logindex.cleaning import clean_records
from resumatch_monitor.storage.logindex.counting import LogCounting
from resumatch_monitor.storage.logindex.duplicates import drop_duplicates
from resumatch_monitor.storage.logindex.frames import FrameError, read_layout
from resumatch_monitor.storage.logindex.partition import RECORDS_FILE, Partition, Seal
from resumatch_monitor.storage.logindex.recovery import recover_unsealed
from resumatch_monitor.storage.logindex.searching import LogSearch
from resumatch_monitor.storage.logindex.shelf import REBUILT_AT_ONCE, Shelf, position_of, seal_of
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
        rebuilt_at_once: int = REBUILT_AT_ONCE,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        """Build it.

        Args:
            folder: Where the partitions are.
            clock: When a search has taken too long.
            min_free_bytes: Nothing is stored when less of the disk is free.
            partition_rows: How many records a partition has at most.
            partition_raw_bytes: How long they are together at most, before they are compressed.
            rebuilt_at_once: Records of a partition for whose index `open` waits, should it be
                damaged; that of a larger one is made anew in the background.
            free_bytes: Tells how much of the disk is free.
        """
        self._folder = folder
        self._clock = clock
        self._min_free_bytes = min_free_bytes
        self._partition_rows = partition_rows
        self._partition_raw_bytes = partition_raw_bytes
        self._free_bytes = free_bytes or _free_bytes
        self._shelf = Shelf(folder, rebuilt_at_once=rebuilt_at_once)
        self._writer: PartitionWriter | None = None
        self._position: Position | None = None
        self._must_reopen = False
        self._failed_until: Position | None = None
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="logs-write")
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="logs-read")
        self._search = LogSearch(self._shelf.partitions, monotonic=clock.monotonic)
        self._counting = LogCounting(self._shelf.partitions, monotonic=clock.monotonic)

    def open(self) -> None:
        """Find the partitions, mend the latest, and open it; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        found = self._shelf.open()
        self._position = found.until
        try:
            self._writer = None if found.unsealed is None else _write_to(found.unsealed)
        except (OSError, ValueError) as error:
            # A full disk is no reason not to start, and to search.
            logger.warning("Logs cannot be written: %s", error)
            self._must_reopen = True

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        self._write_thread.shutdown()
        self._shelf.stop()
        self._read_threads.shutdown()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._shelf.close()

    def partitions(self) -> list[Partition]:
        """Return all that can be searched, the oldest first."""
        return self._shelf.partitions()

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

    def unsearchable(self) -> int:
        """See `LogKeeper`."""
        return self._shelf.out()

    def size_bytes(self) -> int:
        """See `LogKeeper`."""
        return sum(each.size_bytes() for each in self._shelf.partitions())

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
            return self._try_append(records, until)
        except (TypeError, UnicodeError, OverflowError, ValueError) as error:
            logger.debug("Log records are made storable: %s", type(error).__name__)
            self._give_up_writer(until)
        except BaseException as error:
            self._give_up_writer(until)
            raise _unavailable(error) from error
        try:
            return self._try_append(clean_records(records), until)
        except BaseException as error:
            self._give_up_writer(until)
            raise _unavailable(error) from error

    def _try_append(self, records: Sequence[LogRecord], until: Position) -> int:
        writer = self._find_writer(records)
        if self._failed_until == until == self._position:
            # What failed was kept after all: the error came after both were durable.
            self._failed_until = None
            return len(records)
        fresh = drop_duplicates(records, self._shelf.partitions())
        if fresh:
            writer.append(fresh, until=until)
            self._position = until
        self._failed_until = None
        return len(fresh)

    def _find_writer(self, records: Sequence[LogRecord]) -> PartitionWriter:
        """Return what adds `records` to the latest partition, or to a new one if it is time to."""
        if self._writer is not None and self._is_full(self._writer, records):
            self._seal(self._writer)
        if self._writer is None and self._must_reopen:
            # Nothing says yet where file and index agree.
            self._reopen()
            self._must_reopen = False
        if self._writer is None:
            self._writer = self._begin_partition()
        return self._writer

    def _is_full(self, writer: PartitionWriter, records: Sequence[LogRecord]) -> bool:
        # By their arrival, not by now: what has waited in the spool for days belongs together. And
        # either way: a clock that was ahead must not keep what came later from being expired.
        arrived_us = max(record.observed_us for record in records)
        age_us = abs(arrived_us - writer.partition.first_us)
        return bool(writer.rows) and (
            writer.rows >= self._partition_rows
            or age_us >= _PARTITION_US
            or writer.partition.raw_bytes >= self._partition_raw_bytes
        )

    def _reopen(self) -> None:
        """Open the latest partition anew, after an error.

        Raises:
            OSError: If the disk still fails.
            ValueError: If the index does.
        """
        number = self._shelf.latest
        folder = self._shelf.folder_of(number)
        if not folder.exists() or Seal.read(folder) is not None:
            return
        try:
            if not recover_unsealed(folder):
                self._position = position_of(None, read_layout(folder / RECORDS_FILE))
                self._shelf.rebuild(number)
                return
            opened = Partition(folder)
            opened.open()
        except FrameError as error:
            self._shelf.leave(number, error)
            return
        self._shelf.put(opened)
        self._writer = _write_to(opened)
        self._position = self._writer.until or self._position

    def _begin_partition(self) -> PartitionWriter:
        folder = self._shelf.folder_of(self._shelf.latest + 1)
        create_partition(folder, self._shelf.dictionary)
        self._shelf.latest += 1
        opened = Partition(folder)
        opened.open()
        self._shelf.put(opened)
        return _write_to(opened)

    def _give_up_writer(self, until: Position) -> None:
        """Let go of the writer: after an error it goes on as if it kept what it is given."""
        self._must_reopen, self._failed_until = True, until
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
        seal_of(sealed, writer.until).write(sealed.folder)
        self._shelf.repack(sealed)

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
        for each in self._shelf.partitions():
            is_new = not each.rows and each.number == self._shelf.latest
            if is_new or not is_superfluous(each):
                break
            if self._writer is not None and self._writer.partition is each:
                self._writer.close()
                self._writer, self._must_reopen = None, True
            rows = each.rows
            self._shelf.drop(each)
            dropped += rows
        return dropped


def _write_to(partition: Partition) -> PartitionWriter:
    return PartitionWriter(partition, read_layout(partition.folder / RECORDS_FILE))


def _unavailable(error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return error
    return LogsUnavailableError(f"logs cannot be written: {error}")


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
