"""The file of a partition's records: a header, then frames that each know whether they are whole.

A file is only ever appended to. A commit frame says how many rows lie before it and how far the
spool has been read, so that rows and place become durable together, with one fdatasync.
"""

import os
import re
import struct
import zlib
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from resumatch_monitor.kit.spool import Position

MAGIC = b"RMLOG\x00\x00\x01"
_HEADER = struct.Struct("<BxxxIIIQ")
"""Kind, length of the payload, checksum of that and what is summed, rows, first row."""
_SUMMED = struct.Struct("<BIQ")
_COMMIT = struct.Struct("<QQQ")
"""Rows, segment and offset of the spool."""
_LARGEST_FRAME = 256 * 1024 * 1024
_FRAME_START = re.compile(rb"[\x02\x03]\x00\x00\x00")
_STRETCH = 1024 * 1024


class FrameKind(IntEnum):
    """What a frame holds."""

    DICTIONARY = 1
    BLOCK = 2
    COMMIT = 3


class FrameError(Exception):
    """The file is not one of records, or of a later version."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a frame lies: `offset` is that of its payload."""

    kind: FrameKind
    offset: int
    length: int
    checksum: int
    rows: int
    first_row: int

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Commit:
    """Up to here everything is whole.

    Attributes:
        rows: How many there are before it.
        until: Where the spool's reader goes on.
        end: Where the file goes on.
    """

    rows: int
    until: Position
    end: int


def pack_frame(kind: FrameKind, payload: bytes, *, rows: int = 0, first_row: int = 0) -> bytes:
    """Return a frame as it is written."""
    checksum = _sum_up(kind, payload, rows, first_row)
    return _HEADER.pack(kind, len(payload), checksum, rows, first_row) + payload


def pack_commit(rows: int, until: Position) -> bytes:
    """Return a commit frame as it is written."""
    payload = _COMMIT.pack(rows, until.segment, until.offset)
    return pack_frame(FrameKind.COMMIT, payload, first_row=rows)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds, as far as its frames hang together.

    Attributes:
        dictionary: What its blocks are compressed with.
        blocks: In order.
        commits: In order.
        end: Where the last whole frame ends.
    """

    dictionary: bytes | None
    blocks: tuple[Frame, ...]
    commits: tuple[Commit, ...]
    end: int

    @property
    def rows(self) -> int:
        """How many rows the blocks have."""
        return self.blocks[-1].first_row + self.blocks[-1].rows if self.blocks else 0

    def commit_at(self, rows: int) -> Commit | None:
        """Return the last commit with exactly so many rows."""
        at = bisect_right(self.commits, rows, key=lambda commit: commit.rows) - 1
        return self.commits[at] if at >= 0 and self.commits[at].rows == rows else None


def read_layout(path: Path) -> Layout:
    """Find the frames of a file; what lies between them and is none is left out.

    Checksums of blocks are not looked at here (that would read everything), but when a block is.

    Raises:
        FrameError: If it is no file of records that this version can read.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise FrameError(f"{path.name} is no file of records of this version")
        size = os.fstat(file.fileno()).st_size
        dictionary: bytes | None = None
        blocks: list[Frame] = []
        commits: list[Commit] = []
        end = len(MAGIC)
        for frame in _walk(file.fileno(), len(MAGIC), size):
            if frame.kind is FrameKind.BLOCK:
                blocks.append(frame)
            else:
                payload = read_payload(file.fileno(), frame)
                if payload is None:
                    continue
                if frame.kind is FrameKind.DICTIONARY:
                    dictionary = payload
                else:
                    rows, segment, offset = _COMMIT.unpack(payload)
                    commits.append(Commit(rows, Position(segment, offset), frame.end))
            end = frame.end
    return Layout(dictionary, tuple(blocks), tuple(commits), end)


def read_payload(descriptor: int, frame: Frame) -> bytes | None:
    """Return what a frame holds; None if it is damaged."""
    payload = os.pread(descriptor, frame.length, frame.offset)
    found = _sum_up(frame.kind, payload, frame.rows, frame.first_row)
    return payload if found == frame.checksum else None


def _sum_up(kind: FrameKind, payload: bytes, rows: int, first_row: int) -> int:
    return zlib.crc32(payload, zlib.crc32(_SUMMED.pack(kind, rows, first_row)))


def _walk(descriptor: int, offset: int, size: int) -> Generator[Frame]:
    """Yield the frames that hang together, going on beyond what is damaged."""
    rows = 0
    before: Frame | None = None
    while offset + _HEADER.size <= size:
        frame = _read_header(descriptor, offset, size)
        if frame is None or (frame.kind is not FrameKind.DICTIONARY and frame.first_row != rows):
            if before is not None and read_payload(descriptor, before) is None:
                # It is the head of the frame before that is damaged, its length or its rows.
                rows, offset, before = before.first_row, before.offset, None
            frame = _find_next(descriptor, offset, size, rows)
            if frame is None:
                break
        if before is not None:
            yield before
        before = frame
        rows, offset = frame.first_row + frame.rows, frame.end
    if before is not None:
        yield before


def _read_header(descriptor: int, offset: int, size: int) -> Frame | None:
    """Return the frame that begins at `offset`; None if none does."""
    header = os.pread(descriptor, _HEADER.size, offset)
    if len(header) < _HEADER.size:
        return None
    kind, length, checksum, rows, first_row = _HEADER.unpack(header)
    start = offset + _HEADER.size
    is_known = kind in (FrameKind.DICTIONARY, FrameKind.BLOCK, FrameKind.COMMIT)
    # What a crash left half written may look like anything.
    if not is_known or length > _LARGEST_FRAME or start + length > size:
        return None
    return Frame(FrameKind(kind), start, length, checksum, rows, first_row)


def _find_next(descriptor: int, offset: int, size: int, rows: int) -> Frame | None:
    """Return the next frame from `offset` on that is whole beyond doubt; None if there is none."""
    while offset < size:
        stretch = os.pread(descriptor, _STRETCH + _HEADER.size, offset)
        for match in _FRAME_START.finditer(stretch, 0, min(len(stretch), _STRETCH + 3)):
            frame = _read_header(descriptor, offset + match.start(), size)
            if frame is None or frame.first_row < rows:
                continue
            if read_payload(descriptor, frame) is not None:
                return frame
        offset += _STRETCH
    return None
