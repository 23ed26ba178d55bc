"""What is not sealed yet: a matrix a target, and beside them what came with times of its own.

One thread appends while others read without a lock. Everything a reader may see is either never
changed again or published by one assignment after it is complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray
from resumatch_monitor.storage.tsdb.columns import ClosedColumns
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.merge import intersect_sorted
from resumatch_monitor.storage.tsdb.pushed import Grid, PushedSamples

CHUNK_ROWS = 120
_MOST_LAYOUTS = 4
_NEVER = np.iinfo(np.int64).min


class MatrixChunk:
    """Up to `CHUNK_ROWS` consecutive rows of a target; columns may be added, up to a limit.

    While rows come in it is laid out by rows, so that appending touches little memory; `close`
    turns it round, so that reading a series touches little.
    """

    __slots__ = ("_capacity", "_columns", "_ids", "_order", "_rows", "_times", "_width", "start")

    def __init__(self, ids: IdArray) -> None:
        width = len(ids)
        self._capacity = width + width // 8 + 16
        self._ids = np.empty(self._capacity, dtype=np.int32)
        self._ids[:width] = ids
        self._times = np.empty(CHUNK_ROWS, dtype=np.int64)
        self._rows: tuple[int, FloatArray] = (0, np.empty((CHUNK_ROWS, self._capacity)))
        self._width = width
        self._columns: ClosedColumns | None = None
        self._order: tuple[int, IdArray, np.ndarray[tuple[int], np.dtype[np.intp]]] | None = None
        self.start = 0

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self._width

    @property
    def count(self) -> int:
        """How many rows there are, those before `start` included."""
        return self._rows[0]

    @property
    def ids(self) -> IdArray:
        """(width,) the series of the columns, in no order."""
        return self._ids[: self._width]

    @property
    def is_full(self) -> bool:
        """Whether no row fits in."""
        return self._columns is not None or self.count == CHUNK_ROWS

    @property
    def sample_count(self) -> int:
        """Cells in use, absent ones included."""
        return (self.count - self.start) * self._width

    def rows(self) -> tuple[int, TimeArray]:
        """Return the number of the first row not dropped, and the timestamps from there."""
        start = self.start
        return start, self._times[start : self.count]

    def add_columns(self, ids: IdArray) -> bool:
        """Add a column for each of `ids`, absent in the rows so far; False if there is no room."""
        width = self._width
        if width + len(ids) > self._capacity:
            return False
        count, values = self._rows
        values[:count, width : width + len(ids)] = ABSENT
        self._ids[width : width + len(ids)] = ids
        self._width = width + len(ids)
        return True

    def append(self, timestamp_ms: int, columns: IdArray | None, values: FloatArray) -> None:
        """Append a row; `columns` None means the first `len(values)` columns."""
        count, matrix = self._rows
        row = matrix[count]
        if columns is None:
            row[: len(values)] = values
            row[len(values) : self._width] = ABSENT
        else:
            row[: self._width] = ABSENT
            row[columns] = values
        self._times[count] = timestamp_ms
        self._rows = (count + 1, matrix)

    def close(self) -> None:
        """Take no more rows."""
        count, matrix = self._rows
        self._columns = ClosedColumns.of(matrix[:count, : self._width])
        self._rows = (count, np.empty((0, 0)))

    def locate(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """Return those of `ids`, ascending, that have a column here, and their columns."""
        _, ordered, order = self._sorted()
        found, positions = intersect_sorted(ordered, ids)
        return found, order[positions].astype(np.int32)

    def read(self, columns: IdArray, first: int, last: int, out: FloatArray) -> None:
        """Fill `out` (columns, last - first) with the rows numbered `first` up to `last`."""
        matrix = self._rows[1]
        # After `close` the rows are gone, but then the columns are there.
        closed = self._columns
        if closed is not None:
            closed.read(columns, first, last, out)
        else:
            out[:] = matrix[first:last, columns].T

    def delete(self, ids: IdArray, start_ms: int, end_ms: int) -> None:
        """Remove samples: who is reading sees them or does not."""
        start, times = self.rows()
        first = start + int(np.searchsorted(times, start_ms, side="left"))
        last = start + int(np.searchsorted(times, end_ms, side="right"))
        columns = self.locate(ids)[1]
        if first >= last or not len(columns):
            return
        if self._columns is not None:
            self._columns = self._columns.without(columns, first, last)
        else:
            self._rows[1][first:last, columns] = ABSENT

    def _sorted(self) -> tuple[int, IdArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
        known = self._order
        if known is None or known[0] != self._width:
            width = self._width
            order = np.argsort(self._ids[:width], kind="stable")
            known = (width, self._ids[order], order)
            self._order = known
        return known


class TargetHead:
    """The rows of one target."""

    def __init__(self) -> None:
        self.chunks: tuple[MatrixChunk, ...] = ()
        self.last_ms: int = _NEVER
        self._layouts: dict[int, tuple[object, IdArray]] = {}
        self._mapped: tuple[object, MatrixChunk, IdArray | None] | None = None

    def ids_of(self, layout: object) -> IdArray | None:
        """Return the ids remembered for `layout`."""
        known = self._layouts.get(id(layout))
        return known[1] if known is not None else None

    def remember(self, layout: object, ids: IdArray) -> None:
        """Remember the ids (in the row's order) of `layout`, an object compared by identity."""
        self._layouts[id(layout)] = (layout, ids)
        while len(self._layouts) > _MOST_LAYOUTS:
            del self._layouts[next(iter(self._layouts))]

    def remembered_ids(self) -> list[IdArray]:
        """Return the ids of every remembered layout."""
        return [ids for _, ids in list(self._layouts.values())]

    def append(self, layout: object, ids: IdArray, timestamp_ms: int, values: FloatArray) -> None:
        """Append a row; `ids` are distinct and in the order of `values`."""
        mapped = self._mapped
        if mapped is None or mapped[0] is not layout or mapped[1].is_full:
            mapped = self._mapped = self._map(layout, ids)
        _, chunk, columns = mapped
        chunk.append(timestamp_ms, columns, values)
        self.last_ms = timestamp_ms
        if chunk.is_full:
            chunk.close()

    def drop_before(self, cutoff_ms: int) -> None:
        """Forget the rows before `cutoff_ms`."""
        kept: list[MatrixChunk] = []
        for chunk in self.chunks:
            start, times = chunk.rows()
            passed = int(np.searchsorted(times, cutoff_ms))
            if passed < len(times):
                chunk.start = start + passed
                kept.append(chunk)
        self.chunks = tuple(kept)
        if self._mapped is not None and self._mapped[1] not in kept:
            self._mapped = None

    def _map(self, layout: object, ids: IdArray) -> tuple[object, MatrixChunk, IdArray | None]:
        chunk = self.chunks[-1] if self.chunks else None
        if chunk is not None and not chunk.is_full and 2 * len(ids) >= chunk.width:
            known, _ = chunk.locate(np.sort(ids))
            fresh = ids if not len(known) else ids[~np.isin(ids, known)]
            if chunk.add_columns(fresh):
                ordered, order, columns = *_sort(ids), np.empty(len(ids), dtype=np.int32)
                columns[order] = chunk.locate(ordered)[1]
                in_order = bool((columns == np.arange(len(ids))).all())
                return (layout, chunk, None if in_order else columns)
        if chunk is not None and not chunk.is_full:
            chunk.close()
        chunk = MatrixChunk(ids)
        self.chunks = (*self.chunks, chunk)
        return (layout, chunk, None)


def _sort(ids: IdArray) -> tuple[IdArray, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    order = np.argsort(ids, kind="stable")
    return ids[order], order


@dataclass(frozen=True, slots=True, eq=False)
class HeadCut:
    """A consistent view of the head's samples before a time, for sealing.

    Attributes:
        rows: For each target its chunks, each with its first row and the times from there.
        grids: What was pushed.
    """

    cutoff_ms: int
    rows: Sequence[tuple[str, Sequence[tuple[MatrixChunk, int, TimeArray]]]]
    grids: Sequence[Grid]


class Head:
    """All targets, and what was pushed."""

    def __init__(self) -> None:
        self.targets: dict[str, TargetHead] = {}
        self.pushed = PushedSamples()
        self._last_seen: TimeArray = np.full(1024, _NEVER, dtype=np.int64)

    def target(self, key: str) -> TargetHead:
        """Return the target, made if need be."""
        target = self.targets.get(key)
        if target is None:
            target = self.targets[key] = TargetHead()
        return target

    def append_row(
        self, key: str, layout: object, ids: IdArray, timestamp_ms: int, values: FloatArray
    ) -> None:
        """Append a row, later than the target's last."""
        self.target(key).append(layout, ids, timestamp_ms, values)
        self.note_seen(ids, timestamp_ms)

    def append_pushed(self, ids: IdArray, times: TimeArray, values: FloatArray) -> None:
        """Add (N,) samples with times of their own; the arrays must not change any more."""
        self.pushed.append(ids, times, values)
        self.note_each_seen(ids, times)

    def note_seen(self, ids: IdArray, timestamp_ms: int) -> None:
        """Remember that `ids` have nothing later than `timestamp_ms`, or than noted before."""
        if len(ids):
            self._make_room(int(ids.max()))
            self._last_seen[ids] = np.maximum(self._last_seen[ids], timestamp_ms)

    def note_each_seen(self, ids: IdArray, times: TimeArray) -> None:
        """Remember (N,) times of `ids`, which may repeat."""
        if len(ids):
            self._make_room(int(ids.max()))
            np.maximum.at(self._last_seen, ids, times)

    def last_seen(self, ids: IdArray) -> TimeArray:
        """Return, for each of `ids`, a time after which the series has no sample."""
        if len(ids):
            self._make_room(int(ids.max()))
        return self._last_seen[ids]

    @property
    def sample_count(self) -> int:
        """Cells of all matrices, absent ones included, and pushed samples."""
        return self.pushed.sample_count + sum(
            chunk.sample_count for target in list(self.targets.values()) for chunk in target.chunks
        )

    def oldest_ms(self) -> int | None:
        """Return the time of the oldest sample."""
        times = [
            int(chunk.rows()[1][0])
            for target in list(self.targets.values())
            for chunk in target.chunks
            if len(chunk.rows()[1])
        ]
        times.extend(int(grid.times[0]) for grid in self.pushed.grids())
        return min(times, default=None)

    def cut(self, cutoff_ms: int) -> HeadCut:
        """Return what is before `cutoff_ms`; call on the appending thread.

        What was pushed is set aside until `drop`, or until the next cut.
        """
        rows: list[tuple[str, list[tuple[MatrixChunk, int, TimeArray]]]] = []
        for key, target in self.targets.items():
            parts: list[tuple[MatrixChunk, int, TimeArray]] = []
            for chunk in target.chunks:
                start, times = chunk.rows()
                passed = int(np.searchsorted(times, cutoff_ms))
                if passed:
                    parts.append((chunk, start, times[:passed]))
            if parts:
                rows.append((key, parts))
        return HeadCut(cutoff_ms, rows, self.pushed.cut(cutoff_ms))

    def drop(self, cut: HeadCut) -> None:
        """Forget what `cut` holds; call on the appending thread."""
        for key, parts in cut.rows:
            target = self.targets[key]
            # Not the cut-off: rows from before it may have come in since the cut was made.
            target.drop_before(int(parts[-1][2][-1]) + 1)
            if not target.chunks:
                del self.targets[key]
        self.pushed.drop()

    def delete(self, ids: IdArray, start_ms: int, end_ms: int) -> None:
        """Remove the samples of `ids` in `[start_ms, end_ms]`; call on the appending thread."""
        for target in self.targets.values():
            for chunk in target.chunks:
                chunk.delete(ids, start_ms, end_ms)
        self.pushed.delete(ids, start_ms, end_ms)

    def live_ids(self) -> IdArray:
        """Return the ids that the head refers to."""
        parts: list[IdArray] = [grid.ids for grid in self.pushed.grids()]
        for target in self.targets.values():
            parts.extend(chunk.ids for chunk in target.chunks)
            parts.extend(target.remembered_ids())
        return distinct(np.concatenate([np.empty(0, dtype=np.int32), *parts]))

    def _make_room(self, largest: int) -> None:
        if largest >= len(self._last_seen):
            larger = np.full(2 * (largest + 1), _NEVER, dtype=np.int64)
            larger[: len(self._last_seen)] = self._last_seen
            self._last_seen = larger
