"""The loop that turns the spool's records into issues."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.prepare import prepare
from resumatch_monitor.errortracking.projects import Projects
from resumatch_monitor.errortracking.scrub import Scrubber
from resumatch_monitor.errortracking.store import (
    DeadLetter,
    DigestedEvent,
    IssueStore,
    StoreOutcome,
    StoreUnavailableError,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolBatch, SpoolReader

logger = logging.getLogger(__name__)

_BATCH_RECORDS = 200
_BATCH_BYTES = 8 * 1024 * 1024
_IDLE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_EVENTS_BETWEEN_TRIMS = 2_000


class Digest:
    """Takes batches off the spool, stores each in one transaction, and then commits it.

    A crash in between means that a batch is stored again: the store counts an event once. A
    record that cannot be read, or that the store refuses, is set aside; the others go on.
    """

    def __init__(
        self,
        *,
        spool: SpoolReader,
        store: IssueStore,
        projects: Projects,
        config: ErrorsConfig,
        metrics: ErrorMetrics,
        clock: Clock,
        on_alerts: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._store = store
        self._projects = projects
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._on_alerts = on_alerts
        self._scrubber = Scrubber(config.scrub_keys)
        self._untrimmed = 0

    async def run(self) -> None:
        """Digest until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._spool.wait_for_records()
            except TimeoutError:
                # What has been digested lies unscrubbed in the spool until it is dropped.
                await self._spool.drop_consumed()
                await self._trim()
                await self._spool.wait_for_records()
            await self.digest_batch()

    async def digest_batch(self) -> int:
        """Digest one batch; return how many records it had."""
        batch = await self._spool.read_batch(_BATCH_RECORDS, _BATCH_BYTES)
        events, letters = await asyncio.to_thread(self._prepare_all, batch.records)
        if events:
            await self._store_patiently(events)
        if letters:
            await self._set_aside(letters)
        await self._commit(batch)
        if events:
            lag = self._clock.now() - events[-1].received_at
            self._metrics.lag_seconds.set(max(0.0, lag.total_seconds()))
        # Only what is committed is trimmed: an event that might be stored again must be there
        # to be recognised.
        self._untrimmed += len(events)
        if self._untrimmed >= _EVENTS_BETWEEN_TRIMS:
            await self._trim()
        return batch.count

    def _prepare_all(
        self, records: Sequence[bytes]
    ) -> tuple[list[DigestedEvent], list[DeadLetter]]:
        events: list[DigestedEvent] = []
        letters: list[DeadLetter] = []
        for record in records:
            try:
                events.append(
                    prepare(
                        record,
                        scrubber=self._scrubber,
                        projects=self._projects,
                        retention=self._config.retention,
                    )
                )
            except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
                letters.append(self._make_letter(record, error))
        return events, letters

    async def _store_patiently(self, events: Sequence[DigestedEvent]) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._store_all(events)
            except StoreUnavailableError as error:
                logger.warning("Events wait in the spool: %s", error)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            else:
                return

    async def _store_all(self, events: Sequence[DigestedEvent]) -> None:
        try:
            self._count(await self._store.store(events))
        except StoreUnavailableError:
            raise
        except Exception:
            logger.exception("A batch of events was refused; they are stored one by one")
            await self._store_one_by_one(events)

    async def _store_one_by_one(self, events: Sequence[DigestedEvent]) -> None:
        for event in events:
            try:
                self._count(await self._store.store([event]))
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001 - the others must go on
                await self._set_aside([self._make_letter(event.payload, error)])

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
        await self._store.set_aside(letters)
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
                await self._store.trim(events_per_issue=self._config.events_per_issue)
            except StoreUnavailableError as error:
                logger.warning("Old events could not be dropped: %s", error)
