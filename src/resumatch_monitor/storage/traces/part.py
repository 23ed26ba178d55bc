"""A part as readers know it: where it is, what times it holds, connections to it."""

import queue
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resumatch_monitor.storage.traces.codec import Decompressor
from resumatch_monitor.storage.traces.schema import VERSION, open_reader, read_version

_IDLE_READERS = 2
_SUFFIXES = ("", "-wal", "-shm")


class PartGoneError(Exception):
    """The part has been given up; what was in it is gone."""


class PartVersionError(Exception):
    """The part is of another version of the monitor."""


@dataclass(frozen=True, slots=True)
class PartName:
    """A part's place in the order of parts, and how often it was thinned.

    Attributes:
        number: Counts up with each part that was begun.
        generation: 0 as it was written.
    """

    number: int
    generation: int = 0

    @classmethod
    def parse(cls, name: str) -> "PartName | None":
        """Return what a file's name says; None if it is not a part's."""
        number, _, rest = name.partition(".")
        generation, _, kind = rest.partition(".")
        if kind != "sqlite3" or not number.isdigit() or not generation.isdigit():
            return None
        return cls(int(number), int(generation))

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.number:08d}.{self.generation}.sqlite3"


@dataclass(slots=True)
class Extent:
    """From when to when the segments of a part began, in microseconds since the epoch."""

    earliest_us: int = 2**62
    latest_us: int = 0

    def add(self, started_us: int) -> None:
        """Extend it to a moment."""
        self.earliest_us = min(self.earliest_us, started_us)
        self.latest_us = max(self.latest_us, started_us)


@dataclass(slots=True)
class Reader:
    """A connection for one thread at a time, with what unpacks the part's payloads."""

    connection: sqlite3.Connection
    decompressors: dict[int, Decompressor] = field(default_factory=dict[int, Decompressor])

    def decompress(self, dict_id: int, payload: bytes) -> bytes:
        """Return a fragment's bytes.

        Raises:
            CodecError: If they are damaged.
        """
        decompressor = self.decompressors.get(dict_id)
        if decompressor is None:
            row = self.connection.execute(
                "SELECT data FROM dictionaries WHERE id = ?", (dict_id,)
            ).fetchone()
            decompressor = Decompressor(row[0] if row else None)
            self.decompressors[dict_id] = decompressor
        return decompressor.decompress(payload)


class Part:
    """One file of traces, to be read by several threads until it is dropped.

    Attributes:
        changes: How often something was changed in it after a later part was begun.
    """

    def __init__(self, folder: Path, name: PartName) -> None:
        self.name = name
        self.path = folder / name.file_name
        self.extent = Extent()
        self.created_ms = 0
        self.latest_ms = 0
        self.changes = 0
        self._idle: queue.LifoQueue[Reader] = queue.LifoQueue()
        self._is_dropped = threading.Event()

    def load(self) -> None:
        """Read what times it holds.

        Raises:
            PartVersionError: If it is of another version.
            sqlite3.Error: If it cannot be read.
        """
        with self.read() as reader:
            connection = reader.connection
            if read_version(connection) != VERSION:
                raise PartVersionError(f"{self.path.name} is of another version of the monitor")
            earliest, latest = connection.execute(
                "SELECT (SELECT min(started_us) FROM segments),"
                " (SELECT max(started_us) FROM segments)"
            ).fetchone()
            if earliest is not None:
                self.extent = Extent(earliest, latest)
            row = connection.execute(
                "SELECT received_ms FROM segments ORDER BY id DESC LIMIT 1"
            ).fetchone()
            created = connection.execute(
                "SELECT value FROM meta WHERE key = 'created_ms'"
            ).fetchone()
        self.created_ms = created[0] if created else 0
        self.latest_ms = row[0] if row else self.created_ms

    @property
    def size_bytes(self) -> int:
        """How much of the disk it takes."""
        return sum(_size(Path(f"{self.path}{suffix}")) for suffix in _SUFFIXES)

    @contextmanager
    def read(self) -> Generator[Reader]:
        """Lend a connection.

        Raises:
            PartGoneError: If the part has been dropped.
            sqlite3.Error: If it cannot be opened.
        """
        if self._is_dropped.is_set():
            raise PartGoneError(self.path.name)
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = Reader(open_reader(self.path))
        try:
            yield reader
        except BaseException:
            reader.connection.close()
            raise
        if self._is_dropped.is_set() or self._idle.qsize() >= _IDLE_READERS:
            reader.connection.close()
        else:
            self._idle.put(reader)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while True:
            try:
                self._idle.get_nowait().connection.close()
            except queue.Empty:
                return

    def drop(self) -> None:
        """Give the part up: delete its files. Who is reading reads on.

        Raises:
            OSError: If its files cannot be deleted.
        """
        self._is_dropped.set()
        self.close()
        for suffix in _SUFFIXES:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
