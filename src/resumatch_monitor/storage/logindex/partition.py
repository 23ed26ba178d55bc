"""One partition as it is read: an index and the file of its records."""

import json
import logging
import os
import shutil
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tantivy

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.compiling import QueryCompiler
from resumatch_monitor.storage.logindex.frames import FrameError, read_layout
from resumatch_monitor.storage.logindex.library import aggregate
from resumatch_monitor.storage.logindex.records import (
    PartitionGoneError,
    RecordReader,
    RecordsClosedError,
    Rows,
)
from resumatch_monitor.storage.logindex.schema import NameBudget, register_analyzers

logger = logging.getLogger(__name__)

INDEX_FOLDER = "index"
RECORDS_FILE = "records"
SEAL_FILE = "sealed.json"
NAMES_FILE = "names"


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of a partition that nothing is added to any more.

    Attributes:
        rows: How many records it has.
        low_seq: The lowest place of them; 0 without any.
        high_seq: The highest.
        raw_bytes: How long the records are before they are compressed.
        first_us: When the first arrived; microseconds since the epoch.
        last_us: When the last did.
        until: Where the spool's reader went on after the last.
    """

    rows: int
    low_seq: int
    high_seq: int
    raw_bytes: int
    first_us: int
    last_us: int
    until: Position

    def write(self, folder: Path) -> None:
        """Write it down, durably: all of it or nothing."""
        path = folder / f"{SEAL_FILE}.tmp"
        with path.open("w") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        path.rename(folder / SEAL_FILE)
        sync_folder(folder)

    @classmethod
    def read(cls, folder: Path) -> "Seal | None":
        """Return what was written; None if the partition is not sealed."""
        try:
            values: dict[str, Any] = json.loads((folder / SEAL_FILE).read_text())
            until = Position(**values.pop("until"))
            return cls(until=until, **values)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            # It says nothing that cannot be found out by looking at everything.
            logger.warning("%s of the logs in %s cannot be read", SEAL_FILE, folder.name)
            return None


class Partition:
    """Answers for its records; for several threads. Somebody else adds to it.

    Attributes:
        number: Its place in the order of arrival.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = int(folder.name)
        self.names = NameBudget()
        self.rows = 0
        self.low_seq = 0
        self.high_seq = -1
        self.raw_bytes = 0
        self.first_us = 0
        self.last_us = 0
        self._lock = threading.Lock()
        self._index: tantivy.Index | None = None
        self._records: RecordReader | None = None
        self._searcher: tantivy.Searcher | None = None

    def open(self) -> None:
        """Open index and records for reading.

        Raises:
            FrameError: If one of them cannot be used as it is.
            OSError: If the folder cannot be read.
        """
        layout = read_layout(self.folder / RECORDS_FILE)
        self._records = RecordReader(self.folder / RECORDS_FILE, layout)
        try:
            index = tantivy.Index.open(str(self.folder / INDEX_FOLDER))
            register_analyzers(index)
            index.config_reader(reload_policy="manual")
            self._index = index
            self.names = read_names(self.folder)
            self.refresh()
            self._find_arrivals()
        except (ValueError, OSError) as error:
            raise FrameError(f"the index of {self.folder.name} cannot be used: {error}") from error

    def _find_arrivals(self) -> None:
        """Learn from the records themselves when the first and the last arrived."""
        if not self.rows:
            return
        lines = self.read_rows([0, self.rows - 1]).lines
        try:
            arrivals = [decode_record(line)[1].observed_us for line in lines.values()]
        except CodecError:
            arrivals = []
        if len(arrivals) < min(self.rows, 2):
            # These are damaged; no record came later than the file was written.
            arrivals.append((self.folder / RECORDS_FILE).stat().st_mtime_ns // 1000)
        self.first_us, self.last_us = min(arrivals), max(arrivals)
        # As if all were as long as those in the first block.
        block = self.records.read_block(0) or []
        self.raw_bytes = sum(map(len, block)) * self.rows // max(1, len(block))

    def refresh(self) -> None:
        """See what has been committed."""
        if self._index is None:
            return
        self._index.reload()
        searcher = self._index.searcher()
        with self._lock:
            self._searcher = searcher
            self.rows = searcher.num_docs
            if self.rows:
                answer = aggregate(
                    searcher,
                    tantivy.Query.all_query(),
                    {"low": {"min": {"field": "seq"}}, "high": {"max": {"field": "seq"}}},
                )
                # Read as floating point, they are a little beside the numbers that they were.
                self.low_seq = int(answer["low"]["value"]) - 1024
                self.high_seq = int(answer["high"]["value"]) + 1024

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._searcher = None
            self._index = None
            records, self._records = self._records, None
        if records is not None:
            records.close()

    def drop(self) -> None:
        """Close it and delete it from the disk.

        Raises:
            OSError: If the disk fails; nothing has changed, then.
        """
        # Renamed first, so that a crash in between leaves no half of a partition.
        doomed = self.folder.with_name(f"{self.folder.name}.dropped")
        self.folder.rename(doomed)
        self.close()
        shutil.rmtree(doomed, ignore_errors=True)

    @property
    def index(self) -> tantivy.Index:
        """The index, as the writer needs it."""
        index = self._index
        if index is None:
            raise PartitionGoneError(self.folder.name)
        return index

    @property
    def records(self) -> RecordReader:
        """The records by row."""
        records = self._records
        if records is None:
            raise PartitionGoneError(self.folder.name)
        return records

    def read_rows(
        self, rows: Sequence[int], may_match: Callable[[bytes], bool] | None = None
    ) -> Rows:
        """Return the lines of rows: see `RecordReader`.

        Raises:
            PartitionGoneError: If it was dropped.
        """
        try:
            return self.records.read_rows(rows, may_match)
        except RecordsClosedError:
            # Another file has taken its place, or none has.
            return self.records.read_rows(rows, may_match)

    def replace_records(self, records: RecordReader) -> None:
        """Read from another file from now on."""
        with self._lock:
            old, new = self._records, None if self._index is None else records
            self._records = new
        for closing in (old, records if new is None else None):
            if closing is not None:
                closing.close()

    @property
    def searcher(self) -> tantivy.Searcher:
        """What has been committed, as of the last refresh."""
        with self._lock:
            if self._searcher is None:
                raise PartitionGoneError(self.folder.name)
            return self._searcher

    def compiler(self) -> QueryCompiler:
        """Return what compiles queries for this partition."""
        return QueryCompiler(self.index, self.names)

    def overlaps(self, low: int, high: int) -> bool:
        """Return whether it may have records at places from `low` to below `high`."""
        return bool(self.rows) and self.low_seq < high and low <= self.high_seq

    def size_bytes(self) -> int:
        """Return how much of the disk it takes."""
        total = 0
        for path in self.folder.rglob("*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total


def read_names(folder: Path) -> NameBudget:
    """Return which names of attributes a partition knows.

    Raises:
        FrameError: If the file is damaged.
    """
    try:
        lines = (folder / NAMES_FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return NameBudget()
    # A line break ends a name; what a crash cut off has none, and was not committed.
    names = {_read_name(line) for line in lines[:-1]}
    has_others = "" in names
    names.discard("")
    return NameBudget(names, has_others)


def append_names(folder: Path, names: Sequence[str], *, has_others: bool) -> None:
    """Add names, durably."""
    path = folder / NAMES_FILE
    with path.open("r+b" if path.exists() else "w+b") as file:
        # Half a line that a crash left would spoil the first that follows.
        file.truncate(file.read().rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(b"".join(_pack_name(name) for name in ([*names, ""] if has_others else names)))
        file.flush()
        os.fdatasync(file.fileno())


def _pack_name(name: str) -> bytes:
    text = name.encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read_name(line: bytes) -> str:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise FrameError("the names of attributes are damaged")
    return text.decode()


def sync_folder(folder: Path) -> None:
    """Make what was created or renamed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
