"""The seam between the store and the file system."""

import os
from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """A file that is only appended to."""

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        ...

    def sync(self) -> None:
        """Return once everything written is on disk."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to its first `size` bytes."""
        ...

    def close(self) -> None: ...


class Disk(Protocol):
    """Creates files and tells how much room there is; every method raises `OSError`."""

    def create(self, path: Path) -> AppendFile:
        """Create `path`, which must not exist, so that it survives a crash."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Return what an ordinary process may still write."""
        ...


class _OsFile:
    """A file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class LocalDisk:
    """The machine's own file system."""

    def create(self, path: Path) -> AppendFile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = _OsFile(os.open(path, flags, 0o640))
        sync_folder(path.parent)
        return file

    def free_bytes(self, folder: Path) -> int:
        stat = os.statvfs(folder)
        return stat.f_bavail * stat.f_frsize


def sync_folder(folder: Path) -> None:
    """Make creations, renames and removals in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
