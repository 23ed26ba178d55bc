"""The latest exemplars, in memory and in a log that survives the process."""

import asyncio
import logging
import os
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import orjson

from resumatch_monitor.metrics.exemplar_ring import ExemplarRing
from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.storage.spool.records import encode_header, read_payload, walk
from resumatch_monitor.storage.tsdb.disk import Disk, LocalDisk, sync_folder

logger = logging.getLogger(__name__)

_NAME = "exemplars.log"
_FRESH_NAME = "exemplars.new"
_DOUBLE = struct.Struct("<d")
_BITS = struct.Struct("<Q")
_RECORD_SIZE = 1000


class ExemplarLog:
    """An `ExemplarStore`: `open`, then use, then `close`.

    The log holds up to two times what is kept; then what is kept is written anew. A record that is
    cut off or damaged is left out, the rest is read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        capacity: int,
        min_free_bytes: int = 0,
        disk: Disk | None = None,
    ) -> None:
        self._folder = folder
        self._capacity = capacity
        self._min_free_bytes = min_free_bytes
        self._disk = disk or LocalDisk()
        self._ring = ExemplarRing(capacity)
        self._written = 0
        self._descriptor: int | None = None
        self._unsaved: list[SeriesExemplars] = []
        self._writing = asyncio.Lock()

    def open(self) -> None:
        """Read what is on disk; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ring = ExemplarRing(self._capacity)
        path = self._folder / _NAME
        if path.exists():
            self._ring.add(list(_read(path)))
        # What is cut off at the end goes with the old file.
        self._rewrite()

    def close(self) -> None:
        """Close the log; everything acknowledged is in it. May be called again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    async def append(self, found: Sequence[SeriesExemplars]) -> None:
        """See `ExemplarStore`."""
        self._unsaved.extend(self._ring.add(found))
        if not self._unsaved:
            return
        async with self._writing:
            # Whoever had the lock may have saved these too.
            unsaved, self._unsaved = self._unsaved, []
            if not unsaved:
                return
            try:
                await asyncio.to_thread(self._save, unsaved)
            except BaseException as error:
                # The ring knows them, so nobody would bring them again.
                self._unsaved[:0] = unsaved
                del self._unsaved[self._capacity :]
                if isinstance(error, OSError):
                    raise StoreFullError(
                        f"the exemplars cannot be written: {error.strerror or error}"
                    ) from error
                raise

    def find(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, limit: int
    ) -> list[SeriesExemplars]:
        """See `ExemplarStore`."""
        return self._ring.find(matchers, start_ms, end_ms, limit=limit)

    def _save(self, found: Sequence[SeriesExemplars]) -> None:
        free = self._disk.free_bytes(self._folder)
        if free < self._min_free_bytes:
            raise StoreFullError(
                f"only {free} bytes of disk are free, fewer than the"
                f" {self._min_free_bytes} of storage.min_free_bytes"
            )
        count = sum(len(each.exemplars) for each in found)
        if self._descriptor is None:
            raise OSError("the exemplars are not open")
        if self._written + count > 2 * self._capacity:
            self._rewrite()
            return
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write(self._descriptor, found)
            os.fdatasync(self._descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise
        self._written += count

    def _rewrite(self) -> None:
        """Write what is kept, and nothing else, into a file that takes the old one's place."""
        fresh = self._folder / _FRESH_NAME
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(fresh, flags, 0o640)
        try:
            kept = list(self._ring.everything())
            for begin in range(0, len(kept), _RECORD_SIZE):
                _write(descriptor, kept[begin : begin + _RECORD_SIZE])
            os.fdatasync(descriptor)
            fresh.replace(self._folder / _NAME)
            sync_folder(self._folder)
        except BaseException:
            os.close(descriptor)
            raise
        self.close()
        self._descriptor, self._written = descriptor, len(kept)


def _write(descriptor: int, found: Iterable[SeriesExemplars]) -> None:
    payload = orjson.dumps(
        [
            [
                each.series.pairs,
                [[one.labels, _to_bits(one.value), one.timestamp_ms] for one in each.exemplars],
            ]
            for each in found
        ]
    )
    rest = memoryview(encode_header(payload) + payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read(path: Path) -> Iterable[SeriesExemplars]:
    if not path.stat().st_size:
        return
    damaged = 0
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for unit in walk(data, start=0, end=len(data)):
            payload = read_payload(data, unit)
            if payload is None:
                damaged += unit.end - unit.start
                continue
            for pairs, exemplars in orjson.loads(payload):
                yield SeriesExemplars(
                    Labels(map(tuple, pairs)), [_to_exemplar(*each) for each in exemplars]
                )
    if damaged:
        logger.warning("%d bytes of %s are damaged and left out", damaged, path.name)


def _to_exemplar(pairs: Any, bits: int, timestamp_ms: int) -> Exemplar:
    labels = tuple((name, value) for name, value in pairs)
    return Exemplar(labels, _DOUBLE.unpack(_BITS.pack(bits))[0], timestamp_ms)


def _to_bits(value: float) -> int:
    (bits,) = _BITS.unpack(_DOUBLE.pack(value))
    return bits
