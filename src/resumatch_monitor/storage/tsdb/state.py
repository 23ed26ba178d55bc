"""What a store holds at a moment, and reading it."""

from collections.abc import Callable

import numpy as np

from resumatch_monitor.metrics.samples import FloatArray, TimeArray
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.storage.tsdb.block import Block, Table
from resumatch_monitor.storage.tsdb.head import Head, MatrixChunk
from resumatch_monitor.storage.tsdb.index import IdArray, SeriesIndex, distinct
from resumatch_monitor.storage.tsdb.merge import (
    JoinedSeries,
    Piece,
    intersect_sorted,
    join_pieces,
    sample_count,
)
from resumatch_monitor.storage.tsdb.page_cache import PageCache


class StoreState:
    """Index, head and blocks.

    The appending thread changes the head and the index; `index` and `blocks` are replaced whole.
    A reader looks at the head before the blocks, and a seal publishes its block before it empties
    the head: so a sample on its way from one to the other is seen once or twice, never not at all.
    """

    def __init__(self, *, cache_bytes: int = 0) -> None:
        self.cache = PageCache(cache_bytes)
        self.index = SeriesIndex()
        self.head = Head()
        self.blocks: tuple[Block, ...] = ()

    def read(
        self, ids: IdArray, start_ms: int, end_ms: int, *, max_samples: int = 0
    ) -> list[JoinedSeries]:
        """Return the samples of `ids` in `[start_ms, end_ms]`, to be decoded when they are used.

        Raises:
            QueryLimitError: If that is more than `max_samples`, unless it is 0.
        """
        if not len(ids) or start_ms > end_ms:
            return []
        pieces = self._row_pieces(ids, start_ms, end_ms)
        pieces.extend(self.head.pushed.pieces(ids, start_ms, end_ms))
        pieces.extend(self._block_pieces(ids, start_ms, end_ms))
        if max_samples and (count := sample_count(pieces)) > max_samples:
            raise QueryLimitError(
                "query processing would load too many samples into memory in query execution:"
                f" {count}, where {max_samples} are allowed;"
                " narrow the selector or the time range"
            )
        return join_pieces(pieces)

    def ids_in_range(self, start_ms: int, end_ms: int) -> IdArray:
        """Return the series that may have samples in the range."""
        parts: list[IdArray] = [np.empty(0, dtype=np.int32)]
        for target in list(self.head.targets.values()):
            parts.extend(
                chunk.ids
                for chunk in target.chunks
                if _is_within(chunk.rows()[1], start_ms, end_ms)
            )
        parts.extend(
            grid.ids
            for grid in self.head.pushed.grids()
            if _is_within(grid.times, start_ms, end_ms)
        )
        for block in self.blocks:
            if block.meta.min_ms >= start_ms and block.meta.max_ms <= end_ms:
                parts.append(block.ids)
            else:
                parts.extend(
                    table.ids for table in block.tables if _overlaps(table, start_ms, end_ms)
                )
        return distinct(np.concatenate(parts))

    def live_ids(self) -> IdArray:
        """Return every series that something refers to; call on the appending thread."""
        return distinct(
            np.concatenate([self.head.live_ids(), *(block.ids for block in self.blocks)])
        )

    def _row_pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> list[Piece]:
        pieces: list[Piece] = []
        for target in list(self.head.targets.values()):
            for chunk in target.chunks:
                start, times = chunk.rows()
                first, last = _cut(times, start_ms, end_ms)
                if first == last:
                    continue
                found, columns = chunk.locate(ids)
                if len(found):
                    read = _chunk_reader(chunk, columns, start + first, start + last)
                    pieces.append(Piece(times[first:last], found, read))
        return pieces

    def _block_pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> list[Piece]:
        pieces: list[Piece] = []
        for block in self.blocks:
            if block.meta.max_ms < start_ms or block.meta.min_ms > end_ms:
                continue
            for table in block.tables:
                if not _overlaps(table, start_ms, end_ms):
                    continue
                found, positions = intersect_sorted(table.ids, ids)
                if not len(found):
                    continue
                times = block.read_times(table)
                first, last = _cut(times, start_ms, end_ms)
                if first < last:
                    read = block.reader(table, positions, times, first, last)
                    pieces.append(Piece(times[first:last], found, read))
        return pieces


def _is_within(times: TimeArray, start_ms: int, end_ms: int) -> bool:
    return bool(len(times) and times[0] <= end_ms and times[-1] >= start_ms)


def _overlaps(table: Table, start_ms: int, end_ms: int) -> bool:
    return table.entry.min_ms <= end_ms and table.entry.max_ms >= start_ms


def _cut(times: TimeArray, start_ms: int, end_ms: int) -> tuple[int, int]:
    first = int(np.searchsorted(times, start_ms, side="left"))
    return first, max(first, int(np.searchsorted(times, end_ms, side="right")))


def _chunk_reader(
    chunk: MatrixChunk, columns: IdArray, first: int, last: int
) -> Callable[[IdArray, FloatArray], None]:
    def read(positions: IdArray, out: FloatArray) -> None:
        chunk.read(columns[positions], first, last, out)

    return read
