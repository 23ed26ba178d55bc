"""Joins what head and blocks hold of the selected series into blocks for a query."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.samples import (
    ABSENT,
    FloatArray,
    TimeArray,
    is_absent,
)
from resumatch_monitor.storage.tsdb.index import IdArray, contains


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some series over some rows of one source.

    Attributes:
        key: The target; pieces of one target are joined along time. Empty for ragged series.
        times: (T,) ascending and distinct.
        ids: (S,) ascending.
        read: Given positions in `ids`, fills a (positions, T) array whose rows are contiguous.
    """

    key: str
    times: TimeArray
    ids: IdArray
    read: Callable[[IdArray, FloatArray], None]

    def values_of(self, ids: IdArray) -> FloatArray:
        """Return (ids, T) of series that are all in `self.ids`."""
        out = np.empty((len(ids), len(self.times)))
        self.read(np.searchsorted(self.ids, ids).astype(np.int32), out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class JoinedSeries:
    """S series that share T timestamps: `values` is (S, T), absent where there is no sample."""

    times: TimeArray
    ids: IdArray
    values: FloatArray


def join_pieces(pieces: Sequence[Piece]) -> list[JoinedSeries]:
    """Return joined series of which each appears once and has at least one sample.

    Where two pieces have a sample of a series at one time, the earlier piece in the list wins.
    """
    if not pieces:
        return []
    targets: dict[str, list[Piece]] = {}
    for piece in pieces:
        targets.setdefault(piece.key, []).append(piece)
    loose = _find_loose(targets)
    joined: list[JoinedSeries] = []
    for key, members in targets.items():
        if key:
            ids = _union_of_ids(members)
            ids = ids[~contains(loose, ids)]
            if len(ids):
                joined.append(_drop_empty(_join_target(members, ids)))
    joined.extend(_join_loose(pieces, loose))
    return [each for each in joined if len(each.ids)]


def sample_count(pieces: Iterable[Piece]) -> int:
    """Return how many cells the pieces have."""
    return sum(len(piece.ids) * len(piece.times) for piece in pieces)


def _find_loose(targets: dict[str, list[Piece]]) -> IdArray:
    """Return the series that are ragged or belong to more than one target."""
    per_target = [_union_of_ids(members) for members in targets.values()]
    ids, counts = np.unique(np.concatenate(per_target), return_counts=True)
    repeated = ids[counts > 1]
    ragged = _union_of_ids(targets.get("", []))
    return np.union1d(repeated, ragged).astype(np.int32)


def _union_of_ids(pieces: Sequence[Piece]) -> IdArray:
    if not pieces:
        return np.empty(0, dtype=np.int32)
    first = pieces[0].ids
    if all(each.ids is first or np.array_equal(each.ids, first) for each in pieces):
        return first
    return np.unique(np.concatenate([each.ids for each in pieces]))


def _join_target(pieces: Sequence[Piece], ids: IdArray) -> JoinedSeries:
    ordered = sorted(pieces, key=lambda piece: int(piece.times[0]))
    times = np.concatenate([piece.times for piece in ordered])
    is_disjoint = all(
        left.times[-1] < right.times[0] for left, right in itertools.pairwise(ordered)
    )
    if not is_disjoint:
        return _join_overlapping(pieces, ids)
    out = np.empty((len(ids), len(times)))
    begin = 0
    for piece in ordered:
        part = out[:, begin : begin + len(piece.times)]
        begin += len(piece.times)
        found = contains(piece.ids, ids)
        if not found.all():
            part[~found] = ABSENT
            part[found] = piece.values_of(ids[found])
        else:
            piece.read(np.searchsorted(piece.ids, ids).astype(np.int32), part)
    return JoinedSeries(times, ids, out)


def _join_overlapping(pieces: Sequence[Piece], ids: IdArray) -> JoinedSeries:
    times = np.unique(np.concatenate([piece.times for piece in pieces]))
    out = np.full((len(ids), len(times)), ABSENT)
    for piece in reversed(pieces):
        rows = np.flatnonzero(contains(piece.ids, ids))
        where = np.ix_(rows, np.searchsorted(times, piece.times))
        values = piece.values_of(ids[rows])
        out[where] = np.where(is_absent(values), out[where], values)
    return JoinedSeries(times, ids, out)


def _join_loose(pieces: Sequence[Piece], loose: IdArray) -> Iterable[JoinedSeries]:
    if not len(loose):
        return
    samples: dict[int, list[tuple[TimeArray, FloatArray]]] = {}
    for piece in pieces:
        ids = piece.ids[contains(loose, piece.ids)]
        if not len(ids):
            continue
        values = piece.values_of(ids)
        present = ~is_absent(values)
        numbers: list[int] = ids.tolist()
        for number, row, mask in zip(numbers, values, present, strict=True):
            part = (piece.times, row) if mask.all() else (piece.times[mask], row[mask])
            samples.setdefault(number, []).append(part)
    groups: dict[bytes, tuple[TimeArray, list[int], list[FloatArray]]] = {}
    for number, parts in samples.items():
        times, values = _merge_samples(parts)
        if len(times):
            _, numbers, rows = groups.setdefault(times.tobytes(), (times, [], []))
            numbers.append(number)
            rows.append(values)
    for times, numbers, rows in groups.values():
        yield JoinedSeries(times, np.array(numbers, dtype=np.int32), np.stack(rows))


def _merge_samples(
    parts: Sequence[tuple[TimeArray, FloatArray]],
) -> tuple[TimeArray, FloatArray]:
    if len(parts) == 1:
        return parts[0]
    # `unique` keeps the first of equals, and so the earlier part's value.
    times, first = np.unique(np.concatenate([times for times, _ in parts]), return_index=True)
    return times, np.concatenate([values for _, values in parts])[first]


def _drop_empty(joined: JoinedSeries) -> JoinedSeries:
    values = joined.values
    # Nearly every series has a sample at one end, which is quicker to see than all of it.
    doubtful = np.flatnonzero(is_absent(values[:, 0]) & is_absent(values[:, -1]))
    if not len(doubtful):
        return joined
    empty = doubtful[is_absent(values[doubtful]).all(axis=1)]
    return JoinedSeries(
        joined.times, np.delete(joined.ids, empty), np.delete(values, empty, axis=0)
    )
