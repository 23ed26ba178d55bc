"""How healthy releases are: from sessions to rates."""

from collections.abc import Mapping

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.releases.health import SessionProcessor
from resumatch_monitor.releases.series import CrashFreeSeries
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.storage.sql.release_health import SqlHealthReader
from resumatch_monitor.storage.sql.sessions import SqlSessionStore


class ReleaseHealthParts:
    """Everything about sessions."""

    def __init__(self, base: Base, *, metadata: MetadataStore) -> None:
        database = base.stores.database
        self.store = SqlSessionStore(database)
        self.reader = SqlHealthReader(database)
        self._series = CrashFreeSeries(
            reader=self.reader,
            sink=base.stores.samples,
            metadata=metadata,
            slug_of=base.projects.slug,
            clock=base.clock,
        )
        processor = SessionProcessor(store=self.store, telemetry=base.telemetry)
        self.processors: Mapping[ItemKind, ItemProcessor] = {
            ItemKind.SESSION: processor,
            ItemKind.SESSIONS: processor,
        }

    def loops(self) -> Loops:
        """Return what runs."""
        return {"releases: series": self._series.run}
