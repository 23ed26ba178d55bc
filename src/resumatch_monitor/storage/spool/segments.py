"""The files of a spool: numbered segments, and the reader's position."""

import mmap
import os
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.storage.spool.records import read_payload, walk

_SUFFIX = ".spool"
_SLOT = struct.Struct("<QQQI")
_SLOT_BYTES = 512


def segment_path(directory: Path, number: int) -> Path:
    """Return the path of a segment; names sort as numbers do."""
    return directory / f"{number:016d}{_SUFFIX}"


def list_segments(directory: Path) -> dict[int, int]:
    """Return the size of every segment by number, in order."""
    numbers = sorted(
        int(path.stem) for path in directory.glob(f"*{_SUFFIX}") if path.stem.isdigit()
    )
    return {number: segment_path(directory, number).stat().st_size for number in numbers}


def sync_directory(directory: Path) -> None:
    """Make names that were added to or removed from `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def mapped(path: Path, size: int) -> Generator[mmap.mmap]:
    """Map the first `size` bytes (more than none) of a segment for reading."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        data = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    with data:
        yield data


def count_records(path: Path, *, start: int, size: int) -> int:
    """Return how many records lie from `start` on."""
    if start >= size:
        return 0
    with mapped(path, size) as data:
        return sum(unit.is_record for unit in walk(data, start=start, end=size))


def cut_torn_tail(path: Path, size: int) -> int:
    """Cut off what a crash left half-written and return the size that remains.

    Damage that is followed by a whole record is no torn tail and stays, to be counted when it
    is read.
    """
    if size == 0:
        return 0
    whole = 0
    with mapped(path, size) as data:
        for unit in walk(data, start=0, end=size):
            if read_payload(data, unit) is not None:
                whole = unit.end
    if whole < size:
        with path.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
    return whole


class PositionFile:
    """Remembers how far the reader is, in two slots that are written in turn.

    A crash during a write spoils one slot at most; the other has the position before it.
    """

    def __init__(self, path: Path) -> None:
        is_there = path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not is_there:
            # Written, not only stretched: later writes then need no space on a full disk.
            os.pwrite(self._descriptor, bytes(2 * _SLOT_BYTES), 0)
        self._serial, self.position = max(
            (self._read_slot(0), self._read_slot(1)), key=lambda slot: slot[0]
        )

    def write(self, position: Position) -> None:
        """Make `position` durable."""
        serial = self._serial + 1
        body = _SLOT.pack(serial, position.segment, position.offset, 0)[:-4]
        record = body + struct.pack("<I", zlib.crc32(body))
        os.pwrite(self._descriptor, record, serial % 2 * _SLOT_BYTES)
        os.fdatasync(self._descriptor)
        self._serial, self.position = serial, position

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _read_slot(self, index: int) -> tuple[int, Position]:
        record = os.pread(self._descriptor, _SLOT.size, index * _SLOT_BYTES)
        if len(record) == _SLOT.size:
            serial, segment, offset, checksum = _SLOT.unpack(record)
            if serial and zlib.crc32(record[:-4]) == checksum:
                return serial, Position(segment, offset)
        return 0, Position(0, 0)
