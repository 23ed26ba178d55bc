"""Samples that came with times of their own: remote write, rules, late rows.

What arrives is kept as it came until there is enough to be put in order. Then it becomes grids:
series that share their timestamps lie in one matrix, as a target's rows do. Few small grids are
joined into larger ones, level by level as in a log-structured merge tree, so that a sample is moved
a number of times that grows with the logarithm of how many there are.

One thread changes what is here while others read: all of it is one tuple of things that never
change, replaced whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray, is_absent
from resumatch_monitor.storage.tsdb.index import IdArray, distinct
from resumatch_monitor.storage.tsdb.merge import Piece, hash_runs, intersect_sorted, join_pieces

_TAIL_SAMPLES = 1 << 16
_TAIL_BATCHES = 1000
_GRIDS_A_LEVEL = 8

PositionArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N samples as they came: (N,) series, times and values, in no order."""

    ids: IdArray
    times: TimeArray
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """S series that share T timestamps.

    Attributes:
        times: (T,) ascending and distinct.
        ids: (S,) ascending.
        values: (S, T); absent where there is no sample.
        level: How often its samples have been joined, for the merging.
    """

    times: TimeArray
    ids: IdArray
    values: FloatArray
    level: int = 0

    def before(self, cutoff_ms: int) -> "Grid | None":
        """Return what is before a time, None if nothing is."""
        return self._between(0, int(np.searchsorted(self.times, cutoff_ms)))

    def since(self, cutoff_ms: int) -> "Grid | None":
        """Return what is not before a time, None if nothing is."""
        return self._between(int(np.searchsorted(self.times, cutoff_ms)), len(self.times))

    def whole(self) -> Piece:
        """Return all of it."""

        def read(positions: IdArray, out: FloatArray) -> None:
            out[:] = self.values[positions]

        return Piece(self.times, self.ids, read)

    def piece(self, wanted: IdArray, start_ms: int, end_ms: int) -> Piece | None:
        """Return what a query for `wanted` in `[start_ms, end_ms]` finds here."""
        first = int(np.searchsorted(self.times, start_ms, side="left"))
        last = int(np.searchsorted(self.times, end_ms, side="right"))
        if first >= last:
            return None
        found, rows = intersect_sorted(self.ids, wanted)
        if not len(found):
            return None

        def read(positions: IdArray, out: FloatArray) -> None:
            out[:] = self.values[rows[positions], first:last]

        return Piece(self.times[first:last], found, read)

    def _between(self, first: int, last: int) -> "Grid | None":
        if first >= last:
            return None
        if last - first == len(self.times):
            return self
        return replace(self, times=self.times[first:last], values=self.values[:, first:last])


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """Everything at one moment: what is being sealed, what is in order, what came since."""

    sealing: tuple[Grid, ...] = ()
    grids: tuple[Grid, ...] = ()
    tail: tuple[Batch, ...] = ()


class PushedSamples:
    """All samples that were pushed and not sealed yet."""

    def __init__(self) -> None:
        self._held = _Held()
        self._tail_size = 0
        self._sorted_tail: tuple[tuple[Batch, ...], tuple[Grid, ...]] = ((), ())
        self.sample_count = 0
        """Cells of all grids, absent ones included, and what is not in order yet."""

    def append(self, ids: IdArray, times: TimeArray, values: FloatArray) -> None:
        """Add (N,) samples; the arrays must not change any more."""
        held = self._held
        self._held = replace(held, tail=(*held.tail, Batch(ids, times, values)))
        self._tail_size += len(ids)
        self.sample_count += len(ids)
        if self._tail_size >= _TAIL_SAMPLES or len(held.tail) >= _TAIL_BATCHES:
            self.settle()

    def settle(self) -> None:
        """Put what came since the last time in order."""
        held = self._held
        if held.tail:
            grids = merge_levels([*held.grids, *self._sort_tail(held.tail)])
            self._replace(_Held(held.sealing, tuple(grids), ()))

    def grids(self) -> tuple[Grid, ...]:
        """Return everything in order; from any thread."""
        held = self._held
        return (*held.sealing, *held.grids, *self._sort_tail(held.tail))

    def pieces(self, ids: IdArray, start_ms: int, end_ms: int) -> Iterable[Piece]:
        """Yield what a query for `ids` finds."""
        for grid in self.grids():
            piece = grid.piece(ids, start_ms, end_ms)
            if piece is not None:
                yield piece

    def cut(self, cutoff_ms: int) -> tuple[Grid, ...]:
        """Set aside what is before a time until `drop` or `restore`, and return it."""
        self.settle()
        everything = (*self._held.sealing, *self._held.grids)
        before = [part for grid in everything if (part := grid.before(cutoff_ms)) is not None]
        since = [part for grid in everything if (part := grid.since(cutoff_ms)) is not None]
        self._replace(_Held(tuple(before), tuple(since), ()))
        return tuple(before)

    def drop(self) -> None:
        """Forget what `cut` set aside."""
        held = self._held
        # What is left may be a view of what has gone and keep its memory.
        kept = tuple(_own(grid) for grid in held.grids)
        self._replace(replace(held, sealing=(), grids=kept))

    def delete(self, ids: IdArray, start_ms: int, end_ms: int) -> None:
        """Remove the samples of `ids` in `[start_ms, end_ms]`."""
        self.settle()
        held = self._held
        self._held = replace(
            held,
            sealing=tuple(_without(grid, ids, start_ms, end_ms) for grid in held.sealing),
            grids=tuple(_without(grid, ids, start_ms, end_ms) for grid in held.grids),
        )

    def _replace(self, held: _Held) -> None:
        self._held = held
        self._tail_size = sum(len(batch.ids) for batch in held.tail)
        self.sample_count = self._tail_size + sum(
            grid.values.size for grid in (*held.sealing, *held.grids)
        )

    def _sort_tail(self, tail: tuple[Batch, ...]) -> tuple[Grid, ...]:
        known, grids = self._sorted_tail
        if known is not tail:
            grids = tuple(
                order_samples(
                    np.concatenate([batch.ids for batch in tail]),
                    np.concatenate([batch.times for batch in tail]),
                    np.concatenate([batch.values for batch in tail]),
                )
                if tail
                else ()
            )
            self._sorted_tail = (tail, grids)
        return grids


def order_samples(ids: IdArray, times: TimeArray, values: FloatArray) -> list[Grid]:
    """Return (N,) samples in any order as grids; of two at one time the first counts."""
    if not len(ids):
        return []
    order = np.lexsort((times, ids))
    ids, times, values = ids[order], times[order], values[order]
    is_first = np.ones(len(ids), dtype=np.bool_)
    is_first[1:] = (ids[1:] != ids[:-1]) | (times[1:] != times[:-1])
    if not is_first.all():
        ids, times, values = ids[is_first], times[is_first], values[is_first]
    begins = np.flatnonzero(np.diff(ids, prepend=-1))
    counts = np.diff(begins, append=len(ids))
    keys = hash_runs(times.view(np.uint64), begins) + counts.astype(np.uint64)
    grids: list[Grid] = []
    for rows in group_equal(keys):
        starts, count = begins[rows], int(counts[rows[0]])
        grids.append(
            Grid(
                times[starts[0] : starts[0] + count].copy(),
                ids[starts],
                values[starts[:, np.newaxis] + np.arange(count)],
            )
        )
    return grids


def group_equal(keys: npt.NDArray[np.uint64]) -> list[PositionArray]:
    """Return, for each distinct key, the ascending positions at which it stands."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order]) != 0) + 1
    return np.split(order, bounds)


def merge_levels(grids: Sequence[Grid]) -> list[Grid]:
    """Join the grids of a level once there are too many of them."""
    levels: dict[int, list[Grid]] = {}
    for grid in grids:
        levels.setdefault(grid.level, []).append(grid)
    level, found = 0, list[Grid]()
    while level <= max(levels, default=-1):
        members = levels.pop(level, [])
        if _spread(members) > _GRIDS_A_LEVEL:
            joined = [replace(grid, level=level + 1) for grid in merge_grids(members)]
            levels.setdefault(level + 1, []).extend(joined)
        else:
            found.extend(members)
        level += 1
    return found


def _spread(grids: Sequence[Grid]) -> float:
    """Return in how many grids a series is, on average."""
    if not grids:
        return 0.0
    return sum(len(grid.ids) for grid in grids) / len(distinct(_all_ids(grids)))


def _all_ids(grids: Sequence[Grid]) -> IdArray:
    return np.concatenate([grid.ids for grid in grids])


def merge_grids(grids: Sequence[Grid]) -> list[Grid]:
    """Join grids along time, then those that have the same times along the series."""
    pieces = [grid.whole() for grid in grids]
    by_times: dict[bytes, list[Grid]] = {}
    for joined in join_pieces(pieces):
        for grid in _densify(joined.times, joined.ids, joined.read(0, len(joined.ids))):
            by_times.setdefault(grid.times.tobytes(), []).append(grid)
    return [_stack(members) for members in by_times.values()]


def _densify(times: TimeArray, ids: IdArray, values: FloatArray) -> list[Grid]:
    """Return series as grids in which nothing is absent.

    Late samples make a union of times in which every series may miss some.
    """
    absent = is_absent(values)
    if not absent.any():
        return [Grid(times, ids, values)]
    rows, columns = np.nonzero(~absent)
    return order_samples(ids[rows], times[columns], values[rows, columns])


def _stack(grids: Sequence[Grid]) -> Grid:
    if len(grids) == 1:
        return grids[0]
    ids = _all_ids(grids)
    order = np.argsort(ids, kind="stable")
    values = np.concatenate([grid.values for grid in grids])
    return Grid(grids[0].times, ids[order], values[order])


def _own(grid: Grid) -> Grid:
    if grid.values.base is None:
        return grid
    return replace(grid, times=grid.times.copy(), values=np.ascontiguousarray(grid.values).copy())


def _without(grid: Grid, ids: IdArray, start_ms: int, end_ms: int) -> Grid:
    first = int(np.searchsorted(grid.times, start_ms, side="left"))
    last = int(np.searchsorted(grid.times, end_ms, side="right"))
    found, rows = intersect_sorted(grid.ids, ids)
    if first >= last or not len(found):
        return grid
    values = grid.values.copy()
    values[rows, first:last] = ABSENT
    return replace(grid, values=values)
