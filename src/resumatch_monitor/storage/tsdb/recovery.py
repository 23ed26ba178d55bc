"""Finds out at the start what is on disk, and sets aside what is damaged."""

import logging
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import Counter

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, RowLayout, TimeArray, is_absent
from resumatch_monitor.storage.tsdb.block import Block, BlockError, assign_ids
from resumatch_monitor.storage.tsdb.block_writer import TEMPORARY_SUFFIX
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.sealing import DELETED_SUFFIX, remove_block
from resumatch_monitor.storage.tsdb.state import StoreState
from resumatch_monitor.storage.tsdb.wal import ClosedSegment, replay_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveredBlocks:
    """What the blocks' folder held.

    Attributes:
        sealed: The seals whose blocks are readable. What a damaged block held is taken from the
            log once more, if the log still has it.
        largest_seal: The largest seal id used, damaged blocks included.
    """

    sealed: frozenset[int]
    largest_seal: int


@dataclass(frozen=True, slots=True)
class RecoveredWal:
    """What the log held.

    Attributes:
        segments: The segments that are there.
        next_segment: The number of the segment to begin.
        next_seal_id: A seal id larger than any used.
    """

    segments: list[ClosedSegment]
    next_segment: int
    next_seal_id: int


def open_blocks(
    folder: Path,
    state: StoreState,
    *,
    quarantine: Path,
    on_damage: Callable[[Path, str], None],
    corruptions: Counter,
) -> RecoveredBlocks:
    """Open every block in `folder`.

    Unfinished and half-deleted ones are removed; one that is damaged is moved to `quarantine`.
    """
    for suffix in (TEMPORARY_SUFFIX, DELETED_SUFFIX):
        for path in folder.glob(f"*{suffix}"):
            shutil.rmtree(path)
    blocks: list[Block] = []
    known: dict[int, int] = {}

    def add(labels: Labels, fingerprint: int) -> int:
        known[fingerprint] = number = state.index.add(labels)
        return number

    paths = sorted(path for path in folder.iterdir() if path.name.isdecimal())
    for path in paths:
        try:
            block = Block(path, on_damage=on_damage, cache=state.cache)
            assign_ids(block, known, add)
        # Damage that the checksums miss may raise anything; one block must not stop the start.
        except Exception as error:
            logger.exception("Block %s is damaged and set aside", path.name)
            if not isinstance(error, (BlockError, ValueError, KeyError, IndexError, TypeError)):
                raise
            corruptions.labels("block").inc()
            _set_aside(path, quarantine)
            continue
        blocks.append(block)
        for table in block.tables:
            state.head.note_seen(table.ids, table.entry.max_ms)
    blocks = _without_replaced(blocks)
    state.blocks = tuple(sorted(blocks, key=lambda block: block.meta.min_ms))
    return RecoveredBlocks(
        sealed=frozenset(number for block in blocks for number in block.meta.seal_ids),
        largest_seal=max((int(path.name) for path in paths), default=0),
    )


def _without_replaced(blocks: list[Block]) -> list[Block]:
    """Remove the blocks that others were made of, where the process died before it could."""
    kept: list[Block] = []
    for block in blocks:
        seals = set(block.meta.seal_ids)
        # Later numbers are of later rewritings.
        if any(
            seals <= set(other.meta.seal_ids) and int(other.path.name) > int(block.path.name)
            for other in blocks
        ):
            logger.info("Removing block %s, which another one replaces", block.path.name)
            remove_block(block.path)
        else:
            kept.append(block)
    return kept


def _set_aside(path: Path, quarantine: Path) -> None:
    quarantine.mkdir(exist_ok=True)
    target = quarantine / path.name
    number = 0
    while target.exists():
        number += 1
        target = quarantine / f"{path.name}.{number}"
    path.rename(target)


def replay_wal(
    folder: Path, state: StoreState, *, blocks: RecoveredBlocks, corruptions: Counter
) -> RecoveredWal:
    """Fill the head from the log."""
    replay = _HeadReplay(state, blocks.sealed)

    def on_damage(path: Path, problem: str) -> None:
        corruptions.labels("wal").inc()
        logger.error("Segment %s is damaged: %s; the rest stays readable", path.name, problem)

    segments = replay_folder(folder, replay, on_damage=on_damage)
    return RecoveredWal(
        segments=segments,
        next_segment=max((segment.number for segment in segments), default=0) + 1,
        next_seal_id=max(replay.largest_seal, blocks.largest_seal) + 1,
    )


class _HeadReplay:
    """Applies the log to the head, leaving out what has been sealed."""

    def __init__(self, state: StoreState, sealed: Collection[int]) -> None:
        self._state = state
        self._sealed = frozenset(sealed)
        self.largest_seal = 0

    def add_series(self, labels: Labels) -> int:
        return self._state.index.add(labels)

    def row(
        self,
        target_key: str,
        layout: RowLayout,
        ids: IdArray,
        timestamp_ms: int,
        values: FloatArray,
    ) -> None:
        head = self._state.head
        target = head.target(target_key)
        if timestamp_ms > target.last_ms:
            target.remember(layout, ids)
            head.append_row(target_key, layout, ids, timestamp_ms, values)
            return
        # The target was forgotten before the clock was set back.
        times = np.array([timestamp_ms], dtype=np.int64)
        present = np.flatnonzero(~is_absent(values))
        head.append_pushed(ids[present], np.repeat(times, len(present)), values[present])

    def samples(self, ids: IdArray, times: TimeArray, values: FloatArray) -> None:
        self._state.head.append_pushed(ids, times, values)

    def delete(self, series: Sequence[Labels], start_ms: int, end_ms: int) -> None:
        index = self._state.index
        found = [number for each in series if (number := index.find(each)) is not None]
        self._state.head.delete(np.array(sorted(found), dtype=np.int32), start_ms, end_ms)

    def seal(self, seal_id: int, cutoff_ms: int) -> None:
        self.largest_seal = max(self.largest_seal, seal_id)
        if seal_id in self._sealed:
            head = self._state.head
            head.drop(head.cut(cutoff_ms))
