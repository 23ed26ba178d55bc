"""The loop that turns the spool's records into issues."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import groupby

from resumatch_monitor.errortracking.ahead import Ahead, Ready
from resumatch_monitor.errortracking.batch import Prepared, PrepareSettings
from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.grouping.project import GroupingBook
from resumatch_monitor.errortracking.helper import Preparing
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.resolving import FrameResolver, resolve_records
from resumatch_monitor.errortracking.store import (
    DeadLetter,
    DigestedEvent,
    IssueStore,
    StoreOutcome,
    StoreUnavailableError,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import Position, SpoolBatch, SpoolReader
from resumatch_monitor.sentry.items import (
    ItemKind,
    ItemProcessor,
    ItemRecord,
    encode_record,
)
from resumatch_monitor.sentry.projects import Projects

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 400
_BATCH_BYTES = 8 * 1024 * 1024
_FEW_RECORDS = 100
# So many in a batch, and whoever answers the SDKs feels that they are prepared beside it.
_MANY_RECORDS = 150
_GATHER_SECONDS = 0.2
_IDLE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_EVENTS_BETWEEN_TRIMS = 2_000


class Digest:
    """Takes batches off the spool, stores each in one transaction, and then commits it.

    A crash in between means that a batch is stored again: the store counts an event once. A
    record that cannot be read, or that the store refuses, is set aside; the others go on. What
    is no event goes to the processor of its kind.
    """

    def __init__(
        self,
        *,
        spool: SpoolReader,
        store: IssueStore,
        projects: Projects,
        groupings: GroupingBook,
        config: ErrorsConfig,
        metrics: ErrorMetrics,
        clock: Clock,
        on_alerts: Callable[[], None],
        processors: Mapping[ItemKind, ItemProcessor] | None = None,
        preparing: Preparing | None = None,
        resolver: FrameResolver | None = None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._groupings = groupings
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._on_alerts = on_alerts
        self._processors = dict(processors or {})
        self._preparing = preparing or Preparing(
            PrepareSettings(tuple(config.scrub_keys), config.retention), projects, clock=clock
        )
        self._resolver = resolver
        self._ahead: Ahead | None = None
        self._untrimmed = 0

    async def run(self) -> None:
        """Digest until cancelled."""
        try:
            while True:
                await self._wait()
                began = time.monotonic()
                if await self.digest_batch() < _FEW_RECORDS:
                    # A batch costs as much as several events do. The first event after a rest
                    # is digested at once; those that follow closely go together.
                    await asyncio.sleep(max(0.0, began + _GATHER_SECONDS - time.monotonic()))
        finally:
            await self.stop()

    async def stop(self) -> None:
        """Give up what was prepared in advance, and who helped."""
        await self._drop_ahead()
        await self._preparing.stop()

    async def _drop_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.stop()

    async def digest_batch(self) -> int:
        """Digest one batch; return how many records it had."""
        ready = await self._take_ahead() or await self._prepare(await self._read(None))
        batch = ready.batch
        is_large = _is_large(batch)
        await self._preparing.note_batch(is_full=is_large)
        if is_large and self._preparing.is_helped and self._ahead is None:
            # While one batch is stored, others are read and prepared.
            self._ahead = Ahead(
                after=batch.end, read=self._read, prepare=self._prepare, is_large=_is_large
            )
        try:
            await self._digest(batch, ready.prepared)
        except BaseException:
            # The next batch must not be committed before this one.
            await self._drop_ahead()
            raise
        return batch.count

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._spool.wait_for_records()
        except TimeoutError:
            # What has been digested lies unscrubbed in the spool until it is dropped.
            await self._spool.drop_consumed()
            await self.stop()
            await self._trim()
            await self._spool.wait_for_records()

    async def _take_ahead(self) -> Ready | None:
        if self._ahead is None:
            return None
        try:
            ready = await self._ahead.next()
        except BaseException:
            await self._drop_ahead()
            raise
        if ready is None:
            await self._drop_ahead()
        return ready

    async def _read(self, after: Position | None) -> SpoolBatch:
        return await self._spool.read_batch(_BATCH_RECORDS, _BATCH_BYTES, after=after)

    async def _prepare(self, batch: SpoolBatch) -> Ready:
        records = batch.records
        if not records:
            return Ready(batch, Prepared())
        if self._resolver is not None:
            # Here and not where they are prepared, which may be another process.
            records = await asyncio.to_thread(resolve_records, records, self._resolver)
        groupings = await self._groupings.current(self._clock.now())
        return Ready(batch, await self._preparing.prepare(records, groupings))

    async def _digest(self, batch: SpoolBatch, prepared: Prepared) -> None:
        events = prepared.events
        if events:
            await self._store_all(events)
        for kind, records in groupby(prepared.items, key=lambda record: record.kind):
            await self._process(kind, list(records))
        if prepared.failures:
            now = self._clock.now()
            await self._set_aside(
                [DeadLetter(now, reason, record) for record, reason in prepared.failures]
            )
        await self._commit(batch)
        if events:
            lag = self._clock.now() - events[-1].received_at
            self._metrics.lag_seconds.set(max(0.0, lag.total_seconds()))
        # Only what is committed is trimmed: an event that might be stored again must be there
        # to be recognised.
        self._untrimmed += len(events)
        if self._untrimmed >= _EVENTS_BETWEEN_TRIMS:
            await self._trim()

    async def _process(self, kind: ItemKind, records: Sequence[ItemRecord]) -> None:
        processor = self._processors.get(kind)
        if processor is None:
            letters = [
                DeadLetter(self._clock.now(), f"nobody digests {kind}", encode_record(each))
                for each in records
            ]
            await self._set_aside(letters)
            return
        try:
            await self._patiently(lambda: processor.process(records))
        except Exception:
            logger.exception("Items of kind %s were refused; they are digested one by one", kind)
            await self._process_one_by_one(processor, records)

    async def _process_one_by_one(
        self, processor: ItemProcessor, records: Sequence[ItemRecord]
    ) -> None:
        for record in records:
            try:
                await self._patiently(partial(processor.process, [record]))
            except Exception as error:  # noqa: BLE001 - the others must go on
                await self._set_aside([self._make_letter(encode_record(record), error)])

    async def _patiently(self, store: Callable[[], Awaitable[None]]) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await store()
            except StorageUnavailableError as error:
                logger.warning("Events wait in the spool: %s", error)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _store_all(self, events: Sequence[DigestedEvent]) -> None:
        try:
            await self._patiently(partial(self._store_some, events))
        except Exception:
            logger.exception("A batch of events was refused; they are stored one by one")
            for event in events:
                try:
                    await self._patiently(partial(self._store_some, [event]))
                except Exception as error:  # noqa: BLE001 - the others must go on
                    await self._set_aside([self._make_letter(event.payload, error)])

    async def _store_some(self, events: Sequence[DigestedEvent]) -> None:
        self._count(await self._store.store(events))

    def _count(self, outcome: StoreOutcome) -> None:
        self._metrics.events.labels("stored").inc(outcome.stored)
        self._metrics.events.labels("duplicate").inc(outcome.duplicates)
        if outcome.has_alerts:
            self._on_alerts()

    def _make_letter(self, record: bytes, error: Exception) -> DeadLetter:
        # The error's text may quote the event, so only its type is kept.
        return DeadLetter(self._clock.now(), type(error).__name__, record)

    async def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        logger.error(
            "%d events cannot be read and are set aside: %s", len(letters), letters[0].reason
        )
        await self._patiently(lambda: self._store.set_aside(letters))
        self._metrics.events.labels("set_aside").inc(len(letters))

    async def _commit(self, batch: SpoolBatch) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._spool.commit(batch)
            except OSError as error:
                logger.warning("The spool's position cannot be written: %s", error)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _trim(self) -> None:
        if self._untrimmed:
            self._untrimmed = 0
            try:
                await self._store.trim(
                    events_per_issue=self._config.events_per_issue,
                    events_per_project=self._config.events_per_project,
                )
            except StoreUnavailableError as error:
                logger.warning("Old events could not be dropped: %s", error)


def _is_large(batch: SpoolBatch) -> bool:
    size = sum(len(record) for record in batch.records)
    return batch.count >= _MANY_RECORDS or size >= _BATCH_BYTES // 2
