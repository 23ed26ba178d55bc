"""All the parts joined."""

import asyncio
import functools
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

import httpx

from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.service import Accounts, ProvisionedToken
from resumatch_monitor.alerts.alert import AlertSink, AlertStatus
from resumatch_monitor.app.diagnosis import build_diagnoser
from resumatch_monitor.app.diskwatch import DiskWatch
from resumatch_monitor.app.drills import build_drills
from resumatch_monitor.app.handling import build_handling
from resumatch_monitor.app.holding import HoldingQuerier
from resumatch_monitor.app.process import observe_process
from resumatch_monitor.app.releases import build_release_loops
from resumatch_monitor.app.stores import build_stores
from resumatch_monitor.app.storewatch import StoreWatch
from resumatch_monitor.collectors.manager import CollectorManager, build_collectors
from resumatch_monitor.config.check import build_expression_check, load_rules
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.dispatch.acknowledgements import AcknowledgementComposer
from resumatch_monitor.dispatch.config import choose_root_receiver
from resumatch_monitor.dispatch.dependencies import Dependencies
from resumatch_monitor.dispatch.digest.digester import Digester
from resumatch_monitor.dispatch.digest.plans import build_plans
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.firing import FiringAlerts
from resumatch_monitor.dispatch.flapping import Flapping
from resumatch_monitor.dispatch.handlings import Handlings
from resumatch_monitor.dispatch.inhibition import Inhibition
from resumatch_monitor.dispatch.intervals import build_intervals
from resumatch_monitor.dispatch.muting import Muters
from resumatch_monitor.dispatch.occurrence import OccurrenceId
from resumatch_monitor.dispatch.outbox import Outbox
from resumatch_monitor.dispatch.pushed import PushedAlerts
from resumatch_monitor.dispatch.retention import Retention
from resumatch_monitor.dispatch.route_build import build_route
from resumatch_monitor.dispatch.silence_warnings import SilenceWarnings
from resumatch_monitor.dispatch.silences import Silences
from resumatch_monitor.dispatch.times import IntervalClock, QuietHours, RouteTimes
from resumatch_monitor.errortracking.digest import Digest
from resumatch_monitor.errortracking.intake import Intake
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.projects import Projects
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.errortracking.retention import ErrorRetention
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.memory import keep_giving_back
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.discovery import Discovery
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.receiver import OtlpReceiver
from resumatch_monitor.metrics.pool import build_pool
from resumatch_monitor.metrics.receiver import PushTelemetry, RemoteWriteReceiver
from resumatch_monitor.metrics.scrape import ScrapeManager
from resumatch_monitor.metrics.status import TargetSource
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Integration
from resumatch_monitor.notify.registry import build_integrations
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.probes.scheduler import ProbeScheduler
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.promql.gathering import GatheringQuerier
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.rules.data import DataFinder
from resumatch_monitor.rules.managed import ManagedRules
from resumatch_monitor.rules.managed_groups import GroupBuilder
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.preview.service import RulePreviewer
from resumatch_monitor.rules.sharing import ForgettingSink, SharedSelections
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.digests import SqlDigests
from resumatch_monitor.storage.sql.drills import SqlDrills
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from resumatch_monitor.storage.sql.managed_rules import SqlManagedRules
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.probes import SqlProbeStore
from resumatch_monitor.storage.sql.pushed import SqlExpiries
from resumatch_monitor.storage.sql.rule_states import SqlRuleStates
from resumatch_monitor.storage.sql.silences import SqlSilences

logger = logging.getLogger(__name__)

_FIRST_ROUND_TIMEOUT_SECONDS = 30.0
_QUERY_WORKERS = 2
_FORWARDED_QUERIES = 8
"""Threads for queries that another server evaluates: they mostly wait."""


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
        self._folder = folder
        self.external_url = config.external_url or address
        self.telemetry = Telemetry()
        self.started_at = clock.now()
        # Set by whoever serves it, once there is an account to sign in with.
        self.is_ready = False
        self._supervisor = Supervisor(clock=clock, telemetry=self.telemetry)
        self._allowed_hosts = config.outgoing.allowed_hosts
        self._client = build_client(allowed_hosts=self._allowed_hosts)
        self.stores = build_stores(
            config, folder=folder, client=self._client, clock=clock, telemetry=self.telemetry
        )
        observe_process(self.telemetry, folder)
        self._build_accounts()
        self._build_muting()
        self._build_dispatch()
        self._build_disk_watch(folder)
        self._build_metrics()
        self._build_push()
        self._build_rules()
        self._build_errors()
        self._build_probes()
        self._diagnoser = build_diagnoser(
            queries=self.queries, database=self.stores.database, probes=self.probe_reader
        )

    async def open(self) -> None:
        """Open the stores and remember what was; nothing runs yet.

        Raises:
            OSError: If the folder cannot be used.
        """
        await asyncio.to_thread(self.stores.open)
        await self.silences.load()
        await self.handling.open(self._folder, self.ids)
        await self.handlings.load()
        await self.dispatcher.load()
        await self.handlings.finish()
        await self.pushed.load()
        await self.outbox.prepare()

    async def start(self) -> None:
        """Open the stores and start every loop.

        Raises:
            OSError: If the folder cannot be used.
        """
        await self.open()
        self._start_loops(
            {
                "dispatch": self.dispatcher.run,
                "disk": self._disk_watch.run,
                "memory": functools.partial(keep_giving_back, self.clock),
                **self.outbox.loops(),
                "dispatch: digests": self.digester.run,
                "dispatch: retention": self._retention.run,
                "dispatch: pushed alerts": self.pushed.run,
                "dispatch: silences": self.silences.run,
                "dispatch: warnings of silences": self._silence_warnings.run,
                "errors: alerts": self._relay.run,
                "drills": self.drills.run,
                "errors: digest": self._digest.run,
                "errors: retention": self._error_retention.run,
                "metrics: store": self.stores.samples.run,
                "metrics: discovery": self.discovery.run,
                "metrics: scraping": self.scraper.run,
            }
        )
        self._start_loops(
            build_release_loops(
                database=self.stores.database,
                dispatcher=self.dispatcher,
                integrations=self.integrations,
                clock=self.clock,
            )
        )
        if self._store_watch is not None:
            self._start_loops({"metrics: store watch": self._store_watch.run})
        self.collectors.start()
        await self.probe_scheduler.start()
        await self.rules.start(await self.managed_rules.load())

    async def stop(self) -> None:
        """End the loops, sources of alerts first, then close the stores."""
        self.is_ready = False
        await self.rules.stop()
        await self.probe_scheduler.stop()
        await self.collectors.stop()
        await self._supervisor.stop()
        if self.stores.external is not None:
            self.stores.external.reader.interrupt()
        await asyncio.to_thread(self.queries.stop)
        await asyncio.to_thread(self.rule_queries.stop)
        await self._client.aclose()
        await asyncio.to_thread(self.stores.close)

    @property
    def target_sources(self) -> list[TargetSource]:
        """Everything that watches targets."""
        return [self.scraper, self.collectors]

    def count_targets_down(self) -> int:
        """Return how many targets do not answer."""
        return sum(
            target.health == "down"
            for source in self.target_sources
            for target in source.statuses()
        )

    def _start_loops(self, loops: dict[str, Callable[[], Awaitable[None]]]) -> None:
        for name, loop in loops.items():
            self._supervisor.start(name, loop)

    def _build_accounts(self) -> None:
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

    def _build_dispatch(self) -> None:
        alerting = self.config.alerting
        self.handling = build_handling(
            self.stores.database, external_url=self.external_url, clock=self.clock
        )
        self.notifier_context = context = NotifierContext(
            self._client,
            self.clock,
            Links(self.external_url),
            self._allowed_hosts,
            actions=self.handling.links,
            diagnose=self._diagnose,
        )
        integrations = self.integrations = build_integrations(alerting.receivers, context)
        self.alert_store = SqlAlerts(self.stores.database)
        self.outbox_store = SqlOutbox(self.stores.database)
        self.handlings = Handlings(
            store=SqlHandlings(
                self.stores.database,
                AcknowledgementComposer(
                    integrations,
                    ids=self.ids,
                    external_labels=Labels.of(self.config.global_.external_labels),
                ),
            ),
            clock=self.clock,
            on_change=self._on_handling,
            close=self._close,
            closing=alerting.reopen_after,
        )
        self.outbox = Outbox(
            store=self.outbox_store,
            integrations=integrations,
            clock=self.clock,
            telemetry=self.telemetry,
            receivers=alerting.receivers,
            last_resort=choose_root_receiver(alerting),
        )
        self.route = build_route(alerting)
        self.dispatcher = Dispatcher(
            store=self.alert_store,
            route=self.route,
            integrations=integrations,
            on_outbox_change=self.outbox.wake,
            clock=self.clock,
            ids=self.ids,
            telemetry=self.telemetry,
            external_labels=Labels.of(self.config.global_.external_labels),
            firing=self.firing,
            muter=self.muters,
            handlings=self.handlings,
            route_times=self._route_times,
            flapping=Flapping(window=alerting.flapping.window, changes=alerting.flapping.changes),
            dependents=self.dependencies.dependents_of if alerting.dependencies else None,
            max_messages_per_hour=alerting.max_messages_per_hour,
        )
        self._build_silence_warnings(integrations)
        self.digester = Digester(
            plans=build_plans(
                self.route,
                config=alerting.digests,
                integrations=integrations,
                locations={each.name: each.location for each in alerting.receivers},
            ),
            store=SqlDigests(self.stores.database),
            on_outbox_change=self.outbox.wake,
            clock=self.clock,
            ids=self.ids,
            external_labels=Labels.of(self.config.global_.external_labels),
        )
        self.pushed = PushedAlerts(
            store=SqlExpiries(self.stores.database),
            sink=self.dispatcher,
            firing=self.firing,
            resolve_timeout=alerting.resolve_timeout,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        self._retention = Retention(
            prunables=[
                self.alert_store,
                self.outbox_store,
                self.handlings,
                self.handling.quality,
                self.handling.incidents,
                SqlDrills(self.stores.database),
            ],
            outbox=self.outbox,
            keep=alerting.retention,
            clock=self.clock,
        )

    def _build_muting(self) -> None:
        self.firing = FiringAlerts()
        self._silence_store = SqlSilences(self.stores.database)
        self.silences = Silences(
            store=self._silence_store,
            on_change=self._reconsider,
            clock=self.clock,
            ids=self.ids,
            telemetry=self.telemetry,
        )
        alerting = self.config.alerting
        self.inhibition = Inhibition(alerting.inhibit_rules, self.firing)
        self.dependencies = Dependencies(alerting.dependencies, self.firing)
        interval_clock = IntervalClock(build_intervals(alerting.time_intervals))
        self._route_times = RouteTimes(interval_clock)
        quiet_hours = QuietHours(alerting.quiet_hours, interval_clock)
        self.muters = Muters((self.silences, self.inhibition, self.dependencies, quiet_hours))

    def _reconsider(self) -> None:
        """Look at every group again: what mutes alerts, or people's handling, has changed."""
        self.dispatcher.reconsider()

    def _on_handling(self) -> None:
        # Those that keep incidents of their own may have to hear of it.
        self.outbox.wake()
        self._reconsider()

    async def _close(
        self, occurrence_ids: Sequence[OccurrenceId], by: str, until: datetime
    ) -> None:
        await self.dispatcher.close_all(occurrence_ids, by, until)

    def _build_silence_warnings(self, integrations: Sequence[Integration]) -> None:
        self._silence_warnings = SilenceWarnings(
            silences=self.silences,
            firing=self.firing,
            receivers_of=self.dispatcher.receivers_of,
            integrations=integrations,
            store=self._silence_store,
            on_outbox_change=self.outbox.wake,
            clock=self.clock,
            ids=self.ids,
            external_labels=Labels.of(self.config.global_.external_labels),
        )

    def _build_disk_watch(self, folder: Path) -> None:
        self._disk_watch = DiskWatch(
            folder=folder,
            min_free_bytes=self.config.storage.min_free_bytes,
            alerts=self._alerts,
            find_firing_since=self._find_firing_since,
            clock=self.clock,
        )
        external = self.stores.external
        self._store_watch = external and StoreWatch(
            lag_seconds=lambda: external.writer.lag_seconds,
            problem=lambda: external.writer.problem,
            alerts=self._alerts,
            find_firing_since=self._find_firing_since,
            clock=self.clock,
        )

    async def _find_firing_since(self, fingerprint: str) -> datetime | None:
        record = await self.alert_store.get_alert(fingerprint)
        if record is None or record.alert.status is not AlertStatus.FIRING:
            return None
        return record.alert.starts_at

    def _build_metrics(self) -> None:
        config, metrics = self.config, self.config.metrics
        self.metadata = MetadataStore()
        external = self.stores.external
        self.queries = QueryRunner(
            self.stores.queryable,
            clock=self.clock,
            telemetry=self.telemetry,
            timeout=metrics.query_timeout,
            max_samples=metrics.query_max_samples,
            subquery_step=config.global_.evaluation_interval,
            helpers=(os.cpu_count() or 1) - 1,
            features=frozenset(metrics.promql_features),
            workers=_QUERY_WORKERS if external is None else _FORWARDED_QUERIES,
            engine=external.reader if external is not None else None,
        )
        self._rule_selections = SharedSelections(
            self.stores.queryable, monotonic=self.clock.monotonic
        )
        self.rule_queries = self.queries.build_sibling(
            # Here more threads evaluate nothing faster; a server elsewhere is mostly waited for.
            workers=1 if external is None else config.rules.max_concurrent_evals,
            queryable=self._rule_selections,
        )
        self.scraper = ScrapeManager(
            targets=(),
            sink=self.stores.samples,
            client=self._client,
            clock=self.clock,
            telemetry=self.telemetry,
            metadata=self.metadata,
            build_client=self._build_tls_client,
            exemplars=self.stores.exemplars,
            has_more_targets=True,
        )
        self.discovery = Discovery(
            [build_pool(each, config.global_, metrics) for each in config.scrape_configs],
            apply=self.scraper.replace_targets,
            get_access=self.scraper.get_access,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        self.collectors = CollectorManager(
            collectors=build_collectors(config.collectors, allowed_hosts=self._allowed_hosts),
            sink=self.stores.samples,
            supervisor=self._supervisor,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def _build_push(self) -> None:
        metrics, telemetry = self.config.metrics, PushTelemetry(self.telemetry)
        limits = LabelLimits(
            metrics.labels_per_series, metrics.label_name_bytes, metrics.label_value_bytes
        )
        self.remote_write = RemoteWriteReceiver(
            sink=self.stores.samples,
            exemplars=self.stores.exemplars,
            metadata=self.metadata,
            telemetry=telemetry,
            limits=limits,
        )
        self.otlp = OtlpReceiver(
            sink=self.stores.samples,
            exemplars=self.stores.exemplars,
            metadata=self.metadata,
            telemetry=telemetry,
            config=metrics.push,
            limits=limits,
            clock=self.clock,
        )

    def _build_tls_client(self, context: ssl.SSLContext) -> httpx.AsyncClient:
        return build_client(allowed_hosts=self._allowed_hosts, verify=context)

    def _build_rules(self) -> None:
        loaded = load_rules(self.config)
        for error in loaded.errors:
            logger.warning("%s", error)
        self.rules = RuleManager(
            loaded.groups,
            loaded.errors,
            querier=HoldingQuerier(
                # A server elsewhere is asked one by one: there it is the waiting that costs.
                GatheringQuerier(self.rule_queries, clock=self.clock)
                if self.stores.external is None
                else self.rule_queries,
                refused_ago=self.stores.samples.refused_ago,
            ),
            sink=ForgettingSink(self.stores.samples, self._rule_selections),
            alerts=self._alerts,
            states=SqlRuleStates(self.stores.database),
            clock=self.clock,
            telemetry=self.telemetry,
            wait_until_ready=self._wait_for_first_samples,
            external_labels=self.config.global_.external_labels,
            external_url=self.external_url,
            config=self.config.rules,
            # Looking for missing series does not keep rules waiting.
            data=DataFinder(
                HoldingQuerier(self.queries, refused_ago=self.stores.samples.refused_ago)
            ),
        )
        self.rule_previewer = RulePreviewer(
            queries=self.queries, renderer=self.rules.renderer, clock=self.clock
        )
        self.drills = build_drills(
            stores=self.stores,
            config=self.config,
            rules=self.rules,
            dispatcher=self.dispatcher,
            route=self.route,
            integrations=self.integrations,
            outbox=self.outbox,
            deliveries=self.outbox_store,
            external_url=self.external_url,
            clock=self.clock,
            ids=self.ids,
        )
        self.managed_rules = ManagedRules(
            store=SqlManagedRules(self.stores.database),
            files=loaded,
            replace_groups=self.rules.replace_groups,
            builder=GroupBuilder(
                check_expression=build_expression_check(self.config),
                default_interval=self.config.global_.evaluation_interval,
                default_offset=self.config.global_.rule_query_offset,
            ),
            clock=self.clock,
            ids=self.ids,
        )

    def _build_errors(self) -> None:
        config = self.config.errors
        self.error_metrics = ErrorMetrics(self.telemetry)
        self.projects = Projects(self.config.projects)
        self.issue_reader = SqlIssueReader(self.stores.database)
        self.issue_store = SqlIssueStore(self.stores.database)
        self._relay = IssueAlertRelay(
            queue=self.issue_store,
            sink=self._alerts,
            severity=config.new_issue_severity,
            clock=self.clock,
        )
        self._digest = Digest(
            spool=self.stores.errors_spool,
            store=self.issue_store,
            projects=self.projects,
            config=config,
            metrics=self.error_metrics,
            clock=self.clock,
            on_alerts=self._relay.wake,
        )
        self._error_retention = ErrorRetention(
            store=self.issue_store, retention=config.retention, clock=self.clock
        )
        self.intake = Intake(
            projects=self.projects,
            spool=self.stores.errors_spool,
            config=config,
            metrics=self.error_metrics,
            clock=self.clock,
            ids=self.ids,
        )

    def _build_probes(self) -> None:
        tools = ProbeTools(clock=self.clock, allowed_hosts=self._allowed_hosts)
        store = SqlProbeStore(self.stores.database)
        self.probe_reader = ProbeReader(configs=self.config.probes, tools=tools, history=store)
        self.probe_scheduler = ProbeScheduler(
            configs=self.config.probes,
            tools=tools,
            journal=store,
            backlog=store,
            sink=self.stores.samples,
            alerts=self._alerts,
            supervisor=self._supervisor,
            telemetry=self.telemetry,
        )

    async def _diagnose(self, notification: Notification) -> Diagnosis:
        return await self._diagnoser.diagnose(notification)

    @property
    def _alerts(self) -> AlertSink:
        return self.dispatcher

    async def _wait_for_first_samples(self) -> None:
        """Wait until every target was asked once, lest a rule mistake a restart for silence."""
        await asyncio.gather(
            self.scraper.wait_until_first_round(_FIRST_ROUND_TIMEOUT_SECONDS),
            self.collectors.wait_until_first_round(_FIRST_ROUND_TIMEOUT_SECONDS),
        )
