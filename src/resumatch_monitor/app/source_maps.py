"""Source maps: from an upload to frames with their original places."""

from collections.abc import Callable, Iterable
from typing import Any

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, list_of_values
from resumatch_monitor.sourcemaps.assembly import Assembler
from resumatch_monitor.sourcemaps.housekeeping import SourceMapHousekeeping
from resumatch_monitor.sourcemaps.locate import Locator
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.reader import MapReader
from resumatch_monitor.sourcemaps.resolver import FrameResolver
from resumatch_monitor.storage.artifacts.bundles import BundleFolder
from resumatch_monitor.storage.artifacts.chunks import ChunkFolder
from resumatch_monitor.storage.sql.artifacts import SqlArtifactIndex
from resumatch_monitor.storage.sql.artifacts_find import SqlArtifactFinder
from resumatch_monitor.storage.sql.artifacts_read import SqlArtifactReader


class SourceMapParts:
    """Everything about source maps."""

    def __init__(self, base: Base) -> None:
        config = base.config.source_maps
        min_free_bytes = base.config.storage.min_free_bytes
        folder = base.folder / "sourcemaps"
        self.metrics = SourceMapMetrics(base.telemetry)
        self._chunks = ChunkFolder(
            folder / "chunks",
            max_bytes=config.chunks_max_bytes,
            min_free_bytes=min_free_bytes,
            clock=base.clock,
            ids=base.ids,
        )
        self.bundles = BundleFolder(folder / "bundles", min_free_bytes=min_free_bytes, ids=base.ids)
        self.index = index = SqlArtifactIndex(base.stores.database)
        self.reader = SqlArtifactReader(base.stores.database)
        finder = SqlArtifactFinder(base.stores.database)
        self._maps = MapReader(config=config, metrics=self.metrics)
        self.resolver = FrameResolver(
            locator=Locator(finder=finder, bundles=self.bundles),
            reader=self._maps,
            usage=finder,
            metrics=self.metrics,
            clock=base.clock,
            clean_lines=build_line_cleaner(base.config.errors.scrub_keys),
        )
        self.assembler = Assembler(
            chunks=self._chunks,
            bundles=self.bundles,
            index=index,
            config=config,
            metrics=self.metrics,
            clock=base.clock,
            on_change=self.resolver.forget,
        )
        self._housekeeping = SourceMapHousekeeping(
            assembler=self.assembler,
            bundles=self.bundles,
            index=index,
            metrics=self.metrics,
            clock=base.clock,
        )

    def open(self) -> None:
        """Make the folders; blocks.

        Raises:
            OSError: If they cannot be used.
        """
        self._chunks.open()
        self.bundles.open()

    def close(self) -> None:
        """End the process that reads maps; blocks."""
        self._maps.close()

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "source maps: housekeeping": self._housekeeping.run,
            "source maps: use": self.resolver.run,
        }


def build_line_cleaner(scrub_keys: Iterable[str]) -> Callable[[list[str]], list[str]]:
    """Return what takes secrets out of lines of source code, as out of those that SDKs send."""
    scrubber = Scrubber(scrub_keys)

    def clean(lines: list[str]) -> list[str]:
        frame: dict[str, Any] = {"pre_context": lines}
        event = {"exception": {"values": [{"stacktrace": {"frames": [frame]}}]}}
        cleaned = scrubber.clean(event).event
        value = as_dict(list_of_values(cleaned.get("exception"))[0])
        frames = as_list(as_dict(value.get("stacktrace")).get("frames"))
        return [as_text(line) for line in as_list(as_dict(frames[0]).get("pre_context"))]

    return clean
