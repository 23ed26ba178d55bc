"""Source maps: from an upload to frames with their original places."""

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.sourcemaps.assembly import Assembler
from resumatch_monitor.sourcemaps.housekeeping import SourceMapHousekeeping
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.storage.artifacts.bundles import BundleFolder
from resumatch_monitor.storage.artifacts.chunks import ChunkFolder
from resumatch_monitor.storage.sql.artifacts import SqlArtifactIndex


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
        self._bundles = BundleFolder(
            folder / "bundles", min_free_bytes=min_free_bytes, ids=base.ids
        )
        index = SqlArtifactIndex(base.stores.database)
        self.assembler = Assembler(
            chunks=self._chunks,
            bundles=self._bundles,
            index=index,
            config=config,
            metrics=self.metrics,
            clock=base.clock,
            on_change=lambda: None,
        )
        self._housekeeping = SourceMapHousekeeping(
            assembler=self.assembler,
            bundles=self._bundles,
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
        self._bundles.open()

    def loops(self) -> Loops:
        """Return what runs."""
        return {"source maps: housekeeping": self._housekeeping.run}
