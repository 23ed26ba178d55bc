"""Samples laid out for vectorised work, and the windows that functions look at.

Two layouts share one form. Dense: S series share N timestamps, `values` is (S, N) and positions
are (T,). Ragged: the series lie one after the other, `values` is (M,) and positions are (S, T).
Either way `np.take(values, positions, axis=-1)` is (S, T), and so most functions need not know
which layout they work on. In neither is a sample absent.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    BoolArray,
    FloatArray,
    SeriesBlock,
    TimeArray,
    is_absent,
    is_stale,
)
from resumatch_monitor.promql.vector import IndexArray

RAGGED_ROWS = 256
RAGGED_SAMPLES = 1 << 16
SLAB_CELLS = 1 << 18
"""Samples or results of a slab at the most: two mebibytes."""
_FEWEST_ROWS = 32
_FEW_STEPS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples of S series, none of them absent.

    Attributes:
        labels: The S label sets.
        times: (N,) or (M,) milliseconds; ascending within a series.
        values: (S, N) dense or (M,) ragged.
        offsets: (S + 1,) where each ragged series begins and ends; None for the dense layout.
        runs: For ragged series of which neighbours share their timestamps, these and how many
            series; None if not known.
    """

    labels: Sequence[Labels]
    times: TimeArray
    values: FloatArray
    offsets: IndexArray | None
    runs: Sequence[tuple[TimeArray, int]] | None = None

    def count_until(self, moments: TimeArray) -> IndexArray:
        """Return the position after the last sample at or before each moment: (T,) or (S, T)."""
        if self.offsets is None:
            return self.times.searchsorted(moments, side="right")
        positions = np.empty((len(self.labels), len(moments)), dtype=np.int64)
        if self.runs is not None:
            first = 0
            for times, count in self.runs:
                positions[first : first + count] = times.searchsorted(moments, side="right")
                first += count
            positions += self.offsets[:-1, np.newaxis]
            return positions
        bounds = self.offsets.tolist()
        for row, (begin, end) in enumerate(itertools.pairwise(bounds)):
            positions[row] = self.times[begin:end].searchsorted(moments, side="right")
            positions[row] += begin
        return positions


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The samples in `(start, end]` of every series at every step.

    Attributes:
        samples: What is looked at.
        first: Position of the first sample, (T,) or (S, T); clipped where there is none.
        last: Position of the last sample, likewise.
        counts: How many samples there are, likewise.
        start_ms: (T,) the left, open end.
        end_ms: (T,) the right, closed end.
        eval_ms: (T,) the steps' own times, which offset and @ leave alone.
        checkpoint: To be called between pieces of long work; raises when time is up.
        first_slice: `first` as a slice if its positions are evenly spaced: no copy is needed then.
        last_slice: `last` likewise.
    """

    samples: Samples
    first: IndexArray
    last: IndexArray
    counts: IndexArray
    start_ms: TimeArray
    end_ms: TimeArray
    eval_ms: TimeArray
    checkpoint: Callable[[], None]
    first_slice: slice | None
    last_slice: slice | None

    @property
    def shape(self) -> tuple[int, int]:
        """(S, T)."""
        return len(self.samples.labels), len(self.eval_ms)

    def first_values(self) -> FloatArray:
        """Return the oldest value in each window, (S, T), only for reading."""
        if self.first_slice is not None:
            return self.samples.values[:, self.first_slice]
        return np.take(self.samples.values, self.first, axis=-1)

    def last_values(self) -> FloatArray:
        """Return the newest value in each window, (S, T), only for reading."""
        if self.last_slice is not None:
            return self.samples.values[:, self.last_slice]
        return np.take(self.samples.values, self.last, axis=-1)

    def value_at(self, positions: IndexArray) -> FloatArray:
        """Return the values at `positions`, (S, T)."""
        return take(self.samples.values, positions)

    def time_at(self, positions: IndexArray) -> TimeArray:
        """Return the times at `positions`, of their shape."""
        return self.samples.times[positions]

    def each_offset(self) -> Iterator[tuple[IndexArray, BoolArray]]:
        """Yield positions first, first + 1, …, each with where it is still inside the window."""
        longest = int(self.counts.max(initial=0))
        for offset in range(longest):
            if offset % 16 == 0:
                self.checkpoint()
            inside = self.counts > offset
            yield np.where(inside, self.first + offset, self.first), inside


def take(values: FloatArray, positions: IndexArray) -> FloatArray:
    """Return `values` at `positions` of its last axis; a view where they are evenly spaced."""
    evenly = as_slice(positions)
    return np.take(values, positions, axis=-1) if evenly is None else values[..., evenly]


def as_slice(positions: IndexArray) -> slice | None:
    """Return `positions` as a slice if they are (T,) and evenly spaced."""
    if positions.ndim != 1 or len(positions) < 2:
        return None
    begin, end = int(positions[0]), int(positions[-1])
    stride = int(positions[1]) - begin
    if stride <= 0 or end - begin != stride * (len(positions) - 1):
        return None
    if not (positions[1:] - positions[:-1] == stride).all():
        return None
    return slice(begin, end + 1, stride)


def open_windows(
    samples: Samples,
    *,
    start_ms: TimeArray,
    end_ms: TimeArray,
    eval_ms: TimeArray,
    checkpoint: Callable[[], None],
) -> Window:
    """Find the samples in `(start_ms, end_ms]`."""
    size = samples.values.shape[-1]
    after = samples.count_until(end_ms)
    begin = samples.count_until(start_ms)
    first, last = np.minimum(begin, size - 1), np.maximum(after - 1, 0)
    return Window(
        samples,
        first,
        last,
        np.maximum(after - begin, 0),
        start_ms,
        end_ms,
        eval_ms,
        checkpoint,
        as_slice(first),
        as_slice(last),
    )


def fold(
    combine: np.ufunc, values: FloatArray, first: IndexArray, counts: IndexArray
) -> FloatArray:
    """Combine the `counts` values from position `first` on, (S, T); undefined where there are none.

    A window is put together from runs of 1, 2, 4, … values, each run computed once for all windows
    it occurs in. That takes log(k) passes instead of k, and, unlike differences of running sums,
    loses no accuracy and is not spoilt by one NaN or infinity. The ends are taken as they come:
    `combine` must be associative, and for floats nearly so is enough.
    """
    size = values.shape[-1]
    position = first.copy()
    shape = (*values.shape[:-1], first.shape[-1]) if first.ndim == 1 else first.shape
    result = np.empty(shape)
    started = np.zeros(first.shape, dtype=np.bool_)
    runs, length = values, 1
    longest = int(counts.max(initial=0))
    while length <= longest:
        used = (counts & length) != 0
        if used.any():
            piece = take(runs, np.minimum(position, runs.shape[-1] - 1))
            fresh = used & ~started
            joined = used & started
            if fresh.all():
                result[...] = piece
            elif joined.all():
                combine(result, piece, out=result)
            else:
                if fresh.any():
                    np.copyto(result, piece, where=fresh)
                if joined.any():
                    combine(result, piece, out=result, where=joined)
            started |= used
            position = position + np.where(used, length, 0)
        if length * 2 <= min(longest, size):
            runs = combine(runs[..., :-length], runs[..., length:])
        length *= 2
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """Some rows of some stored blocks that together fit the cache.

    Attributes:
        parts: A block, its first row, and one past its last.
    """

    parts: Sequence[tuple[SeriesBlock, int, int]]


def cut_slabs(blocks: Sequence[SeriesBlock], step_count: int) -> list[Slab]:
    """Cut blocks into slabs whose samples and results fit the cache, putting small ones together.

    Args:
        blocks: What was selected.
        step_count: At how many steps it will be looked at.
    """
    slabs: list[Slab] = []
    parts: list[tuple[SeriesBlock, int, int]] = []
    room = SLAB_CELLS
    for block in blocks:
        width = max(len(block.timestamps), step_count, 1)
        rows_at_most = max(SLAB_CELLS // width, _FEWEST_ROWS)
        for first in range(0, len(block.labels), rows_at_most):
            last = min(first + rows_at_most, len(block.labels))
            cells = (last - first) * width
            if cells > room and parts:
                slabs.append(Slab(parts))
                parts, room = [], SLAB_CELLS
            parts.append((block, first, last))
            room -= cells
    if parts:
        slabs.append(Slab(parts))
    return slabs


def lay_out(slab: Slab, step_count: int, *, drop_stale: bool) -> Iterator[Samples]:
    """Read a slab from the store into pieces that have no absent samples.

    Args:
        slab: One of `cut_slabs`.
        step_count: At how many steps it will be looked at.
        drop_stale: Whether staleness markers are left out too, as range vectors do.
    """
    pieces = _lay_out_parts(slab, drop_stale)
    # To look at a piece costs much the same whatever its size. At few steps it pays to put pieces
    # of different targets together, although every series then has positions of its own.
    if step_count > _FEW_STEPS or len(slab.parts) == 1:
        yield from pieces
        return
    dense: list[Samples] = []
    for piece in pieces:
        if piece.offsets is None:
            dense.append(piece)
        else:
            yield piece
    yield from [_join_dense(dense)] if len(dense) > 1 else dense


def _lay_out_parts(slab: Slab, drop_stale: bool) -> Iterator[Samples]:
    ragged = _RaggedBuilder()
    for block, first, last in slab.parts:
        values = np.ascontiguousarray(block.rows(first, last), dtype=np.float64)
        labels, times = block.labels[first:last], block.timestamps
        if len(labels) > 1:
            yield from _lay_out_rows(labels, times, values, ragged, drop_stale)
        elif len(times):
            there = ~_missing(values[0], drop_stale)
            yield from ragged.add(labels[0], times[there], values[0][there])
    yield from ragged.flush()


def _join_dense(pieces: Sequence[Samples]) -> Samples:
    """Put dense pieces one after the other as ragged series."""
    sizes = [len(piece.times) for piece in pieces]
    counts = [len(piece.labels) for piece in pieces]
    offsets = np.zeros(sum(counts) + 1, dtype=np.int64)
    np.cumsum(np.repeat(sizes, counts), out=offsets[1:])
    return Samples(
        [labels for piece in pieces for labels in piece.labels],
        np.concatenate([np.tile(piece.times, len(piece.labels)) for piece in pieces]),
        np.concatenate([piece.values.reshape(-1) for piece in pieces]),
        offsets,
        [(piece.times, count) for piece, count in zip(pieces, counts, strict=True)],
    )


def _lay_out_rows(
    labels: Sequence[Labels],
    times: TimeArray,
    values: FloatArray,
    ragged: "_RaggedBuilder",
    drop_stale: bool,
) -> Iterator[Samples]:
    if not values.size:
        return
    # A minimum is NaN if anything is, and much faster than looking at every bit pattern.
    if not np.isnan(values.min()):
        yield Samples(labels, times, values, None)
        return
    missing = _missing(values, drop_stale)
    if not missing.any():
        yield Samples(labels, times, values, None)
        return
    # A target that was down misses whole columns; without them the rows are often complete.
    kept = ~missing.all(axis=0)
    if not kept.all():
        times, values, missing = times[kept], values[:, kept], missing[:, kept]
    if not len(times):
        return
    holes = missing.any(axis=1)
    whole = np.flatnonzero(~holes)
    if len(whole):
        yield Samples([labels[row] for row in whole.tolist()], times, values[whole], None)
    for row in np.flatnonzero(holes).tolist():
        there = ~missing[row]
        yield from ragged.add(labels[row], times[there], values[row][there])


def _missing(values: FloatArray, drop_stale: bool) -> BoolArray:
    missing = is_absent(values)
    if drop_stale:
        missing |= is_stale(values)
    return missing


class _RaggedBuilder:
    """Joins single series into ragged pieces."""

    def __init__(self) -> None:
        self._labels: list[Labels] = []
        self._times: list[TimeArray] = []
        self._values: list[FloatArray] = []
        self._size = 0

    def add(self, labels: Labels, times: TimeArray, values: FloatArray) -> Iterator[Samples]:
        if not len(times):
            return
        self._labels.append(labels)
        self._times.append(times)
        self._values.append(values)
        self._size += len(times)
        if self._size >= RAGGED_SAMPLES or len(self._labels) >= RAGGED_ROWS:
            yield from self.flush()

    def flush(self) -> Iterator[Samples]:
        if not self._labels:
            return
        offsets = np.zeros(len(self._times) + 1, dtype=np.int64)
        np.cumsum([len(times) for times in self._times], out=offsets[1:])
        yield Samples(
            self._labels, np.concatenate(self._times), np.concatenate(self._values), offsets
        )
        self._labels, self._times, self._values, self._size = [], [], [], 0
