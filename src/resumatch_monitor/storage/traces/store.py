"""The store of traces: parts in order of time, one thread that writes, several that read."""

import asyncio
import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.storage.traces.catalog import Catalog
from resumatch_monitor.storage.traces.codec import train_dictionary
from resumatch_monitor.storage.traces.keeping import Keeping
from resumatch_monitor.storage.traces.part import Part, PartGoneError
from resumatch_monitor.storage.traces.part_writer import PartWriter
from resumatch_monitor.storage.traces.reading import TraceReading, read_trace
from resumatch_monitor.storage.traces.rows import SegmentRow
from resumatch_monitor.storage.traces.sampling import PayloadSample
from resumatch_monitor.storage.traces.settling import read_settled
from resumatch_monitor.storage.traces.thinning import FindWithErrors
from resumatch_monitor.tracing.retention import Fitted
from resumatch_monitor.tracing.store import (
    DigestedItem,
    DurationSample,
    Facets,
    SegmentPage,
    SegmentQuery,
    SettledSegment,
    StoredTrace,
    StoreOutcome,
    TracesUnavailableError,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

_READERS = 4
_PARTS_PER_BUDGET = 8
_SMALLEST_PART_BYTES = 2 * 1024 * 1024
_MILLISECONDS_A_DAY = 86_400_000
_STRADDLING_MS = 15 * 60_000


class SqliteTraceStore:
    """A `TraceStore`, `TraceReader` and `SegmentQueue`: `open`, then use, then `close`.

    What is written goes into the latest part; a new one is begun each day (UTC), and when the
    latest is as large as an eighth of what traces may take. Older parts are only read, thinned
    and dropped.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        max_bytes: int,
        min_free_bytes: int,
        spans_per_segment: int = 10_000,
        find_with_errors: FindWithErrors | None = None,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        """Build it.

        Args:
            folder: Where the parts are.
            clock: When a day ends.
            max_bytes: What traces may take; a part is an eighth of it at most.
            min_free_bytes: Nothing is stored when less of the disk is free.
            spans_per_segment: How many spans of a segment observers see at most.
            find_with_errors: Tells which traces an error event carries; these are kept longer.
            free_bytes: Tells how much of the disk is free.
        """
        self._folder = folder
        self._clock = clock
        self._part_max_bytes = max(_SMALLEST_PART_BYTES, max_bytes // _PARTS_PER_BUDGET)
        self._min_free_bytes = min_free_bytes
        self._spans_per_segment = spans_per_segment
        self._free_bytes = free_bytes or _free_bytes
        self.catalog = Catalog(folder)
        self._writer: PartWriter | None = None
        self._writing = threading.Lock()
        self._samples = PayloadSample()
        self._dictionary: bytes | None = None
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="traces-write")
        self._read_threads = ThreadPoolExecutor(_READERS, thread_name_prefix="traces-read")
        self._keeping = Keeping(
            folder,
            self.catalog,
            min_free_bytes=min_free_bytes,
            free_bytes=self._free_bytes,
            find_with_errors=find_with_errors,
            writing=self._writing,
        )
        self._reading = TraceReading(self.catalog.newest_first, monotonic=clock.monotonic)

    def open(self) -> None:
        """Find the parts and open the latest; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.catalog.load()
        latest = self.catalog.latest
        if latest is not None and latest.name.generation == 0:
            try:
                self._writer = PartWriter(latest.path, created_ms=latest.created_ms)
            except sqlite3.Error:
                logger.exception("%s cannot be written to; a new part is begun", latest.path.name)

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self.catalog.close()

    async def store(self, items: Sequence[DigestedItem]) -> StoreOutcome:
        """See `TraceStore`."""
        outcome = await self._write(partial(self._store, items))
        await self._train()
        return outcome

    async def take_settled(self, *, before: datetime, limit: int) -> Sequence[SettledSegment]:
        """See `SegmentQueue`."""
        return await self._read(partial(self._take_settled, to_milliseconds(before), limit))

    async def mark_observed(self, segments: Sequence[SettledSegment]) -> None:
        """See `SegmentQueue`."""
        await self._write(partial(self._mark_observed, segments))

    async def find_trace(self, trace_id: str, *, limit: int) -> StoredTrace:
        """See `TraceReader`."""
        return await self._read(partial(self._reading.find_trace, trace_id, limit))

    async def search(self, query: SegmentQuery) -> SegmentPage:
        """See `TraceReader`."""
        return await self._read(partial(self._reading.search, query))

    async def sample_durations(self, query: SegmentQuery, *, limit: int) -> DurationSample:
        """See `TraceReader`."""
        return await self._read(partial(self._reading.sample_durations, query, limit))

    async def facets(self) -> Facets:
        """See `TraceReader`."""
        return await self._read(self._reading.facets)

    async def expire(self, before: datetime) -> int:
        """See `TraceKeeper`."""
        before_ms = to_milliseconds(before)
        expired = await asyncio.to_thread(self._keeping.expire, before_ms)
        return expired + await self._write(partial(self._expire_latest, before_ms))

    async def fit(self, max_bytes: int) -> Fitted:
        """See `TraceKeeper`."""
        return await asyncio.to_thread(self._keeping.fit, max_bytes)

    def size_bytes(self) -> int:
        """See `TraceKeeper`."""
        return self._keeping.size_bytes()

    async def _write(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)

    async def _read(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, work)

    def _store(self, items: Sequence[DigestedItem]) -> StoreOutcome:
        free = self._free_bytes(self._folder)
        if free < self._min_free_bytes:
            raise TracesUnavailableError(
                f"only {free} bytes of disk are free, fewer than storage.min_free_bytes"
            )
        with self._writing:
            try:
                writer, part = self._find_writer()
                outcome, rows = writer.write(items, self._samples.payloads)
            except (sqlite3.DataError, sqlite3.IntegrityError):
                # Of an item, not of the disk: trying again would not help.
                raise
            except sqlite3.Error as error:
                self._give_up_writer(error)
                raise TracesUnavailableError(f"traces cannot be written: {error}") from error
            self._note(part, rows)
        return outcome

    def _expire_latest(self, before_ms: int) -> int:
        """Give up the latest part too, if nothing has come for so long; return how many it was."""
        with self._writing:
            latest = self.catalog.latest
            if latest is None or latest.latest_ms >= before_ms:
                return 0
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self.catalog.remove(latest)
            latest.drop()
            return 1

    def _note(self, part: Part, rows: Sequence[SegmentRow]) -> None:
        for row in rows:
            part.extent.add(row.started_us if row.root is None else row.root.started_us)
        now_ms = to_milliseconds(self._clock.now())
        part.latest_ms = max(part.latest_ms, now_ms)
        before = self.catalog.before(part)
        if before is not None and now_ms - part.created_ms < _STRADDLING_MS:
            rooted = [(row.trace_id, row.span_id) for row in rows if row.root is not None]
            self._drop_unrooted(before, rooted)

    def _drop_unrooted(self, part: Part, keys: Sequence[tuple[str, str]]) -> None:
        """Take rows out of the part before, whose segments are in the latest one now."""
        if not keys:
            return
        part.changes += 1
        try:
            writer = PartWriter(part.path, created_ms=part.created_ms)
            try:
                writer.drop_unrooted(keys)
            finally:
                writer.close()
        except sqlite3.Error:
            logger.warning("Some segments stay in the lists twice", exc_info=True)

    def _find_writer(self) -> tuple[PartWriter, Part]:
        """Return the latest part, beginning a new one if it is time to."""
        now_ms = to_milliseconds(self._clock.now())
        part = self.catalog.latest
        if self._writer is not None and part is not None:
            is_of_today = now_ms // _MILLISECONDS_A_DAY <= part.created_ms // _MILLISECONDS_A_DAY
            if is_of_today and part.size_bytes < self._part_max_bytes:
                return self._writer, part
        return self._begin_part(now_ms)

    def _begin_part(self, now_ms: int) -> tuple[PartWriter, Part]:
        old, self._writer = self._writer, None
        recent = old.recent_items() if old is not None else []
        part = self.catalog.build_next()
        writer = PartWriter(part.path, created_ms=now_ms)
        try:
            writer.remember_items(recent)
            if self._dictionary is not None:
                writer.use_dictionary(self._dictionary)
        except sqlite3.Error:
            writer.close()
            part.drop()
            self._writer = old
            raise
        if old is not None:
            old.close()
        part.created_ms = part.latest_ms = now_ms
        self.catalog.add(part)
        self._writer = writer
        self._samples.start_over()
        return writer, part

    def _give_up_writer(self, error: sqlite3.Error) -> None:
        """After an error that is not of the moment, let the next write begin a new part."""
        if isinstance(error, sqlite3.OperationalError) or self._writer is None:
            return
        logger.error("The latest part of the traces is damaged; a new one is begun: %s", error)
        self._writer.close()
        self._writer = None

    async def _train(self) -> None:
        """Make a dictionary of what came, as soon as there is enough of it."""
        payloads = self._samples.take_if_enough()
        if not payloads:
            return
        dictionary = await asyncio.to_thread(train_dictionary, payloads)
        if dictionary is not None:
            await self._write(partial(self._use_dictionary, dictionary))

    def _use_dictionary(self, dictionary: bytes) -> None:
        self._dictionary = dictionary
        with self._writing:
            if self._writer is None:
                return
            try:
                self._writer.use_dictionary(dictionary)
            except sqlite3.Error:
                logger.warning("A dictionary could not be stored", exc_info=True)

    def _take_settled(self, before_ms: int, limit: int) -> list[SettledSegment]:
        settled: list[SettledSegment] = []
        for part in reversed(self.catalog.newest_first()):
            if len(settled) >= limit:
                break
            try:
                settled.extend(
                    read_settled(
                        part,
                        before_ms=before_ms,
                        limit=limit - len(settled),
                        find_trace=partial(self._find_spans, part),
                        spans_per_segment=self._spans_per_segment,
                    )
                )
            except PartGoneError:
                continue
            except sqlite3.Error as error:
                logger.warning("Segments in %s cannot be read: %s", part.path.name, error)
        return settled

    def _find_spans(self, part: Part, trace_id: str) -> StoredTrace:
        """Return a trace's spans in a part and its neighbours: a segment may lie across."""
        near = [
            each
            for each in self.catalog.newest_first()
            if abs(each.name.number - part.name.number) <= 1
        ]
        # A trace without end (a worker that never begins another) is not read as a whole.
        return read_trace(near, trace_id, 2 * self._spans_per_segment, is_newest_first=True)

    def _mark_observed(self, segments: Sequence[SettledSegment]) -> None:
        rows: dict[int, list[tuple[int, int, int]]] = {}
        for each in segments:
            number, row_id = each.place
            spans = errors = 0
            if each.segment is not None:
                spans = len(each.segment.spans) + 1
                errors = sum(span.is_error for span in (each.segment.root, *each.segment.spans))
            rows.setdefault(number, []).append((row_id, spans, errors))
        with self._writing:
            for number, marked in rows.items():
                self._mark_in_part(number, marked)

    def _mark_in_part(self, number: int, marked: Sequence[tuple[int, int, int]]) -> None:
        part = self.catalog.find(number)
        if part is None:
            return
        try:
            if part is self.catalog.latest and self._writer is not None:
                self._writer.mark_observed(marked)
                return
            part.changes += 1
            writer = PartWriter(part.path, created_ms=part.created_ms)
            try:
                writer.mark_observed(marked)
            finally:
                writer.close()
        except sqlite3.Error as error:
            raise TracesUnavailableError(f"traces cannot be written: {error}") from error


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
