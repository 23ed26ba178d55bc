"""All the parts joined."""

import asyncio
import functools
from pathlib import Path

from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.service import Accounts, ProvisionedToken
from resumatch_monitor.app.alerting import AlertingParts
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.app.crons import CronParts
from resumatch_monitor.app.diagnosis import build_diagnoser
from resumatch_monitor.app.diskwatch import DiskWatch
from resumatch_monitor.app.feedback import FeedbackParts
from resumatch_monitor.app.files import FileParts
from resumatch_monitor.app.intake import IntakeParts
from resumatch_monitor.app.logs import LogParts
from resumatch_monitor.app.metering import MetricParts
from resumatch_monitor.app.performance import PerformanceParts
from resumatch_monitor.app.probing import ProbeParts
from resumatch_monitor.app.process import observe_process
from resumatch_monitor.app.release_health import ReleaseHealthParts
from resumatch_monitor.app.ruling import RuleParts
from resumatch_monitor.app.source_maps import SourceMapParts
from resumatch_monitor.app.stores import build_stores
from resumatch_monitor.app.storewatch import StoreWatch
from resumatch_monitor.app.tracing import TraceParts
from resumatch_monitor.app.tracking import ErrorParts
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.memory import keep_giving_back
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrubbers import Scrubbers
from resumatch_monitor.storage.sql.accounts import SqlAccountStore


class Monitor:
    """The whole monitor but its HTTP edge."""

    def __init__(
        self,
        config: MonitorConfig,
        *,
        folder: Path,
        address: str,
        clock: Clock,
        ids: Ids,
    ) -> None:
        """Build all parts; nothing runs yet.

        Args:
            config: The whole configuration.
            folder: Where everything is kept.
            address: The monitor's own URL, where the configuration names none.
            clock: What all loops go by.
            ids: Where identifiers and secrets come from.
        """
        self.config = config
        self.clock = clock
        self.ids = ids
        self.external_url = config.external_url or address
        self.telemetry = Telemetry()
        self.started_at = clock.now()
        # Set by whoever serves it, once there is an account to sign in with.
        self.is_ready = False
        client = build_client(allowed_hosts=config.outgoing.allowed_hosts)
        self.stores = build_stores(
            config, folder=folder, client=client, clock=clock, telemetry=self.telemetry
        )
        projects = Projects(config.projects, is_complete=False)
        self._base = Base(
            config=config,
            folder=folder,
            external_url=self.external_url,
            clock=clock,
            ids=ids,
            telemetry=self.telemetry,
            supervisor=Supervisor(clock=clock, telemetry=self.telemetry),
            projects=projects,
            scrubbers=Scrubbers(projects, config.errors.scrub_keys),
            client=client,
            stores=self.stores,
        )
        observe_process(self.telemetry, folder)
        self._build_parts()
        self._build_watches()

    async def open(self) -> None:
        """Open the stores and remember what was; nothing runs yet.

        Raises:
            OSError: If the folder cannot be used.
        """
        await asyncio.to_thread(self.stores.open)
        await asyncio.to_thread(self.source_maps.open)
        await self.alerting.open()
        await self.intake.open()

    async def start(self) -> None:
        """Open the stores and start every loop.

        Raises:
            OSError: If the folder cannot be used.
        """
        await self.open()
        loops: Loops = {
            **self.alerting.loops(),
            **self.errors.loops(),
            **self.crons.loops(),
            **self.release_health.loops(),
            **self.intake.loops(),
            **self.traces.loops(),
            **self.performance.loops(),
            **self.logs.loops(),
            **self.metrics.loops(),
            **self.source_maps.loops(),
            "drills": self.rules.drills.run,
            "disk": self._disk_watch.run,
            "memory": functools.partial(keep_giving_back, self.clock),
        }
        if self._store_watch is not None:
            loops = {**loops, "metrics: store watch": self._store_watch.run}
        for name, loop in loops.items():
            self._base.supervisor.start(name, loop)
        self.metrics.collectors.start()
        await self.probes.scheduler.start()
        await self.rules.start()

    async def stop(self) -> None:
        """End the loops, sources of alerts first, then close the stores."""
        self.is_ready = False
        await self.rules.stop()
        await self.probes.scheduler.stop()
        await self.metrics.collectors.stop()
        await self._base.supervisor.stop()
        await self.metrics.stop_queries()
        await self._base.client.aclose()
        await self.intake.close()
        await asyncio.to_thread(self.source_maps.close)
        await asyncio.to_thread(self.stores.close)

    def _build_parts(self) -> None:
        base = self._base
        auth = self.config.auth
        self.accounts = Accounts(
            store=SqlAccountStore(self.stores.database),
            clock=self.clock,
            ids=self.ids,
            session_lifetime=auth.session_lifetime,
            provisioned=[
                ProvisionedToken(each.name, each.token.get_secret_value(), Role.of(each.role))
                for each in auth.tokens
            ],
        )
        self.alerting = AlertingParts(
            base,
            diagnose=self._diagnose,
            list_pending=lambda: self.rules.manager.pending_alerts(),
        )
        self.metrics = MetricParts(base)
        self.rules = RuleParts(base, metrics=self.metrics, alerting=self.alerting)
        self.source_maps = SourceMapParts(base)
        self.files = FileParts(base)
        self.feedback = FeedbackParts(base)
        self.crons = CronParts(base, alerts=self.alerting.dispatcher)
        self.release_health = ReleaseHealthParts(base, metadata=self.metrics.metadata)
        self.errors = ErrorParts(
            base,
            alerts=self.alerting.dispatcher,
            processors={
                **self.files.processors,
                **self.feedback.processors,
                **self.crons.processors,
                **self.release_health.processors,
            },
            resolver=self.source_maps.resolver,
        )
        self.performance = PerformanceParts(
            base, alerts=self.alerting.dispatcher, metadata=self.metrics.metadata
        )
        self.traces = TraceParts(base, observers=[self.performance.recorder])
        self.logs = LogParts(
            base,
            alerts=self.alerting.dispatcher,
            metadata=self.metrics.metadata,
            find_intake=lambda: self.intake.intake,
        )
        self.intake = IntakeParts(
            base,
            sinks={**self.errors.sinks, **self.traces.sinks, **self.logs.sinks},
            metadata=self.metrics.metadata,
            expiring=[
                self.files.store,
                self.feedback.store,
                self.crons.store,
                self.release_health.store,
            ],
        )
        self.probes = ProbeParts(base, alerts=self.alerting.dispatcher)
        self.diagnoser = build_diagnoser(
            queries=self.metrics.queries, database=self.stores.database, probes=self.probes.reader
        )

    def _build_watches(self) -> None:
        """Build what watches the monitor itself, without rules."""
        self._disk_watch = DiskWatch(
            folder=self._base.folder,
            min_free_bytes=self.config.storage.min_free_bytes,
            alerts=self.alerting.dispatcher,
            find_firing_since=self.alerting.find_firing_since,
            clock=self.clock,
        )
        external = self.stores.external
        self._store_watch = external and StoreWatch(
            lag_seconds=lambda: external.writer.lag_seconds,
            problem=lambda: external.writer.problem,
            alerts=self.alerting.dispatcher,
            find_firing_since=self.alerting.find_firing_since,
            clock=self.clock,
        )

    async def _diagnose(self, notification: Notification) -> Diagnosis:
        return await self.diagnoser.diagnose(notification)
