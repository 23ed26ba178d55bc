"""Reads rows out of a partition's file of records; for several threads."""

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from resumatch_monitor.storage.logindex.codec import BlockDecompressor, CodecError
from resumatch_monitor.storage.logindex.frames import Frame, Layout, read_payload

_CACHED_BLOCKS = 64


class RecordReader:
    """The rows of a file by their number; the blocks that were read last are kept unpacked."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._lock = threading.Lock()
        self._blocks: list[Frame] = list(layout.blocks)
        self._decompressor = BlockDecompressor(layout.dictionary)
        self._cache: OrderedDict[int, list[bytes] | None] = OrderedDict()
        self._is_closed = False

    def close(self) -> None:
        """Close the file; what is read afterwards is not found."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
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

    def read_rows(self, rows: Iterable[int]) -> dict[int, bytes]:
        """Return the lines of `rows`; those that are damaged or not there are left out."""
        found: dict[int, bytes] = {}
        for row in rows:
            with self._lock:
                at = bisect_right(self._blocks, row, key=lambda block: block.first_row) - 1
                if at < 0 or row >= self._blocks[at].first_row + self._blocks[at].rows:
                    continue
                lines = self._read_block(at)
            if lines is not None and row - self._blocks[at].first_row < len(lines):
                found[row] = lines[row - self._blocks[at].first_row]
        return found

    def read_block(self, at: int) -> list[bytes] | None:
        """Return the lines of a block by its number; None if it is damaged."""
        with self._lock:
            return self._read_block(at)

    def _read_block(self, at: int) -> list[bytes] | None:
        if at in self._cache:
            self._cache.move_to_end(at)
            return self._cache[at]
        lines: list[bytes] | None = None
        if not self._is_closed:
            payload = read_payload(self._descriptor, self._blocks[at])
            if payload is not None:
                try:
                    lines = self._decompressor.unpack(payload)
                except CodecError:
                    lines = None
        self._cache[at] = lines
        while len(self._cache) > _CACHED_BLOCKS:
            self._cache.popitem(last=False)
        return lines
