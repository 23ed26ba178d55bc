"""What a store holds at a moment, and reading it."""

import functools
from collections.abc import Sequence

import numpy as np

from resumatch_monitor.metrics.samples import FloatArray, TimeArray
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.storage.tsdb.block import Block, Table
from resumatch_monitor.storage.tsdb.head import Head, MatrixChunk
from resumatch_monitor.storage.tsdb.index import IdArray, SeriesIndex, intersect
from resumatch_monitor.storage.tsdb.merge import JoinedSeries, Piece, join_pieces, sample_count


class StoreState:
    """Index, head and blocks.

    The appending thread changes the head and the index; `index` and `blocks` are replaced whole.
    A reader looks at the head before the blocks, and a seal publishes its block before it empties
    the head: so a sample on its way from one to the other is seen once or twice, never not at all.
    """

    def __init__(self) -> None:
        self.index = SeriesIndex()
        self.head = Head()
        self.blocks: tuple[Block, ...] = ()

    def read(
        self, ids: IdArray, start_ms: int, end_ms: int, *, max_samples: int = 0
    ) -> list[JoinedSeries]:
        """Return the samples of `ids` in `[start_ms, end_ms]`.

        Raises:
            QueryLimitError: If that is more than `max_samples`, unless it is 0.
        """
        if not len(ids) or start_ms > end_ms:
            return []
        pieces = self._head_pieces(ids, start_ms, end_ms)
        pieces.extend(self._block_pieces(ids, start_ms, end_ms))
        if max_samples and (count := sample_count(pieces)) > max_samples:
            raise QueryLimitError(
                f"the query would load {count} samples, more than the {max_samples} allowed;"
                " narrow the selector or the time range"
            )
        return join_pieces(pieces)

    def ids_in_range(self, start_ms: int, end_ms: int) -> IdArray:
        """Return the series that may have samples in the range."""
        parts: list[IdArray] = []
        for target in list(self.head.targets.values()):
            for chunk in target.chunks:
                times = chunk.rows()[1]
                if len(times) and times[0] <= end_ms and times[-1] >= start_ms:
                    parts.append(chunk.ids)
        ragged: list[int] = []
        for number, series in list(self.head.ragged.items()):
            times = series.data.times
            if len(times) and times[0] <= end_ms and times[-1] >= start_ms:
                ragged.append(number)
        parts.append(np.array(ragged, dtype=np.int32))
        for block in self.blocks:
            if block.meta.min_ms >= start_ms and block.meta.max_ms <= end_ms:
                parts.append(block.ids)
            else:
                parts.extend(
                    table.ids for table in block.tables if _overlaps(table, start_ms, end_ms)
                )
        return np.unique(np.concatenate(parts))

    def live_ids(self) -> IdArray:
        """Return every series that something refers to; call on the appending thread."""
        return np.unique(
            np.concatenate([self.head.live_ids(), *(block.ids for block in self.blocks)])
        )

    def _head_pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> list[Piece]:
        pieces: list[Piece] = []
        for key, target in list(self.head.targets.items()):
            for chunk in target.chunks:
                start, times = chunk.rows()
                first, last = _cut(times, start_ms, end_ms)
                if first == last:
                    continue
                found, columns = chunk.locate(ids)
                if len(found):
                    read = functools.partial(
                        _read_chunk, chunk, columns, start + first, start + last
                    )
                    pieces.append(Piece(key, times[first:last], found, read))
        pieces.extend(self._ragged_pieces(ids, start_ms, end_ms))
        return pieces

    def _ragged_pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> list[Piece]:
        ragged = self.head.ragged
        if not ragged:
            return []
        numbers: list[int] = ids.tolist()
        pieces: list[Piece] = []
        for number in numbers:
            series = ragged.get(number)
            if series is None:
                continue
            data = series.data
            first, last = _cut(data.times, start_ms, end_ms)
            if first < last:
                read = functools.partial(_read_ragged, data.values[first:last])
                only = np.array([number], dtype=np.int32)
                pieces.append(Piece("", data.times[first:last], only, read))
        return pieces

    def _block_pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> list[Piece]:
        pieces: list[Piece] = []
        for block in self.blocks:
            if block.meta.max_ms < start_ms or block.meta.min_ms > end_ms:
                continue
            for table in block.tables:
                if not _overlaps(table, start_ms, end_ms):
                    continue
                found = intersect(ids, table.ids)
                if not len(found):
                    continue
                times = block.read_times(table)
                first, last = _cut(times, start_ms, end_ms)
                if first < last:
                    positions = np.searchsorted(table.ids, found).astype(np.int32)
                    read = functools.partial(_read_block, block, table, positions, first, last)
                    pieces.append(Piece(table.entry.key, times[first:last], found, read))
        return pieces


def existing_samples(
    joined: Sequence[JoinedSeries],
) -> dict[int, tuple[TimeArray, FloatArray]]:
    """Return the samples of each series, cells that are absent included."""
    found: dict[int, tuple[TimeArray, FloatArray]] = {}
    for part in joined:
        numbers: list[int] = part.ids.tolist()
        for number, values in zip(numbers, part.values, strict=True):
            found[number] = (part.times, values)
    return found


def _overlaps(table: Table, start_ms: int, end_ms: int) -> bool:
    return table.entry.min_ms <= end_ms and table.entry.max_ms >= start_ms


def _cut(times: TimeArray, start_ms: int, end_ms: int) -> tuple[int, int]:
    first = int(np.searchsorted(times, start_ms, side="left"))
    return first, max(first, int(np.searchsorted(times, end_ms, side="right")))


def _read_chunk(
    chunk: MatrixChunk, columns: IdArray, first: int, last: int, positions: IdArray, out: FloatArray
) -> None:
    chunk.read(columns[positions], first, last, out)


def _read_ragged(values: FloatArray, positions: IdArray, out: FloatArray) -> None:
    out[: len(positions)] = values


def _read_block(
    block: Block,
    table: Table,
    known: IdArray,
    first: int,
    last: int,
    positions: IdArray,
    out: FloatArray,
) -> None:
    block.read(table, known[positions], first, last, out)
