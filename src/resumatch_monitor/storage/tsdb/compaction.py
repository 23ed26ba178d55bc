"""Makes fewer, larger blocks out of many, and takes what is deleted from the disk.

Blocks are joined level by level, as Prometheus joins them: all that begin in one aligned period,
once the store has gone past it. The joined block carries the marks of those that it replaces; if
the process dies before they are removed, the next start sees that and removes them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.tsdb.block import Block, BlockMeta
from resumatch_monitor.storage.tsdb.block_writer import write_block
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.joined_table import TableSource, tables_of_pieces
from resumatch_monitor.storage.tsdb.merge import Piece

_LEVEL_FACTOR = 3
_LONGEST_MS = 31 * 24 * 3_600_000
_RETENTION_PARTS = 10


def find_ranges(window_ms: int, retention_ms: int) -> list[int]:
    """Return the lengths that blocks grow through, in milliseconds.

    No longer than a tenth of the retention: a block goes only when all of it is past.
    """
    ranges = [window_ms]
    while (longer := ranges[-1] * _LEVEL_FACTOR) <= min(
        _LONGEST_MS, retention_ms // _RETENTION_PARTS
    ):
        ranges.append(longer)
    return ranges


def plan_compaction(blocks: Sequence[BlockMeta], ranges: Sequence[int]) -> list[int]:
    """Return the positions of the blocks to be joined next, none if there is nothing to do.

    Args:
        blocks: All there are.
        ranges: As `find_ranges` returns them.
    """
    newest_ms = max((block.max_ms for block in blocks), default=0)
    for length in ranges:
        periods: dict[int, list[int]] = {}
        for position, block in enumerate(blocks):
            if block.min_ms // length == block.max_ms // length:
                periods.setdefault(block.min_ms // length, []).append(position)
        for period, members in sorted(periods.items()):
            if len(members) > 1 and (period + 1) * length <= newest_ms:
                return members
    return []


def rewrite_blocks(
    folder: Path, blocks: Sequence[Block], *, labels: Sequence[Labels | None], number: int
) -> tuple[Path, IdArray] | None:
    """Write what `blocks` hold, and is not deleted, as one block; None if that is nothing.

    Raises:
        OSError: Nothing is left behind then.
    """
    return write_block(
        folder,
        _join_tables(blocks),
        labels=labels,
        seal_id=number,
        seal_ids=sorted({each for block in blocks for each in block.meta.seal_ids}),
    )


def _join_tables(blocks: Sequence[Block]) -> Iterator[TableSource]:
    pieces: list[Piece] = []
    for block in blocks:
        for table in block.tables:
            times = block.read_times(table)
            if len(times):
                positions = np.arange(len(table.ids), dtype=np.int32)
                read = block.reader(table, positions, times, 0, len(times))
                pieces.append(Piece(times, table.ids, read))
    yield from tables_of_pieces(pieces)
