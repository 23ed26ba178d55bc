"""Tables to be written that are put together of many pieces, a few rows at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from resumatch_monitor.metrics.samples import FloatArray, TimeArray
from resumatch_monitor.storage.tsdb.index import IdArray
from resumatch_monitor.storage.tsdb.merge import JoinedSeries, Piece, join_pieces


class TableSource(Protocol):
    """A table to be written."""

    @property
    def key(self) -> str:
        """The target's key, empty for what was pushed."""
        ...

    @property
    def times(self) -> TimeArray:
        """(T,) ascending and distinct."""
        ...

    @property
    def ids(self) -> IdArray:
        """(S,) ascending."""
        ...

    def read(self, first: int, last: int) -> FloatArray:
        """Return (last - first, T): the values of `ids[first:last]`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class JoinedTable:
    """Series that have the same timestamps although they are joined of different pieces.

    Attributes:
        members: Which have these timestamps; no series is in two of them.
        ids: (S,) of all of them, ascending.
        member_of: (S,) in which of `members` each is.
        place: (S,) its row there.
    """

    members: Sequence[JoinedSeries]
    ids: IdArray
    member_of: IdArray
    place: IdArray
    key: str = ""

    @property
    def times(self) -> TimeArray:
        """(T,) ascending and distinct."""
        return self.members[0].times

    def read(self, first: int, last: int) -> FloatArray:
        if len(self.members) == 1:
            return self.members[0].read(first, last)
        owners, places = self.member_of[first:last], self.place[first:last]
        out = np.empty((len(owners), len(self.times)))
        for owner in np.flatnonzero(np.bincount(owners)).tolist():
            rows = np.flatnonzero(owners == owner)
            # Both are in the order of the ids, so what is asked of one member are neighbours there.
            out[rows] = self.members[owner].read(int(places[rows[0]]), int(places[rows[-1]]) + 1)
        return out


def tables_of_pieces(pieces: Sequence[Piece]) -> Iterator[TableSource]:
    """Yield what `pieces` hold as tables, in as few of them as there are grids of timestamps."""
    groups: dict[bytes, list[JoinedSeries]] = {}
    for joined in join_pieces(pieces):
        groups.setdefault(joined.times.tobytes(), []).append(joined)
    for members in groups.values():
        ids = np.concatenate([member.ids for member in members])
        sizes = [len(member.ids) for member in members]
        order = np.argsort(ids, kind="stable")
        yield JoinedTable(
            members,
            ids[order],
            np.repeat(np.arange(len(members), dtype=np.int32), sizes)[order],
            np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])[order],
        )
