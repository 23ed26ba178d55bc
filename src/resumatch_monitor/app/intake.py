"""The door through which everything that SDKs send comes in."""

from collections.abc import Mapping, Sequence

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.app.measurements import StoredMeasurements
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.trace_metrics import TraceMetricReceiver
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import OutcomeLedger
from resumatch_monitor.sentry.project_book import ProjectBook
from resumatch_monitor.sentry.quotas import Quotas, since_when
from resumatch_monitor.sentry.screening import Screening
from resumatch_monitor.sentry.upkeep import Expiring, IntakeUpkeep
from resumatch_monitor.storage.sql.digested_items import DigestedItems
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from resumatch_monitor.storage.sql.projects import SqlProjectStore


class IntakeParts:
    """The door, what it lets in, and what it tells about itself."""

    def __init__(
        self,
        base: Base,
        *,
        sinks: Mapping[ItemKind, SpoolWriter],
        metadata: MetadataStore,
        expiring: Sequence[Expiring] = (),
    ) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            sinks: Where items of each kind wait for whoever digests them.
            metadata: Where it is told what is measured.
            expiring: What else is of use only for a time.
        """
        database = base.stores.database
        self._clock = base.clock
        self.metrics = DoorMetrics(base.telemetry)
        self.outcome_store = SqlOutcomeStore(database)
        self.outcomes = OutcomeLedger(self.outcome_store, clock=base.clock)
        self.quotas = Quotas(clock=base.clock)
        self.intake = Intake(
            projects=base.projects,
            sinks=sinks,
            limits=ItemLimits(
                event_max_bytes=base.config.errors.event_max_bytes,
                attachment_max_bytes=base.config.intake.attachment_max_bytes,
            ),
            screening=Screening(quotas=self.quotas, outcomes=self.outcomes, metrics=self.metrics),
            metrics=self.metrics,
            clock=base.clock,
            ids=base.ids,
            measurements=StoredMeasurements(
                TraceMetricReceiver(
                    sink=base.stores.samples,
                    metadata=metadata,
                    telemetry=base.telemetry,
                    clock=base.clock,
                )
            ),
        )
        self.book = ProjectBook(
            projects=base.projects,
            store=SqlProjectStore(database),
            clock=base.clock,
            ids=base.ids,
        )
        self._upkeep = IntakeUpkeep(
            [DigestedItems(database), self.outcome_store, *expiring], clock=base.clock
        )

    async def open(self) -> None:
        """Know the projects that people made, and what was sent before the start."""
        await self.book.load()
        since = since_when(self._clock.now())
        self.quotas.restore(await self.outcome_store.read_accepted(since))

    async def close(self) -> None:
        """Write down what became of the last items."""
        await self.outcomes.flush()

    def loops(self) -> Loops:
        """Return what runs."""
        return {"intake: outcomes": self.outcomes.run, "intake: upkeep": self._upkeep.run}
