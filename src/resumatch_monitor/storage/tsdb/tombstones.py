"""Which samples of a block have been deleted: a small file beside it, replaced whole."""

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import orjson

from resumatch_monitor.metrics.samples import ABSENT, FloatArray, TimeArray
from resumatch_monitor.storage.tsdb.disk import sync_folder
from resumatch_monitor.storage.tsdb.index import IdArray, contains

FILE_NAME = "tombstones.json"

Period = tuple[int, int]
"""The first and the last millisecond, both deleted."""


class TombstoneError(Exception):
    """The file is damaged."""


class Tombstones:
    """The deleted periods of some series, by id. Never changed: `with_deleted` makes another."""

    def __init__(self, periods: Mapping[int, Sequence[Period]]) -> None:
        self.periods = dict(periods)
        self._ids: IdArray = np.array(sorted(self.periods), dtype=np.int32)

    def __bool__(self) -> bool:
        return bool(self.periods)

    def with_deleted(self, ids: Iterable[int], period: Period) -> "Tombstones":
        """Return these and `period` of each of `ids`."""
        periods = dict(self.periods)
        for number in ids:
            periods[number] = join_periods([*periods.get(number, ()), period])
        return Tombstones(periods)

    def hide(self, ids: IdArray, times: TimeArray, values: FloatArray) -> None:
        """Make the deleted samples absent in `values`, the (ids, times) read from the block."""
        for row in np.flatnonzero(contains(self._ids, ids)).tolist():
            for start_ms, end_ms in self.periods[int(ids[row])]:
                first = int(np.searchsorted(times, start_ms, side="left"))
                last = int(np.searchsorted(times, end_ms, side="right"))
                values[row, first:last] = ABSENT


def join_periods(periods: Iterable[Period]) -> list[Period]:
    """Return the same periods in order, those that touch or overlap joined."""
    joined: list[Period] = []
    for start, end in sorted(periods):
        if joined and start <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def read_tombstones(folder: Path, ids: IdArray) -> Tombstones:
    """Return what is deleted from the block in `folder`.

    Args:
        folder: The block's.
        ids: The ids of its series, in its own order.

    Raises:
        TombstoneError: If the file is damaged.
        OSError: If it cannot be read.
    """
    try:
        raw = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return Tombstones({})
    line, _, checksum = raw.rstrip(b"\n").partition(b"\n")
    if f"{zlib.crc32(line):08x}".encode() != checksum:
        raise TombstoneError(f"{FILE_NAME} fails its checksum")
    entries = orjson.loads(line)
    return Tombstones(
        {int(ids[position]): [(start, end) for start, end in each] for position, each in entries}
    )


def write_tombstones(folder: Path, ids: IdArray, tombstones: Tombstones) -> None:
    """Replace the file in `folder` durably; `ids` as for `read_tombstones`.

    Raises:
        OSError: The file is as it was.
    """
    entries = [
        (position, tombstones.periods[number])
        for position, number in enumerate(ids.tolist())
        if number in tombstones.periods
    ]
    line = orjson.dumps(entries)
    temporary = folder / f"{FILE_NAME}.tmp"
    with temporary.open("wb") as file:
        file.write(line + f"\n{zlib.crc32(line):08x}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / FILE_NAME)
    sync_folder(folder)
