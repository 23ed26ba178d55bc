"""The partitions there are: opened when the monitor starts, mended, packed anew, dropped."""

import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.storage.logindex.frames import FrameError, Layout, read_layout
from resumatch_monitor.storage.logindex.partition import RECORDS_FILE, Partition, Seal
from resumatch_monitor.storage.logindex.records import RecordReader
from resumatch_monitor.storage.logindex.recovery import (
    StoppedError,
    is_index_whole,
    rebuild_index,
    recover_unsealed,
)
from resumatch_monitor.storage.logindex.sealing import is_repacked, repack

logger = logging.getLogger(__name__)

REBUILT_AT_ONCE = 50_000
"""Records for whose index a start waits; more take too long."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How a partition was found.

    Attributes:
        unsealed: The partition, if it can be searched and more may be added.
        until: Where the spool's reader goes on after it.
    """

    unsealed: Partition | None
    until: Position | None


class Shelf:
    """Holds the partitions of a folder, for several threads.

    A partition is out while no search can see it: it is damaged, or its index is being made anew
    in the background.

    Attributes:
        latest: The number of the last partition; 0 without any.
        dictionary: For the records of the next.
    """

    def __init__(self, folder: Path, *, rebuilt_at_once: int = REBUILT_AT_ONCE) -> None:
        self._folder = folder
        self._rebuilt_at_once = rebuilt_at_once
        self.latest = 0
        self.dictionary: bytes | None = None
        self._lock = threading.Lock()
        self._partitions: dict[int, Partition] = {}
        self._out: set[int] = set()
        self._stopping = threading.Event()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="logs-seal")

    def open(self) -> Opened:
        """Find the partitions and open them; return how the latest was found.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        numbers: list[int] = []
        for path in sorted(self._folder.iterdir()):
            if path.name.endswith((".new", ".dropped")):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.isdigit() and path.is_dir():
                numbers.append(int(path.name))
        self.latest = max(numbers, default=0)
        unsealed: Partition | None = None
        until: Position | None = None
        for number in sorted(numbers):
            opened = self._open_partition(number)
            unsealed, until = opened.unsealed, opened.until or until
        return Opened(unsealed, until)

    def stop(self) -> None:
        """End what goes on in the background; blocks."""
        self._stopping.set()
        self._background.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Close all partitions."""
        for each in self.partitions():
            each.close()

    def folder_of(self, number: int) -> Path:
        """Return where a partition is."""
        return self._folder / f"{number:08d}"

    def partitions(self) -> list[Partition]:
        """Return all that can be searched, the oldest first."""
        with self._lock:
            return [self._partitions[number] for number in sorted(self._partitions)]

    def out(self) -> int:
        """Return how many cannot be searched."""
        with self._lock:
            return len(self._out)

    def put(self, partition: Partition) -> None:
        """Let a partition be searched, instead of the one that had its number."""
        with self._lock:
            replaced = self._partitions.get(partition.number)
            self._partitions[partition.number] = partition
            self._out.discard(partition.number)
        if replaced is not None:
            replaced.close()

    def drop(self, partition: Partition) -> None:
        """Delete a partition from the disk.

        Raises:
            OSError: If the disk fails; the partition is still there, then.
        """
        partition.drop()
        with self._lock:
            del self._partitions[partition.number]

    def leave(self, number: int, error: BaseException) -> None:
        """Leave a partition where it is, for it cannot be read."""
        logger.error("Logs in %s cannot be read, and are left where they are: %s", number, error)
        self._put_out(number)

    def repack(self, partition: Partition) -> None:
        """Pack the records of a sealed partition anew, in the background."""
        self._background.submit(self._repack, partition)

    def rebuild(self, number: int) -> None:
        """Make the index of a partition anew, in the background; until then it is out.

        It is sealed by that: nothing is added to it any more.
        """
        self._put_out(number)
        self._background.submit(self._rebuild, number)

    def _put_out(self, number: int) -> None:
        with self._lock:
            gone = self._partitions.pop(number, None)
            self._out.add(number)
        if gone is not None:
            gone.close()

    def _open_partition(self, number: int) -> Opened:
        """Open a partition as it was left; what takes long is left to the background."""
        folder = self.folder_of(number)
        try:
            layout = read_layout(folder / RECORDS_FILE)
            self.dictionary = layout.dictionary or self.dictionary
            seal = Seal.read(folder)
            is_whole = is_index_whole(folder, seal.rows) if seal else recover_unsealed(folder)
            if not is_whole and layout.rows <= self._rebuilt_at_once:
                rebuild_index(folder)
                is_whole = True
            if seal is None:
                layout = read_layout(folder / RECORDS_FILE)
            until = position_of(seal, layout)
            if not is_whole:
                self.rebuild(number)
                return Opened(None, until)
            opened = self._open_whole(folder, seal)
        except BaseException as error:
            # The library's panics are no Exceptions; one partition must not keep all from opening.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self.leave(number, error)
            return Opened(None, None)
        if seal is not None and not is_repacked(layout):
            self.repack(opened)
        return Opened(opened if seal is None else None, until)

    def _open_whole(self, folder: Path, seal: Seal | None) -> Partition:
        opened = Partition(folder)
        opened.open()
        if seal is not None:
            opened.raw_bytes = seal.raw_bytes
            opened.first_us, opened.last_us = seal.first_us, seal.last_us
        self.put(opened)
        return opened

    def _repack(self, partition: Partition) -> None:
        try:
            dictionary = repack(partition.folder, is_stopped=self._stopping.is_set)
            path = partition.folder / RECORDS_FILE
            partition.replace_records(RecordReader(path, read_layout(path)))
            self.dictionary = dictionary or self.dictionary
        except (OSError, FrameError) as error:
            logger.warning("Logs in %s stay as large as they are: %s", partition.folder.name, error)

    def _rebuild(self, number: int) -> None:
        """Make the index of a partition anew; it is sealed by that, for another has taken over."""
        folder = self.folder_of(number)
        try:
            rebuild_index(folder, is_stopped=self._stopping.is_set)
            layout = read_layout(folder / RECORDS_FILE)
            opened = self._open_whole(folder, Seal.read(folder))
            until = position_of(None, layout)
            if Seal.read(folder) is None and until is not None:
                seal_of(opened, until).write(folder)
                self._repack(opened)
        except StoppedError:
            return
        except BaseException as error:
            # The library's panics are no Exceptions.
            logger.exception("The index of the logs in %s cannot be made anew", number)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return
        logger.warning("The logs in %s can be searched again", number)


def position_of(seal: Seal | None, layout: Layout) -> Position | None:
    """Return where the spool's reader goes on after a partition."""
    if seal is not None:
        return seal.until
    return layout.commits[-1].until if layout.commits else None


def seal_of(partition: Partition, until: Position) -> Seal:
    """Return what is written down of a partition that is ended."""
    return Seal(
        partition.rows,
        partition.low_seq,
        partition.high_seq,
        partition.raw_bytes,
        partition.first_us,
        partition.last_us,
        until,
    )
