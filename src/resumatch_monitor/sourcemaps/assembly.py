"""Puts uploaded parts together to bundles, and keeps no more of them than it may."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.sourcemaps.bundle import BundleError, read_bundle
from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.model import BundleContent, BundleUse, NewBundle
from resumatch_monitor.sourcemaps.store import (
    ArtifactIndex,
    BundleStore,
    ChecksumError,
    ChunkStore,
)


class AssemblyState(StrEnum):
    """What became of an upload, in the words of its clients."""

    MISSING = "not_found"
    DONE = "ok"
    FAILED = "error"


@dataclass(frozen=True, slots=True)
class Assembly:
    """The answer to who wants a bundle put together.

    Attributes:
        missing: The checksums of the parts that have to be sent.
        detail: Why it failed.
    """

    state: AssemblyState
    missing: Sequence[str] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AssemblyRequest:
    """A bundle that is to be put together.

    Attributes:
        checksum: Of the whole.
        chunks: Those of its parts, in order.
        uses: For what it is; with neither a version nor debug ids in it, nobody could find it.
    """

    checksum: str
    chunks: Sequence[str]
    uses: Sequence[BundleUse]


class Assembler:
    """Puts one bundle together at a time; what it says is done is on the disk."""

    def __init__(
        self,
        *,
        chunks: ChunkStore,
        bundles: BundleStore,
        index: ArtifactIndex,
        config: SourceMapsConfig,
        metrics: SourceMapMetrics,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        """Take what it works on; `on_change` hears of each change to what can be found."""
        self.chunks = chunks
        self._bundles = bundles
        self._index = index
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._on_change = on_change
        # So that nobody deletes the file of a bundle that comes a second time.
        self._changing = asyncio.Lock()

    async def assemble(self, request: AssemblyRequest) -> Assembly:
        """Put a bundle together, or tell what is missing.

        Raises:
            ArtifactsFullError: If there is no room.
        """
        async with self._changing:
            if await self._index.register(request.checksum, request.uses, self._clock.now()):
                self._metrics.uploads.labels("known").inc()
                self._on_change()
                await asyncio.to_thread(self.chunks.release, request.chunks)
                return Assembly(AssemblyState.DONE)
            missing = await asyncio.to_thread(self.chunks.missing, request.chunks)
            if missing or not request.chunks:
                return Assembly(AssemblyState.MISSING, missing)
            answer = await self._put_together(request)
            outcome = "stored" if answer.state is AssemblyState.DONE else "refused"
            self._metrics.uploads.labels(outcome).inc()
            return answer

    async def remove(self, bundle_id: int) -> bool:
        """Delete a bundle; tell whether there was one."""
        async with self._changing:
            checksum = await self._index.remove(bundle_id)
            if checksum is not None:
                await asyncio.to_thread(self._bundles.remove, checksum)
                self._on_change()
        return checksum is not None

    async def expire(self) -> int:
        """Delete a few of the bundles that may not be kept; return how many."""
        before = self._clock.now() - self._config.retention
        async with self._changing:
            checksums = await self._index.expire(before, max_bytes=self._config.max_bytes)
            for checksum in checksums:
                await asyncio.to_thread(self._bundles.remove, checksum)
            if checksums:
                self._on_change()
        return len(checksums)

    async def _put_together(self, request: AssemblyRequest) -> Assembly:
        parts = self.chunks.paths(request.chunks)
        try:
            size = await asyncio.to_thread(_size_of, parts)
            if size > self._config.bundle_max_bytes:
                return Assembly(AssemblyState.FAILED, detail=self._describe_too_large(size))
            joined = await asyncio.to_thread(self._bundles.join, parts, request.checksum)
        except ChecksumError as error:
            return Assembly(AssemblyState.FAILED, detail=str(error))
        except FileNotFoundError:
            missing = await asyncio.to_thread(self.chunks.missing, request.chunks)
            return Assembly(AssemblyState.MISSING, missing)
        try:
            content = await asyncio.to_thread(read_bundle, joined)
            uses = _complete_uses(request.uses, content)
            await asyncio.to_thread(self._bundles.put, joined, request.checksum)
        except BundleError as error:
            return Assembly(AssemblyState.FAILED, detail=str(error))
        finally:
            joined.unlink(missing_ok=True)
        bundle = NewBundle(request.checksum, size, content.files)
        await self._index.add(bundle, uses, self._clock.now())
        self._on_change()
        await asyncio.to_thread(self.chunks.release, request.chunks)
        return Assembly(AssemblyState.DONE)

    def _describe_too_large(self, size: int) -> str:
        return (
            f"The bundle has {size} bytes; source_maps.bundle_max_bytes allows"
            f" {self._config.bundle_max_bytes}."
        )


def _size_of(parts: Sequence[Path]) -> int:
    return sum(part.stat().st_size for part in parts)


def _complete_uses(uses: Sequence[BundleUse], content: BundleContent) -> list[BundleUse]:
    """Return the uses with what the bundle itself says where the request did not.

    Raises:
        BundleError: If nobody could ever find a file of it.
    """
    completed = [
        each
        if each.version
        else BundleUse(each.project_id, content.release, each.dist or content.dist)
        for each in uses
    ]
    if not content.has_debug_ids and not all(each.version for each in completed):
        raise BundleError(
            "The bundle has no debug ids, so name the release that it belongs to: --release."
        )
    return completed
