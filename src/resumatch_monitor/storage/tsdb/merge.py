"""Joins what head and blocks hold of the selected series into blocks for a query.

A source (some rows of a target in the head, a table of a sealed block, …) is a piece: some series
over some timestamps. Series that occur in the same pieces are joined together, so that the work
on each is that of a few array operations for all of them, and nothing is read before it is needed.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray, is_absent
from resumatch_monitor.storage.tsdb.index import IdArray, contains, distinct

_MIX = np.uint64(0x9E3779B97F4A7C15)
_MIX_MORE = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some series over some rows of one source.

    Attributes:
        times: (T,) ascending and distinct.
        ids: (S,) ascending.
        read: Given positions in `ids`, fills a (positions, T) array whose rows are contiguous.
    """

    times: TimeArray
    ids: IdArray
    read: Callable[[IdArray, FloatArray], None]

    def fill(self, ids: IdArray, out: FloatArray) -> None:
        """Fill (ids, T) with the values of series that are all in `self.ids`."""
        self.read(np.searchsorted(self.ids, ids).astype(np.int32), out)


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSeries:
    """S series that share T timestamps; `read` returns some of their rows.

    Attributes:
        times: (T,) ascending and distinct.
        ids: (S,) ascending.
        pieces: Where their samples are; of two samples at one time the earlier piece's counts.
        is_disjoint: Whether the pieces follow each other in time.
    """

    times: TimeArray
    ids: IdArray
    pieces: Sequence[Piece]
    is_disjoint: bool

    def read(self, first: int, last: int) -> FloatArray:
        """Return (last - first, T), absent where there is no sample."""
        ids = self.ids[first:last]
        if not self.is_disjoint:
            return self._read_overlapping(ids)
        out = np.empty((len(ids), len(self.times)))
        begin = 0
        for piece in self.pieces:
            end = begin + len(piece.times)
            piece.fill(ids, out[:, begin:end])
            begin = end
        return out

    def _read_overlapping(self, ids: IdArray) -> FloatArray:
        out = np.full((len(ids), len(self.times)), ABSENT)
        for piece in reversed(self.pieces):
            values = np.empty((len(ids), len(piece.times)))
            piece.fill(ids, values)
            columns = np.searchsorted(self.times, piece.times)
            out[:, columns] = np.where(is_absent(values), out[:, columns], values)
        return out


def join_pieces(pieces: Sequence[Piece]) -> list[JoinedSeries]:
    """Return joined series of which each appears once.

    Where two pieces have a sample of a series at one time, the earlier piece in the list wins.
    """
    return [_join([pieces[each] for each in found], ids) for found, ids in _partition(pieces)]


def sample_count(pieces: Iterable[Piece]) -> int:
    """Return how many cells the pieces have."""
    return sum(len(piece.ids) * len(piece.times) for piece in pieces)


def hash_runs(
    values: npt.NDArray[np.uint64], begins: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return a hash of each run of `values`; runs of the same distinct values have the same one.

    Args:
        values: (N,)
        begins: (R,) where the runs begin; the first is 0, none is empty.
    """
    mixed = (values + _MIX) * _MIX
    mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX_MORE
    mixed ^= mixed >> np.uint64(32)
    return np.add.reduceat(mixed, begins)


def _partition(pieces: Sequence[Piece]) -> list[tuple[list[int], IdArray]]:
    """Return which pieces the series are in: lists of pieces, each with its series."""
    members = _group_by_ids(pieces)
    if not members:
        return []
    if len(members) == 1:
        return [(members[0], pieces[members[0][0]].ids)]
    sets = [pieces[each[0]].ids for each in members]
    ids = np.concatenate(sets)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=-1))
    if len(begins) == len(ids):
        return list(zip(members, sets, strict=True))
    set_of = np.repeat(np.arange(len(sets)), [len(each) for each in sets])[order]
    counts = np.diff(begins, append=len(ids))
    signatures = hash_runs(set_of.astype(np.uint64), begins)
    groups, inverse = np.unique(signatures + counts.astype(np.uint64), return_inverse=True)
    by_group = np.argsort(inverse, kind="stable")
    bounds = np.searchsorted(inverse[by_group], np.arange(len(groups) + 1))
    found: list[tuple[list[int], IdArray]] = []
    for first, last in itertools.pairwise(bounds.tolist()):
        runs = begins[by_group[first:last]]
        size = int(counts[by_group[first]])
        numbers: list[int] = set_of[runs[0] : runs[0] + size].tolist()
        joined = sorted(each for number in numbers for each in members[number])
        found.append((joined, ordered[runs]))
    return found


def _group_by_ids(pieces: Sequence[Piece]) -> list[list[int]]:
    """Return the positions of pieces that hold the same series."""
    groups: dict[bytes, list[int]] = {}
    known: dict[int, bytes] = {}
    for number, piece in enumerate(pieces):
        key = known.get(id(piece.ids))
        if key is None:
            key = known[id(piece.ids)] = piece.ids.tobytes()
        groups.setdefault(key, []).append(number)
    return list(groups.values())


def _join(pieces: Sequence[Piece], ids: IdArray) -> JoinedSeries:
    if len(pieces) == 1:
        return JoinedSeries(pieces[0].times, ids, pieces, is_disjoint=True)
    ordered = sorted(pieces, key=lambda piece: int(piece.times[0]))
    is_disjoint = all(
        left.times[-1] < right.times[0] for left, right in itertools.pairwise(ordered)
    )
    times = np.concatenate([piece.times for piece in ordered])
    if is_disjoint:
        return JoinedSeries(times, ids, ordered, is_disjoint=True)
    return JoinedSeries(distinct(times), ids, pieces, is_disjoint=False)


def intersect_sorted(ids: IdArray, wanted: IdArray) -> tuple[IdArray, IdArray]:
    """Return those of `wanted` that are in `ids`, and their positions there; both ascending."""
    # Most of what is held in small parts has nothing to do with what is asked for.
    if not len(ids) or not len(wanted) or ids[-1] < wanted[0] or wanted[-1] < ids[0]:
        return ids[:0], np.empty(0, dtype=np.int32)
    if len(ids) == len(wanted) and np.array_equal(ids, wanted):
        return ids, np.arange(len(ids), dtype=np.int32)
    few, many = (wanted, ids) if len(wanted) <= len(ids) else (ids, wanted)
    found = few[contains(many, few)]
    return found, np.searchsorted(ids, found).astype(np.int32)
