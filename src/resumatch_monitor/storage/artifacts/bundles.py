"""Uploaded bundles: a file each, named by its checksum."""

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.sourcemaps.store import ArtifactsFullError, ChecksumError
from resumatch_monitor.storage.artifacts.chunks import free_bytes_of
from resumatch_monitor.storage.tsdb.disk import sync_folder

_FRESH_SUFFIX = ".new"
_COPY_BYTES = 1024 * 1024


class BundleFolder:
    """The `BundleStore` on disk: `open`, then use."""

    def __init__(
        self,
        folder: Path,
        *,
        min_free_bytes: int,
        ids: Ids,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._ids = ids
        self._free_bytes = free_bytes or free_bytes_of

    def open(self) -> None:
        """Make the folder, and delete what a crash left half written; blocks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob(f"*{_FRESH_SUFFIX}"):
            path.unlink(missing_ok=True)

    def join(self, parts: Sequence[Path], checksum: str) -> Path:
        """See `BundleStore`."""
        size = sum(part.stat().st_size for part in parts)
        if self._free_bytes(self._folder) - size < self._min_free_bytes:
            raise ArtifactsFullError("the disk is nearly full")
        joined = self._folder / f"{checksum}.{self._ids.uuid()}{_FRESH_SUFFIX}"
        try:
            found = _copy(parts, joined)
        except FileNotFoundError:
            joined.unlink(missing_ok=True)
            raise
        except OSError as error:
            joined.unlink(missing_ok=True)
            raise ArtifactsFullError(f"it cannot be written: {error.strerror}") from error
        if found != checksum:
            joined.unlink(missing_ok=True)
            raise ChecksumError(f"The parts make {found}, not {checksum}.")
        return joined

    def put(self, joined: Path, checksum: str) -> None:
        """See `BundleStore`."""
        try:
            joined.replace(self.path(checksum))
            sync_folder(self._folder)
        except OSError as error:
            raise ArtifactsFullError(f"it cannot be written: {error.strerror}") from error

    def path(self, checksum: str) -> Path:
        """See `BundleStore`."""
        return self._folder / checksum

    def remove(self, checksum: str) -> None:
        """See `BundleStore`."""
        self.path(checksum).unlink(missing_ok=True)

    def expire_unknown(self, known: Collection[str], before: datetime) -> int:
        """See `BundleStore`."""
        deleted = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name in known:
                    continue
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < before.timestamp():
                        os.unlink(entry.path)
                        deleted += 1
        return deleted


def _copy(parts: Sequence[Path], target: Path) -> str:
    """Write the parts one after the other, and return the checksum of it all."""
    checksum = hashlib.sha1(usedforsecurity=False)
    with target.open("xb") as output:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(_COPY_BYTES):
                    checksum.update(block)
                    output.write(block)
        output.flush()
        os.fsync(output.fileno())
    return checksum.hexdigest()
