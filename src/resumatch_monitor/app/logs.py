"""Logs: from whatever door they come through to records that can be found."""

from collections.abc import Callable, Mapping

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.app.log_listeners import LogListeners
from resumatch_monitor.app.log_pipelines import PipelineParts
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.logs.alerting.manager import LogRules
from resumatch_monitor.logs.digest import LogDigest
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.otlp_receiver import OtlpLogReceiver
from resumatch_monitor.logs.processing import Processor
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.retention import LogRetention
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.logs.tail import LogTail
from resumatch_monitor.logs.vercel_drains import VercelDrains
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.scrubbers import Scrubbers
from resumatch_monitor.storage.sql.log_rule_states import SqlLogRuleStates
from resumatch_monitor.storage.sql.log_searches import SqlLogSearches


class LogParts:
    """Everything about logs."""

    def __init__(
        self,
        base: Base,
        *,
        alerts: AlertSink,
        metadata: MetadataStore,
        find_intake: Callable[[], Intake],
    ) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            alerts: Where alerts about records go.
            metadata: Gets what is counted of records.
            find_intake: Returns the door of events, once there is one.
        """
        config, stores = base.config.logs, base.stores
        names = _ProjectNames(base.projects)
        scrub_keys = [*base.config.errors.scrub_keys, *config.scrub_keys]
        self.metrics = LogMetrics(base.telemetry)
        self.reader = stores.logs
        self.searches = SqlLogSearches(stores.database)
        self.receiver = LogReceiver(spool=stores.logs_spool, metrics=self.metrics, clock=base.clock)
        self.otlp = OtlpLogReceiver(receiver=self.receiver, metrics=self.metrics)
        self.drains = VercelDrains(config.vercel, names)
        self.sinks: Mapping[ItemKind, SpoolWriter] = {ItemKind.LOG: stores.logs_spool}
        self.tail = LogTail()
        scrubbers = _RecordScrubbers(base, scrub_keys)
        self.pipelines = PipelineParts(
            base, scrubber=scrubbers.of(0), metadata=metadata, find_intake=find_intake
        )
        self._digest = LogDigest(
            spool=stores.logs_spool,
            store=stores.logs,
            reader=ChunkReader(oldest=config.retention, service_of=names.slug),
            processor=Processor(scrubber_of=scrubbers.of, processors=[self.pipelines.processor]),
            metrics=self.metrics,
            clock=base.clock,
            observe=self.tail.publish,
            before_storing=self.pipelines.orders.carry_out,
        )
        self._listeners = LogListeners(base, receiver=self.receiver, metrics=self.metrics)
        self.rules = LogRules(
            config.rules,
            reader=stores.logs,
            states=SqlLogRuleStates(stores.database),
            alerts=alerts,
            telemetry=base.telemetry,
            clock=base.clock,
            found_until=self._digest.found_until,
        )
        self._retention = LogRetention(
            keeper=stores.logs,
            retention=config.retention,
            max_bytes=config.max_bytes,
            metrics=self.metrics,
            clock=base.clock,
        )

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "logs: digest": self._digest.run,
            "logs: retention": self._retention.run,
            "logs: tail": self.tail.run,
            "logs: rules": self.rules.run,
            **self.pipelines.loops(),
            **self._listeners.loops(),
        }


class _ProjectNames:
    """Projects by number and by slug; a slug is the service of records that name none."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def slug(self, number: int) -> str:
        return self._projects.slug(number) if number else ""

    def number(self, slug: str) -> int | None:
        found = (project.id for project in self._projects.all() if project.slug == slug)
        return next(found, None)


class _RecordScrubbers:
    """The scrubber of records of each project; those of nobody have the monitor's own rules."""

    def __init__(self, base: Base, scrub_keys: list[str]) -> None:
        self._scrubbers = Scrubbers(base.projects, scrub_keys)
        self._default = RecordScrubber(Scrubber(scrub_keys))
        self._known: dict[int, tuple[Scrubber, RecordScrubber]] = {}

    def of(self, project_id: int) -> RecordScrubber:
        if not project_id:
            return self._default
        scrubber = self._scrubbers.of(project_id)
        known = self._known.get(project_id)
        if known is None or known[0] is not scrubber:
            known = self._known[project_id] = (scrubber, RecordScrubber(scrubber))
        return known[1]
