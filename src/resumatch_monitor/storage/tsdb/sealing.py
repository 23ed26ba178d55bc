"""Moves old samples from the head into blocks, and old blocks out of the store."""

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.tsdb.appender import Appender
from resumatch_monitor.storage.tsdb.block import Block
from resumatch_monitor.storage.tsdb.block_writer import (
    TEMPORARY_SUFFIX,
    tables_of,
    write_block,
)
from resumatch_monitor.storage.tsdb.compaction import (
    find_ranges,
    plan_compaction,
    rewrite_blocks,
)
from resumatch_monitor.storage.tsdb.disk import sync_folder
from resumatch_monitor.storage.tsdb.head import HeadCut
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.telemetry import StoreTelemetry
from resumatch_monitor.storage.tsdb.tombstones import Period
from resumatch_monitor.storage.tsdb.wal import WalWriter

logger = logging.getLogger(__name__)

DELETED_SUFFIX = ".deleted"
_FOREVER_MS = 1 << 62
_GRACE = 4
_FEWEST_DEAD_SERIES = 1000
_DEAD_FRACTION = 10


@dataclass(frozen=True, slots=True)
class SealPolicy:
    """When samples leave the head and when blocks leave the store.

    Attributes:
        window: Blocks are cut at multiples of this, a quarter of it late.
        max_head_samples: Above this everything up to a moment ago is sealed at once.
        retention: How long samples are kept.
        retention_size_bytes: How large blocks and log may be together; 0 for no limit.
    """

    window: timedelta
    max_head_samples: int
    retention: timedelta
    retention_size_bytes: int


class Sealer:
    """Seals and retires; its methods block and are for one thread at a time."""

    def __init__(
        self,
        *,
        folder: Path,
        state: StoreState,
        appender: Appender,
        wal: WalWriter,
        telemetry: StoreTelemetry,
        policy: SealPolicy,
        next_seal_id: int,
        on_damage: Callable[[Path, str], None],
    ) -> None:
        self._folder = folder
        self._state = state
        self._appender = appender
        self._wal = wal
        self._telemetry = telemetry
        self._policy = policy
        self._next_seal_id = next_seal_id
        self._on_damage = on_damage
        milliseconds = timedelta(milliseconds=1)
        self._ranges = find_ranges(policy.window // milliseconds, policy.retention // milliseconds)

    def seal_if_due(self, now: datetime) -> bool:
        """Seal what is old enough, or more if the head is too large; tell whether anything was."""
        now_ms = to_milliseconds(now)
        window_ms = round(self._policy.window.total_seconds() * 1000)
        cutoff_ms = (now_ms - window_ms // _GRACE) // window_ms * window_ms
        if self._state.head.sample_count > self._policy.max_head_samples:
            cutoff_ms = now_ms
        return self.seal(cutoff_ms)

    def seal(self, cutoff_ms: int) -> bool:
        """Move every sample before `cutoff_ms` into a block; tell whether there was any.

        Raises:
            OSError: The samples stay where they are.
        """
        oldest_ms = self._state.head.oldest_ms()
        if oldest_ms is None or oldest_ms >= cutoff_ms:
            return False
        seal_id = self._next_seal_id
        self._next_seal_id += 1
        try:
            cut, segment = self._appender.call(lambda: self._begin(seal_id, cutoff_ms)).result()
            written = write_block(
                self._folder, tables_of(cut), labels=self._state.index.labels, seal_id=seal_id
            )
        except OSError:
            self._telemetry.seals.labels("failed").inc()
            raise
        if written is not None:
            path, ids = written
            block = Block(path, on_damage=self._on_damage, cache=self._state.cache)
            block.assign(ids)
            self._publish((*self._state.blocks, block))
            self._telemetry.seals.labels("sealed").inc()
            logger.info("Sealed %d samples into block %s", block.meta.samples, path.name)
        self._appender.call(lambda: self._finish(cut, segment)).result()
        return True

    def retire(self, now: datetime) -> None:
        """Delete the blocks that are past the retention in time or in size."""
        oldest_ms = to_milliseconds(now - self._policy.retention)
        kept = [block for block in self._state.blocks if block.meta.max_ms >= oldest_ms]
        limit = self._policy.retention_size_bytes
        if limit:
            kept.sort(key=lambda block: block.meta.max_ms)
            size = self._wal.size_bytes + sum(block.meta.size_bytes for block in kept)
            while kept and size > limit:
                size -= kept.pop(0).meta.size_bytes
        doomed = [block for block in self._state.blocks if block not in kept]
        if not doomed:
            return
        self._publish([block for block in self._state.blocks if block in kept])
        for block in doomed:
            remove_block(block.path)
            self._state.cache.forget(block.number)
            logger.info("Deleted block %s, which is past the retention", block.path.name)
        self._appender.call(self._forget_dead_series).result()

    def compact(self) -> bool:
        """Join the blocks that are due next; tell whether there were any.

        Raises:
            OSError: The blocks stay as they are.
        """
        blocks = self._state.blocks
        due = plan_compaction([block.meta for block in blocks], self._ranges)
        if not due:
            return False
        self._rewrite([blocks[position] for position in due])
        return True

    def clean_tombstones(self) -> None:
        """Take what is deleted from the disk.

        Raises:
            OSError: Some blocks stay as they are.
        """
        for block in self._state.blocks:
            if block.tombstones:
                self._rewrite([block])

    def delete(self, ids: IdArray, period: Period, *, latest_ms: int) -> None:
        """Delete the samples of `ids` in `period` from head and blocks, durably.

        Args:
            ids: Of the series.
            period: May reach further than there are samples.
            latest_ms: No sample is later than this.

        Raises:
            OSError: Some may be deleted already.
        """
        labels = self._state.index.labels_of(ids)
        # A mark in the log keeps its segment until everything up to its end is sealed.
        period = (period[0], min(period[1], latest_ms))

        def delete_from_head() -> None:
            self._wal.put_delete(labels, *period)
            try:
                self._wal.commit()
            except OSError:
                self._wal.abandon()
                raise
            self._state.head.delete(ids, *period)

        self._appender.call(delete_from_head).result()
        for block in self._state.blocks:
            block.delete(ids, period)

    def snapshot(self, folder: Path) -> None:
        """Copy everything into `folder`, which a store can open; blocks are linked, not copied.

        Raises:
            OSError: What has been copied is removed.
        """
        temporary = folder.with_suffix(TEMPORARY_SUFFIX)
        blocks = temporary / self._folder.name
        blocks.mkdir(parents=True)
        try:
            cut = self._appender.call(lambda: self._state.head.cut(_FOREVER_MS)).result()
            for block in self._state.blocks:
                copy = blocks / block.path.name
                copy.mkdir()
                for file in block.path.iterdir():
                    os.link(file, copy / file.name)
                sync_folder(copy)
            number, self._next_seal_id = self._next_seal_id, self._next_seal_id + 1
            write_block(blocks, tables_of(cut), labels=self._state.index.labels, seal_id=number)
            sync_folder(blocks)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(folder.parent)

    def update_telemetry(self) -> None:
        """Bring the gauges up to date."""
        blocks = self._state.blocks
        self._telemetry.head_series.set(len(self._state.index))
        self._telemetry.head_samples.set(self._state.head.sample_count)
        self._telemetry.blocks.set(len(blocks))
        self._telemetry.block_bytes.set(sum(block.meta.size_bytes for block in blocks))
        self._telemetry.wal_bytes.set(self._wal.size_bytes)

    def _rewrite(self, old: Sequence[Block]) -> None:
        number, self._next_seal_id = self._next_seal_id, self._next_seal_id + 1
        written = rewrite_blocks(self._folder, old, labels=self._state.index.labels, number=number)
        kept = [block for block in self._state.blocks if block not in old]
        if written is not None:
            path, ids = written
            block = Block(path, on_damage=self._on_damage, cache=self._state.cache)
            block.assign(ids)
            kept.append(block)
        self._publish(kept)
        for block in old:
            remove_block(block.path)
            self._state.cache.forget(block.number)
        self._telemetry.compactions.inc()
        logger.info("Joined %d blocks into block %010d", len(old), number)

    def _publish(self, blocks: Sequence[Block]) -> None:
        self._state.blocks = tuple(sorted(blocks, key=lambda block: block.meta.min_ms))

    def _begin(self, seal_id: int, cutoff_ms: int) -> tuple[HeadCut, int]:
        try:
            self._wal.put_seal(seal_id, cutoff_ms)
            self._wal.commit()
        except OSError:
            self._wal.abandon()
            raise
        return self._state.head.cut(cutoff_ms), self._wal.open_number

    def _finish(self, cut: HeadCut, segment: int) -> None:
        self._state.head.drop(cut)
        try:
            self._wal.remove_before(cut.cutoff_ms, below=segment)
        except OSError:
            logger.exception("A segment of the write-ahead log cannot be removed")
        self._forget_dead_series()

    def _forget_dead_series(self) -> None:
        live = self._state.live_ids()
        dead = len(self._state.index) - len(live)
        if dead > max(_FEWEST_DEAD_SERIES, len(live) // _DEAD_FRACTION):
            self._state.index = self._state.index.keep_only(live)


def remove_block(path: Path) -> None:
    """Remove a block's folder so that a half-removed one is not taken for a block."""
    # Whoever is reading the block has its files mapped and is not disturbed.
    remains = path.with_suffix(DELETED_SUFFIX)
    path.rename(remains)
    shutil.rmtree(remains, ignore_errors=True)
