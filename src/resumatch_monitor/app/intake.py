"""The door through which everything that SDKs send comes in."""

from collections.abc import Mapping

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.upkeep import IntakeUpkeep
from resumatch_monitor.storage.sql.digested_items import DigestedItems


class IntakeParts:
    """The door, and what it tells about itself."""

    def __init__(self, base: Base, *, sinks: Mapping[ItemKind, SpoolWriter]) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            sinks: Where items of each kind wait for whoever digests them.
        """
        self.metrics = DoorMetrics(base.telemetry)
        self.intake = Intake(
            projects=base.projects,
            sinks=sinks,
            limits=ItemLimits(event_max_bytes=base.config.errors.event_max_bytes),
            metrics=self.metrics,
            clock=base.clock,
            ids=base.ids,
        )
        self._upkeep = IntakeUpkeep([DigestedItems(base.stores.database)], clock=base.clock)

    def loops(self) -> Loops:
        """Return what runs."""
        return {"intake: upkeep": self._upkeep.run}
