"""The embedded time-series store."""

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import TypeVar

import numpy as np

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.memory import give_memory_back
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.admin import Cardinality, MetricCardinality
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import (
    FloatArray,
    RowLayout,
    SampleBatch,
    SeriesBlock,
    StoreFullError,
    TimeArray,
)
from resumatch_monitor.storage.tsdb.admission import FURTHEST_AHEAD_MS, AppendLimits
from resumatch_monitor.storage.tsdb.appender import Appender
from resumatch_monitor.storage.tsdb.cardinality import count_metric, count_series
from resumatch_monitor.storage.tsdb.disk import Disk, LocalDisk
from resumatch_monitor.storage.tsdb.index import IdArray, SeriesIndex, intersect
from resumatch_monitor.storage.tsdb.recovery import open_blocks, replay_wal
from resumatch_monitor.storage.tsdb.sealing import Sealer, SealPolicy
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 10.0
_PAUSE_AFTER_FAILURE_SECONDS = 120.0
_HARD_LIMIT_FACTOR = 2
DEFAULT_PAGE_CACHE_BYTES = 96 * 1024 * 1024

ResultT = TypeVar("ResultT")


class StoreLockedError(Exception):
    """Another process has the store open."""


class TimeSeriesStore:
    """Keeps samples: reads are a `Queryable`, writes a `SampleSink`.

    `open`, then `run` as a background loop, then `close`. Appends are async and safe from one
    event loop; reads block and are safe from any number of threads, also during appends.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        telemetry: Telemetry,
        retention: timedelta = timedelta(days=30),
        retention_size_bytes: int = 0,
        min_free_bytes: int = 0,
        seal_window: timedelta = timedelta(hours=2),
        max_head_samples: int = 8_000_000,
        max_series: int = 1_000_000,
        select_max_samples: int = 0,
        segment_bytes: int = 16 * 1024 * 1024,
        page_cache_bytes: int = DEFAULT_PAGE_CACHE_BYTES,
        disk: Disk | None = None,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._telemetry = StoreTelemetry(telemetry)
        self._select_max_samples = select_max_samples
        self._segment_bytes = segment_bytes
        self._disk = disk or LocalDisk()
        self._policy = SealPolicy(seal_window, max_head_samples, retention, retention_size_bytes)
        self._limits = AppendLimits(
            min_free_bytes=min_free_bytes,
            max_series=max_series,
            max_head_samples=_HARD_LIMIT_FACTOR * max_head_samples,
            retention_ms=round(retention.total_seconds() * 1000),
        )
        self._page_cache_bytes = page_cache_bytes
        self._state = StoreState(cache_bytes=page_cache_bytes)
        self._maintenance = threading.Lock()
        self._seal_not_before = float("-inf")
        self._lock_descriptor: int | None = None
        self._appender: Appender | None = None
        self._sealer: Sealer | None = None

    def open(self) -> None:
        """Recover what is on disk and start taking appends.

        Raises:
            StoreLockedError: If another process has the store open.
            OSError: If the folder cannot be used.
        """
        started = perf_counter()
        blocks_folder, wal_folder = self._folder / "blocks", self._folder / "wal"
        for folder in (blocks_folder, wal_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock_descriptor = _lock(self._folder / "lock")
        self._state = state = StoreState(cache_bytes=self._page_cache_bytes)
        blocks = open_blocks(
            blocks_folder,
            state,
            quarantine=self._folder / "quarantine",
            on_damage=self._on_damaged_chunk,
            corruptions=self._telemetry.corruptions,
        )
        recovered = replay_wal(
            wal_folder, state, blocks=blocks, corruptions=self._telemetry.corruptions
        )
        wal = WalWriter(
            wal_folder,
            disk=self._disk,
            segment_bytes=self._segment_bytes,
            next_number=recovered.next_segment,
        )
        wal.closed.extend(recovered.segments)
        self._appender = Appender(
            folder=wal_folder,
            state=state,
            wal=wal,
            disk=self._disk,
            clock=self._clock,
            telemetry=self._telemetry,
            limits=self._limits,
        )
        self._sealer = Sealer(
            folder=blocks_folder,
            state=state,
            appender=self._appender,
            wal=wal,
            telemetry=self._telemetry,
            policy=self._policy,
            next_seal_id=recovered.next_seal_id,
            on_damage=self._on_damaged_chunk,
        )
        self._appender.start()
        self._sealer.update_telemetry()
        seconds = perf_counter() - started
        self._telemetry.open_seconds.set(seconds)
        logger.info(
            "Opened the time-series store in %.2f s: %d series, %d samples in the head, %d blocks",
            seconds,
            len(state.index),
            state.head.sample_count,
            len(state.blocks),
        )

    async def run(self) -> None:
        """Seal and retire until cancelled."""
        while True:
            await self._clock.sleep(_PAUSE_SECONDS)
            await asyncio.to_thread(self.maintain)

    def maintain(self) -> None:
        """Seal what is due and delete what is past the retention; blocks."""
        with self._maintenance:
            sealer = self._sealer
            if sealer is None:
                return
            try:
                if self._clock.monotonic() >= self._seal_not_before:
                    has_sealed = sealer.seal_if_due(self._clock.now())
                    if sealer.compact() or has_sealed:
                        give_memory_back()
            except OSError as error:
                # Until it succeeds the log, the head and the smaller blocks hold everything.
                logger.error("Sealing a block failed and is tried again: %s", error)  # noqa: TRY400
                self._seal_not_before = self._clock.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS
            sealer.retire(self._clock.now())
            sealer.update_telemetry()

    async def delete_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> int:
        """See `StoreAdmin`.

        Raises:
            StoreFullError: If the disk is full; some of it may be deleted already.
        """

        def delete() -> int:
            with self._maintenance:
                index = self._state.index
                ids = intersect(index.match(matchers), self._state.ids_in_range(start_ms, end_ms))
                if len(ids):
                    latest_ms = to_milliseconds(self._clock.now()) + FURTHEST_AHEAD_MS
                    self._open_sealer().delete(ids, (start_ms, end_ms), latest_ms=latest_ms)
                return len(ids)

        return await self._administer(delete)

    async def clean_tombstones(self) -> None:
        """See `StoreAdmin`.

        Raises:
            StoreFullError: If the disk is full; some of it may be done already.
        """

        def clean() -> None:
            with self._maintenance:
                self._open_sealer().clean_tombstones()

        await self._administer(clean)

    async def snapshot(self) -> str:
        """See `StoreAdmin`.

        Raises:
            StoreFullError: If the disk is full; nothing is left of the copy.
        """
        name = f"{self._clock.now():%Y%m%dT%H%M%S.%fZ}"

        def copy() -> str:
            with self._maintenance:
                self._open_sealer().snapshot(self._folder / "snapshots" / name)
                return name

        return await self._administer(copy)

    async def _administer(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StoreFullError(f"the disk cannot be written: {error.strerror}") from error

    def seal(self, cutoff_ms: int) -> bool:
        """Move every sample before `cutoff_ms` into a block at once; tell whether there was any."""
        with self._maintenance:
            return self._open_sealer().seal(cutoff_ms)

    def compact(self) -> bool:
        """Join the blocks that are due next; tell whether there were any."""
        with self._maintenance:
            return self._open_sealer().compact()

    def close(self) -> None:
        """Make queued appends durable and close. May be called again."""
        with self._maintenance:
            self._sealer = None
            appender, self._appender = self._appender, None
            if appender is not None:
                appender.stop()
            if self._lock_descriptor is not None:
                os.close(self._lock_descriptor)
                self._lock_descriptor = None

    async def append_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> None:
        """See `SampleSink`."""
        future = self._open_appender().submit_row(target_key, layout, timestamp_ms, values)
        await asyncio.wrap_future(future)

    async def append_samples(self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]) -> None:
        """See `SampleSink`.

        Samples of any age inside the retention are taken, in any order. One that is stored
        already is dropped.

        Raises:
            SamplesRejectedError: If some are too old, too new, or contradict what is stored; all
                the others are durable.
            StoreFullError: If the store is at its limit or the disk is nearly full.
        """
        if not series:
            return
        counts = [len(times) for _, times, _ in series]
        offsets = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=offsets[1:])
        await self.append_batch(
            SampleBatch(
                [labels for labels, _, _ in series],
                offsets,
                np.concatenate([times for _, times, _ in series]),
                np.concatenate([values for _, _, values in series]),
            )
        )

    async def append_batch(self, batch: SampleBatch) -> None:
        """See `BatchSink`; as `append_samples`."""
        await asyncio.wrap_future(self._open_appender().submit_batch(batch))

    def refused_ago(self) -> timedelta | None:
        """Return how long ago an append was last refused or failed, None if none was."""
        appender = self._appender
        if appender is None or appender.refused_at is None:
            return None
        return timedelta(seconds=self._clock.monotonic() - appender.refused_at)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """See `Queryable`.

        Raises:
            QueryLimitError: If that would load more than `select_max_samples`.
        """
        state = self._state
        index = state.index
        joined = state.read(
            index.match(matchers),
            self._clamp(start_ms),
            end_ms,
            max_samples=self._select_max_samples,
        )
        return [SeriesBlock(index.labels_of(part.ids), part.times, part.read) for part in joined]

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """See `Queryable`."""
        index, ids = self._find_ids(matchers, start_ms, end_ms)
        return sorted(index.labels_of(ids))

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        index, ids = self._find_ids(matchers, start_ms, end_ms)
        return sorted(index.names_among(ids))

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        index, ids = self._find_ids(matchers, start_ms, end_ms)
        return sorted(index.values_among(name, ids))

    def cardinality(self, limit: int) -> Cardinality:
        """See `CardinalitySource`."""
        return count_series(self._state, limit)

    def metric_cardinality(self, metric: str, limit: int) -> MetricCardinality | None:
        """See `CardinalitySource`."""
        return count_metric(self._state, metric, limit)

    def _find_ids(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> tuple[SeriesIndex, IdArray]:
        state = self._state
        index = state.index
        matched = index.match(matchers)
        return index, intersect(matched, state.ids_in_range(self._clamp(start_ms), end_ms))

    def _clamp(self, start_ms: int) -> int:
        # A block goes when its last sample is past the retention; until then its first ones hide.
        return max(start_ms, to_milliseconds(self._clock.now()) - self._limits.retention_ms)

    def _open_appender(self) -> Appender:
        if self._appender is None:
            raise RuntimeError("the store is not open")
        return self._appender

    def _open_sealer(self) -> Sealer:
        if self._sealer is None:
            raise RuntimeError("the store is not open")
        return self._sealer

    def _on_damaged_chunk(self, path: Path, problem: str) -> None:
        self._telemetry.corruptions.labels("chunk").inc()
        logger.error("Block %s is damaged: %s; the rest stays readable", path.name, problem)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreLockedError(f"{path.parent} is in use by another process") from error
    return descriptor
