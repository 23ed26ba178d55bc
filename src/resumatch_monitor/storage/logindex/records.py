"""Reads rows out of a partition's file of records; for several threads."""

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resumatch_monitor.storage.logindex.codec import BlockDecompressor, CodecError
from resumatch_monitor.storage.logindex.frames import Frame, Layout, read_payload

_CACHED_BYTES = 2 * 1024 * 1024


class PartitionGoneError(Exception):
    """The partition was dropped while somebody looked at it."""


class RecordsClosedError(PartitionGoneError):
    """The file was closed meanwhile: it was dropped, or another took its place."""


@dataclass(slots=True)
class Rows:
    """What was found of rows that were asked for.

    Attributes:
        lines: By number, those that may be meant.
        damaged: Those that cannot be read, or are not there.
    """

    lines: dict[int, bytes] = field(default_factory=dict[int, bytes])
    damaged: set[int] = field(default_factory=set[int])


class RecordReader:
    """The rows of a file by their number; the blocks that were read last are kept unpacked."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._lock = threading.Lock()
        self._blocks: list[Frame] = list(layout.blocks)
        self._decompressor = BlockDecompressor(layout.dictionary)
        self._cache: OrderedDict[int, bytes | None] = OrderedDict()
        self._cached_bytes = 0
        self._is_closed = False

    def close(self) -> None:
        """Close the file; who reads afterwards is told so."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._cache.clear()
                os.close(self._descriptor)

    def extend(self, blocks: Sequence[Frame]) -> None:
        """Add blocks that were appended."""
        with self._lock:
            self._blocks.extend(blocks)

    @property
    def blocks(self) -> Sequence[Frame]:
        """The blocks, in order."""
        with self._lock:
            return tuple(self._blocks)

    def read_rows(
        self, rows: Iterable[int], may_match: Callable[[bytes], bool] | None = None
    ) -> Rows:
        """Return the lines of `rows`.

        Args:
            rows: In any order; those that lie together are read best together.
            may_match: Tells of many lines at once, or of one, whether one of them may be meant;
                lines of which it denies it are left out.

        Raises:
            RecordsClosedError: If the file was closed.
        """
        found = Rows()
        by_block: dict[int, list[int]] = {}
        with self._lock:
            blocks = self._blocks
            for row in rows:
                at = bisect_right(blocks, row, key=_first_row) - 1
                if at < 0 or row >= blocks[at].first_row + blocks[at].rows:
                    found.damaged.add(row)
                else:
                    by_block.setdefault(at, []).append(row)
        for at, inside in by_block.items():
            data = self._read(at)
            if data is None:
                found.damaged.update(inside)
            elif may_match is None or may_match(data):
                _pick(data, blocks[at].first_row, inside, found, may_match)
        return found

    def read_block(self, at: int) -> list[bytes] | None:
        """Return the lines of a block by its number; None if it is damaged.

        Raises:
            RecordsClosedError: If the file was closed.
        """
        data = self._read(at)
        return None if data is None else data.split(b"\n")

    def _read(self, at: int) -> bytes | None:
        # The lock is held for one block at a time, so that no search waits long for another.
        with self._lock:
            if self._is_closed:
                raise RecordsClosedError
            if at in self._cache:
                self._cache.move_to_end(at)
                return self._cache[at]
            data: bytes | None = None
            payload = read_payload(self._descriptor, self._blocks[at])
            if payload is not None:
                try:
                    data = self._decompressor.unpack(payload)
                except CodecError:
                    data = None
            self._cache[at] = data
            self._cached_bytes += len(data or b"")
            # The one that was just read stays in any case.
            while self._cached_bytes > _CACHED_BYTES and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= len(oldest or b"")
            return data


def _first_row(block: Frame) -> int:
    return block.first_row


def _pick(
    data: bytes,
    first_row: int,
    rows: Sequence[int],
    found: Rows,
    may_match: Callable[[bytes], bool] | None,
) -> None:
    lines = data.split(b"\n")
    for row in rows:
        number = row - first_row
        if number >= len(lines):
            found.damaged.add(row)
        elif may_match is None or may_match(lines[number]):
            found.lines[row] = lines[number]
