"""The loop that turns the spool's records into stored spans."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import SpoolReader
from resumatch_monitor.sentry.items import decode_record
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.store import DigestedItem, TraceStore

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 500
_BATCH_BYTES = 8 * 1024 * 1024
_IDLE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class _Prepared:
    """What a batch of the spool holds."""

    items: list[DigestedItem] = field(default_factory=list[DigestedItem])
    refused: Counter[str] = field(default_factory=Counter[str])
    unreadable: int = 0


class TraceDigest:
    """Takes batches off the spool, stores each in one transaction, and then commits it.

    A crash in between means that a batch is stored again: the store keeps an item once. A record
    that cannot be read is counted and left out.
    """

    def __init__(
        self,
        *,
        spool: SpoolReader,
        store: TraceStore,
        reader: SpanReader,
        metrics: TracingMetrics,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._store = store
        self._reader = reader
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Digest until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._spool.wait_for_records()
            except TimeoutError:
                # What has been digested lies unscrubbed in the spool until it is dropped.
                await self._spool.drop_consumed()
                await self._spool.wait_for_records()
            await self.digest_batch()

    async def digest_batch(self) -> int:
        """Digest one batch; return how many records it had."""
        batch = await self._spool.read_batch(_BATCH_RECORDS, _BATCH_BYTES)
        prepared = await asyncio.to_thread(self._prepare, batch.records)
        if prepared.items:
            await self._store_all(prepared.items)
            received_at = prepared.items[-1].received_at
            lag = (self._clock.now() - received_at).total_seconds()
            self._metrics.lag_seconds.set(max(0.0, lag))
        await self._patiently(lambda: self._spool.commit(batch))
        self._metrics.count_spans(0, prepared.refused)
        self._metrics.items.labels("unreadable").inc(prepared.unreadable)
        return batch.count

    def _prepare(self, records: Sequence[bytes]) -> _Prepared:
        prepared = _Prepared()
        for data in records:
            try:
                record = decode_record(data)
                item = self._reader.read(record)
            except Exception as error:  # noqa: BLE001 - one bad item must not stop the others
                # The error's text may quote the item, so only its type is told.
                logger.warning("An item cannot be read as spans: %s", type(error).__name__)
                prepared.unreadable += 1
                continue
            prepared.refused.update(item.refused)
            if item.spans:
                prepared.items.append(
                    DigestedItem(record.item_id, record.received_at, item.spans, item.user)
                )
        return prepared

    async def _store_all(self, items: Sequence[DigestedItem]) -> None:
        try:
            await self._patiently(partial(self._store_items, items))
        except Exception:
            logger.exception("A batch of traces was refused; its items are stored one by one")
            for item in items:
                try:
                    await self._patiently(partial(self._store_items, [item]))
                except Exception as error:  # noqa: BLE001 - one bad item must not stop the others
                    logger.error("An item cannot be stored: %s", type(error).__name__)  # noqa: TRY400
                    self._metrics.items.labels("refused").inc()

    async def _store_items(self, items: Sequence[DigestedItem]) -> None:
        outcome = await self._store.store(items)
        self._metrics.count_spans(outcome.spans, {})
        self._metrics.items.labels("stored").inc(len(items) - outcome.duplicates)
        self._metrics.items.labels("duplicate").inc(outcome.duplicates)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await work()
            except (StorageUnavailableError, OSError) as error:
                logger.warning("Traces wait in the spool: %s", error)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return
