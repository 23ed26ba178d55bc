"""Parts of uploads on their way: a file each, named by its checksum."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.sourcemaps.store import ArtifactsFullError
from resumatch_monitor.storage.tsdb.disk import sync_folder

MOST_CHUNKS = 4_096
_FRESH_SUFFIX = ".new"
# Of a day: what was put together stays for an hour, unless the room is needed.
_RELEASED_AGE = timedelta(hours=23)


class ChunkFolder:
    """The `ChunkStore` on disk: `open`, then use.

    The time of a file's last change is when somebody last asked for it or sent it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        min_free_bytes: int,
        clock: Clock,
        ids: Ids,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._ids = ids
        self._free_bytes = free_bytes or free_bytes_of
        self._lock = threading.Lock()
        self._count = self._size = 0

    def open(self) -> None:
        """Make the folder, and delete what a crash left half written; blocks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob(f"*{_FRESH_SUFFIX}"):
            path.unlink(missing_ok=True)
        self._recount()

    def missing(self, checksums: Sequence[str]) -> list[str]:
        """See `ChunkStore`."""
        return [each for each in dict.fromkeys(checksums) if not self._touch(each)]

    def add(self, chunks: Mapping[str, bytes]) -> None:
        """See `ChunkStore`."""
        for checksum, data in chunks.items():
            if not self._touch(checksum):
                self._write(checksum, data)
        # Also for those that were here: whoever wrote them may not have come so far.
        sync_folder(self._folder)

    def paths(self, checksums: Sequence[str]) -> list[Path]:
        """See `ChunkStore`."""
        return [self._folder / each for each in checksums]

    def release(self, checksums: Sequence[str]) -> None:
        """See `ChunkStore`."""
        then = (self._clock.now() - _RELEASED_AGE).timestamp()
        for checksum in checksums:
            with suppress(FileNotFoundError):
                os.utime(self._folder / checksum, (then, then))

    def expire(self, before: datetime) -> int:
        """See `ChunkStore`."""
        deleted = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < before.timestamp():
                        os.unlink(entry.path)
                        deleted += 1
        self._recount()
        return deleted

    def _touch(self, checksum: str) -> bool:
        now = self._clock.now().timestamp()
        try:
            os.utime(self._folder / checksum, (now, now))
        except FileNotFoundError:
            return False
        return True

    def _write(self, checksum: str, data: bytes) -> None:
        if not self._has_room(len(data)):
            self.expire(self._clock.now() - _RELEASED_AGE + timedelta(seconds=1))
        with self._lock:
            if not self._has_room(len(data)):
                raise ArtifactsFullError("too many uploads are under way")
            if self._free_bytes(self._folder) - len(data) < self._min_free_bytes:
                raise ArtifactsFullError("the disk is nearly full")
            self._count += 1
            self._size += len(data)
        fresh = self._folder / f"{checksum}.{self._ids.uuid()}{_FRESH_SUFFIX}"
        try:
            write_durably(fresh, data)
            fresh.replace(self._folder / checksum)
            self._touch(checksum)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise ArtifactsFullError(f"a part cannot be written: {error.strerror}") from error

    def _has_room(self, size: int) -> bool:
        return self._count < MOST_CHUNKS and self._size + size <= self._max_bytes

    def _recount(self) -> None:
        with self._lock, os.scandir(self._folder) as entries:
            sizes: list[int] = []
            for entry in entries:
                with suppress(FileNotFoundError):
                    sizes.append(entry.stat().st_size)
            self._count, self._size = len(sizes), sum(sizes)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is not there; it is on the disk when this returns, its name may not be."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o640)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes_of(folder: Path) -> int:
    """Return what may still be written to the disk that `folder` is on."""
    return shutil.disk_usage(folder).free
