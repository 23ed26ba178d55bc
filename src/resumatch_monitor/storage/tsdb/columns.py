"""Rows of a target that are complete, turned round: what reading a series touches lies together.

Most series count something, and a whole number takes half the memory of a floating one. So the
columns that whole numbers can stand for, to the bit, are kept as such.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import ABSENT, FloatArray
from resumatch_monitor.storage.tsdb.index import IdArray

_COLUMNS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class ClosedColumns:
    """W columns of T values; never changed.

    Attributes:
        place: (W,) the row of a column in `whole`, or -1 minus its row in `floating`.
        whole: (I, T).
        floating: (W - I, T).
    """

    place: IdArray
    whole: npt.NDArray[np.int32]
    floating: FloatArray

    @classmethod
    def of(cls, rows: FloatArray) -> "ClosedColumns":
        """Return the columns of (T, W) rows."""
        count, width = rows.shape
        is_whole = np.empty(width, dtype=np.bool_)
        for first in range(0, width, _COLUMNS_AT_ONCE):
            part = rows[:, first : first + _COLUMNS_AT_ONCE]
            is_whole[first : first + _COLUMNS_AT_ONCE] = _stays_the_same(part)
        place = np.empty(width, dtype=np.int32)
        whole = np.empty((int(is_whole.sum()), count), dtype=np.int32)
        floating = np.empty((width - len(whole), count))
        place[is_whole] = np.arange(len(whole))
        place[~is_whole] = -1 - np.arange(len(floating))
        whole[:] = rows[:, is_whole].T
        floating[:] = rows[:, ~is_whole].T
        return cls(place, whole, floating)

    def read(self, columns: IdArray, first: int, last: int, out: FloatArray) -> None:
        """Fill `out`, (len(columns), last - first), with the values numbered `first` to `last`."""
        place = self.place[columns]
        is_whole = place >= 0
        if is_whole.all():
            out[:] = self.whole[place, first:last]
        elif not is_whole.any():
            out[:] = self.floating[-1 - place, first:last]
        else:
            out[is_whole] = self.whole[place[is_whole], first:last]
            out[~is_whole] = self.floating[-1 - place[~is_whole], first:last]

    def without(self, columns: IdArray, first: int, last: int) -> "ClosedColumns":
        """Return the same with the values numbered `first` to `last` of some columns absent."""
        rows = np.empty((len(self.place), self.whole.shape[1]))
        self.read(np.arange(len(rows), dtype=np.int32), 0, rows.shape[1], rows)
        rows[columns, first:last] = ABSENT
        return ClosedColumns.of(rows.T)


def _stays_the_same(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """Return of (T, W) rows in which columns nothing is lost by whole numbers of 32 bits."""
    # What is no number, or too large, comes out as another; and -0 has other bits than 0.
    with np.errstate(invalid="ignore"):
        back = rows.astype(np.int32).astype(np.float64)
    same: npt.NDArray[np.bool_] = (back.view(np.uint64) == _bits(rows)).all(axis=0)
    return same


def _bits(rows: FloatArray) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(rows).view(np.uint64)
