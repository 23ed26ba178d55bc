"""The loop that turns the spool's chunks into records that can be found."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import Position, SpoolBatch
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.processing import Processor
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogStore

logger = logging.getLogger(__name__)

_BATCH_CHUNKS = 2_000
_BATCH_BYTES = 8 * 1024 * 1024
_PACE_SECONDS = 0.4
"""Between two commits of the index, each of which costs much the same however little it has."""
_IDLE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogSpool(Protocol):
    """The end of the spool where chunks are read, by one reader."""

    @property
    def position(self) -> Position:
        """Where the oldest chunk that is not committed lies."""
        ...

    @property
    def end(self) -> Position:
        """Where the next chunk will lie."""
        ...

    async def wait_for_records(self) -> None:
        """Return as soon as there is a chunk that has not been committed."""
        ...

    async def read_batch(
        self,
        max_records: int,
        max_bytes: int,
        *,
        after: Position | None = None,
        until: Position | None = None,
    ) -> SpoolBatch:
        """Return the oldest chunks `after` a place; none if there is none."""
        ...

    async def commit(self, batch: SpoolBatch) -> None:
        """Note durably that `batch` has been processed."""
        ...

    async def drop_consumed(self) -> None:
        """Delete what has been processed from the disk, if everything has been."""
        ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is to be stored of a batch.

    Attributes:
        arrived_us: When the last of what it had arrived, be it dropped or not.
    """

    batch: SpoolBatch
    records: Sequence[LogRecord] = ()
    unreadable: int = 0
    dropped: int = 0
    arrived_us: int | None = None


class LogDigest:
    """Takes batches off the spool, makes records of them, and has them stored.

    The store keeps with the records how far the spool was read, so that after a crash none is
    stored twice and none is left out. While one batch is stored, the next is prepared.
    """

    def __init__(
        self,
        *,
        spool: LogSpool,
        store: LogStore,
        reader: ChunkReader,
        processor: Processor,
        metrics: LogMetrics,
        clock: Clock,
        observe: Callable[[Sequence[LogRecord]], None] | None = None,
        before_storing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Take the parts.

        Args:
            spool: Where chunks come from.
            store: Where records go.
            reader: Makes records of chunks.
            processor: Changes records before they are stored.
            metrics: What is counted.
            clock: What paces it.
            observe: Is shown all records that have just been stored; must return at once.
            before_storing: Carries out what else was ordered while a batch was processed. After a
                crash in between, it is ordered again.
        """
        self._observe = observe
        self._before_storing = before_storing
        self._spool = spool
        self._store = store
        self._reader = reader
        self._processor = processor
        self._metrics = metrics
        self._clock = clock
        self._arrived_us: int | None = None

    def found_until(self) -> datetime | None:
        """Return until when all that arrived can be found; None as long as that is not known."""
        now = self._clock.now()
        if self._spool.position >= self._spool.end:
            return now
        if self._arrived_us is None:
            return None
        return min(now, _EPOCH + timedelta(microseconds=self._arrived_us))

    async def run(self) -> None:
        """Digest until cancelled."""
        await self.skip_stored()
        ahead: asyncio.Task[_Prepared] | None = None
        began = self._clock.monotonic()
        try:
            while True:
                if ahead is None:
                    await self._wait()
                    prepared = await self._prepare(None)
                else:
                    prepared = await ahead
                if not prepared.batch.count:
                    ahead = None
                    elapsed = self._clock.monotonic() - began
                    await self._clock.sleep(max(0.0, _PACE_SECONDS - elapsed))
                    continue
                began = self._clock.monotonic()
                ahead = asyncio.create_task(self._prepare(prepared.batch.end))
                await self._store_batch(prepared)
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.wait([ahead])

    async def skip_stored(self) -> None:
        """Go over what the store has already: a crash came before the spool was told."""
        stored = self._store.position()
        # A spool that was deleted begins anew, before the place that the store remembers.
        if stored is None or stored > self._spool.end:
            return
        while self._spool.position < stored:
            batch = await self._spool.read_batch(_BATCH_CHUNKS, _BATCH_BYTES, until=stored)
            if not batch.count:
                return
            await self._spool.commit(batch)

    async def digest_batch(self) -> int:
        """Digest one batch; return how many records were stored of it."""
        prepared = await self._prepare(None)
        await self._store_batch(prepared)
        return len(prepared.records)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._spool.wait_for_records()
        except TimeoutError:
            # What has been digested lies unscrubbed in the spool until it is dropped.
            await self._spool.drop_consumed()
            await self._spool.wait_for_records()

    async def _prepare(self, after: Position | None) -> _Prepared:
        batch = await self._spool.read_batch(_BATCH_CHUNKS, _BATCH_BYTES, after=after)
        if not batch.records:
            return _Prepared(batch)
        return await asyncio.to_thread(self._process, batch)

    def _process(self, batch: SpoolBatch) -> _Prepared:
        read = self._reader.read(batch.records)
        records = self._processor.process(read.records, read.projects)
        return _Prepared(
            batch,
            records,
            unreadable=read.unreadable,
            dropped=len(read.records) - len(records),
            arrived_us=read.records[-1].observed_us if read.records else None,
        )

    async def _store_batch(self, prepared: _Prepared) -> None:
        if self._before_storing is not None:
            await self._before_storing()
        if prepared.records:
            await self._patiently(self._append, prepared)
        if prepared.batch.count:
            await self._patiently(self._commit, prepared)
        if prepared.arrived_us is not None:
            self._arrived_us = prepared.arrived_us
        self._metrics.records.labels("unreadable").inc(prepared.unreadable)
        self._metrics.records.labels("dropped").inc(prepared.dropped)

    async def _append(self, prepared: _Prepared) -> None:
        stored = await self._store.append(prepared.records, until=prepared.batch.end)
        self._metrics.records.labels("indexed").inc(stored)
        self._metrics.records.labels("duplicate").inc(len(prepared.records) - stored)
        if self._observe is not None:
            self._observe(prepared.records)
        observed_us = prepared.records[-1].observed_us
        lag = to_milliseconds(self._clock.now()) / 1000 - observed_us / 1e6
        self._metrics.lag_seconds.set(max(0.0, lag))

    async def _commit(self, prepared: _Prepared) -> None:
        await self._spool.commit(prepared.batch)

    async def _patiently(
        self, work: Callable[[_Prepared], Awaitable[None]], prepared: _Prepared
    ) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await work(prepared)
            except (StorageUnavailableError, OSError) as error:
                logger.warning("Logs wait in the spool: %s", error)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return
