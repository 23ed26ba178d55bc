"""What source maps ask of whoever keeps them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sourcemaps.model import (
    ArtifactFile,
    BundleUse,
    FoundFile,
    NewBundle,
    Upload,
    UploadPage,
)


class ArtifactsFullError(StorageUnavailableError):
    """There is no room for what was sent."""


class ChecksumError(Exception):
    """What was put together is not what its sender says that it is."""


class ChunkStore(Protocol):
    """Keeps parts of files, named by their checksums, until they are put together; all blocks."""

    def missing(self, checksums: Sequence[str]) -> list[str]:
        """Return those that are not here; the others are kept for a day from now."""
        ...

    def add(self, chunks: Mapping[str, bytes]) -> None:
        """Keep `chunks`, whose checksums are right; they are on the disk when this returns.

        Raises:
            ArtifactsFullError: If there is no room.
        """
        ...

    def paths(self, checksums: Sequence[str]) -> list[Path]:
        """Return the chunks' files."""
        ...

    def release(self, checksums: Sequence[str]) -> None:
        """Let chunks go that were put together, soon: another upload may have been told of them."""
        ...

    def expire(self, before: datetime) -> int:
        """Delete what nobody has asked for since then; return how many that were."""
        ...


class BundleStore(Protocol):
    """Keeps bundles, a file each, named by their checksums; all blocks."""

    def join(self, parts: Sequence[Path], checksum: str) -> Path:
        """Put a bundle together beside its place, and return where it is.

        Raises:
            ChecksumError: If it is another one than `checksum` says.
            ArtifactsFullError: If there is no room.
            FileNotFoundError: If a part has gone.
        """
        ...

    def put(self, joined: Path, checksum: str) -> None:
        """Bring a bundle into its place; it is there for good when this returns.

        Raises:
            ArtifactsFullError: If the disk refuses.
        """
        ...

    def path(self, checksum: str) -> Path:
        """Return where a bundle is."""
        ...

    def remove(self, checksum: str) -> None:
        """Delete a bundle, if it is there."""
        ...

    def expire_unknown(self, known: Collection[str], before: datetime) -> int:
        """Delete files from before that are no bundle that is known; return how many."""
        ...


class ArtifactIndex(Protocol):
    """Knows what is in which bundle; changes are durable transactions."""

    async def register(self, checksum: str, uses: Sequence[BundleUse], at: datetime) -> bool:
        """Note for what a bundle that is here is used as well; return whether it is here."""
        ...

    async def add(self, bundle: NewBundle, uses: Sequence[BundleUse], at: datetime) -> None:
        """Index a bundle."""
        ...

    async def remove(self, bundle_id: int) -> str | None:
        """Forget a bundle and return its checksum, None if there is none."""
        ...

    async def expire(self, before: datetime, *, max_bytes: int) -> Sequence[str]:
        """Forget what was not needed since then, and what exceeds `max_bytes`.

        Returns:
            The checksums of a bounded number of bundles.
        """
        ...

    async def checksums(self) -> Collection[str]:
        """Return the checksums of all bundles."""
        ...

    async def usage(self) -> tuple[int, int]:
        """Return how many bundles there are, and how many bytes."""
        ...


class ArtifactReader(Protocol):
    """Answers what people ask about uploads."""

    async def uploads(
        self, *, project_id: int | None, text: str, cursor: int | None, limit: int
    ) -> UploadPage:
        """Return a page of uploads, the newest first; `text` is part of a version or URL."""
        ...

    async def upload(self, bundle_id: int) -> Upload | None:
        """Return an upload."""
        ...

    async def files(
        self, bundle_id: int, *, cursor: int | None, limit: int
    ) -> tuple[Sequence[ArtifactFile], str | None]:
        """Return a page of an upload's files and the cursor of the next."""
        ...

    async def files_of_release(
        self, project_ids: Sequence[int], version: str, *, limit: int
    ) -> Sequence[FoundFile]:
        """Return the files that were uploaded for a release, by URL."""
        ...


class ArtifactFinder(Protocol):
    """Finds files for frames; blocks, for threads that are not the event loop's."""

    def find_by_debug_id(self, debug_id: bytes) -> Sequence[FoundFile]:
        """Return the files with that id, of the newest bundle that has them."""
        ...

    def find_by_url(self, use: BundleUse, urls: Sequence[str]) -> Sequence[FoundFile]:
        """Return the files of a release at one of `urls`, those of the newest bundle first."""
        ...

    def find_in_bundle(self, bundle_id: int, urls: Sequence[str]) -> Sequence[FoundFile]:
        """Return the files of a bundle at one of `urls`."""
        ...

    def release_urls(self, use: BundleUse, *, limit: int) -> tuple[int, Sequence[str]]:
        """Return how many minified files a release has, and the URLs of some."""
        ...


class ArtifactUsage(Protocol):
    """Notes what uploads are good for."""

    async def note_use(self, bundle_ids: Collection[int], at: datetime) -> None:
        """Note that bundles gave frames their original places."""
        ...
