"""Alerts on their way to people: what mutes them, who hears of them, what people do about them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.app.handling import build_handling
from resumatch_monitor.app.releases import build_release_loops
from resumatch_monitor.config.dependencies import find_dependencies
from resumatch_monitor.dispatch.digest.digester import Digester
from resumatch_monitor.dispatch.digest.plans import build_plans
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.handling.acknowledgements import AcknowledgementComposer
from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.dispatch.muting.dependencies import Dependencies
from resumatch_monitor.dispatch.muting.inhibition import Inhibition
from resumatch_monitor.dispatch.muting.intervals import build_intervals
from resumatch_monitor.dispatch.muting.mute import Muters
from resumatch_monitor.dispatch.muting.silence_warnings import SilenceWarnings
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.muting.times import IntervalClock, QuietHours, RouteTimes
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.flapping import Flapping
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.dispatch.occurrences.pushed import PushedAlerts
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.outbox.retention import Retention
from resumatch_monitor.dispatch.policy.config import choose_root_receiver
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.registry import build_integrations
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.digests import SqlDigests
from resumatch_monitor.storage.sql.drills import SqlDrills
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.pushed import SqlExpiries
from resumatch_monitor.storage.sql.silences import SqlSilences


class AlertingParts:
    """Everything between the sources of alerts and the channels, channels included."""

    def __init__(
        self,
        base: Base,
        *,
        diagnose: Callable[[Notification], Awaitable[Diagnosis]],
        list_pending: Callable[[], Sequence[Alert]],
    ) -> None:
        self._base = base
        self._config = base.config.alerting
        self._build_muting(list_pending)
        self._build_channels(diagnose)
        self._build_dispatch()
        self._build_digests()
        self._build_keeping()

    async def open(self) -> None:
        """Remember what was; the stores are open.

        Raises:
            OSError: If the folder cannot be used.
        """
        await self.silences.load()
        await self.handling.open(self._base.folder, self._base.ids)
        await self.handlings.load()
        await self.dispatcher.load()
        await self.handlings.finish()
        await self.pushed.load()
        await self.outbox.prepare()

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "dispatch": self.dispatcher.run,
            **self.outbox.loops(),
            "dispatch: digests": self.digester.run,
            "dispatch: what people resolved": self.handlings.run,
            "dispatch: retention": self._retention.run,
            "dispatch: pushed alerts": self.pushed.run,
            "dispatch: silences": self.silences.run,
            "dispatch: warnings of silences": self._silence_warnings.run,
            **build_release_loops(
                database=self._base.stores.database,
                dispatcher=self.dispatcher,
                integrations=self.integrations,
                clock=self._base.clock,
            ),
        }

    async def find_firing_since(self, fingerprint: str) -> datetime | None:
        """Return since when an alert fires; None if it does not."""
        record = await self.alert_store.get_alert(fingerprint)
        if record is None or record.alert.status is not AlertStatus.FIRING:
            return None
        return record.alert.starts_at

    def _build_muting(self, list_pending: Callable[[], Sequence[Alert]]) -> None:
        base, config = self._base, self._config
        self.firing = FiringAlerts()
        self.silence_store = SqlSilences(base.stores.database)
        self.silences = Silences(
            store=self.silence_store,
            on_change=self._reconsider,
            clock=base.clock,
            ids=base.ids,
            telemetry=base.telemetry,
        )
        self.inhibition = Inhibition(config.inhibit_rules, self.firing)
        dependencies = find_dependencies(base.config)
        self.dependencies = Dependencies(dependencies, self.firing, list_pending=list_pending)
        interval_clock = IntervalClock(build_intervals(config.time_intervals))
        self._route_times = RouteTimes(interval_clock)
        quiet_hours = QuietHours(config.quiet_hours, interval_clock)
        self.muters = Muters((self.silences, self.inhibition, self.dependencies, quiet_hours))

    def _build_channels(self, diagnose: Callable[[Notification], Awaitable[Diagnosis]]) -> None:
        base = self._base
        self.handling = build_handling(
            base.stores.database, external_url=base.external_url, clock=base.clock
        )
        self.notifier_context = NotifierContext(
            base.client,
            base.clock,
            Links(base.external_url),
            base.allowed_hosts,
            actions=self.handling.links,
            diagnose=diagnose,
        )
        self.integrations = build_integrations(self._config.receivers, self.notifier_context)
        self.outbox_store = SqlOutbox(base.stores.database)
        self.outbox = Outbox(
            store=self.outbox_store,
            integrations=self.integrations,
            clock=base.clock,
            telemetry=base.telemetry,
            receivers=self._config.receivers,
            last_resort=choose_root_receiver(self._config),
        )

    def _build_dispatch(self) -> None:
        base, config = self._base, self._config
        self.alert_store = SqlAlerts(base.stores.database)
        composer = AcknowledgementComposer(
            self.integrations, ids=base.ids, external_labels=base.external_labels
        )
        self.handlings = Handlings(
            store=SqlHandlings(base.stores.database, composer),
            clock=base.clock,
            on_change=self._on_handling,
            close=self._close,
            closing=config.reopen_after,
        )
        self.route = build_route(config)
        self.dispatcher = Dispatcher(
            store=self.alert_store,
            route=self.route,
            integrations=self.integrations,
            on_outbox_change=self.outbox.wake,
            clock=base.clock,
            ids=base.ids,
            telemetry=base.telemetry,
            external_labels=base.external_labels,
            firing=self.firing,
            muter=self.muters,
            handlings=self.handlings,
            route_times=self._route_times,
            flapping=Flapping(window=config.flapping.window, changes=config.flapping.changes),
            dependents=self.dependencies.dependents_of,
            max_messages_per_hour=config.max_messages_per_hour,
        )
        self.pushed = PushedAlerts(
            store=SqlExpiries(base.stores.database),
            sink=self.dispatcher,
            firing=self.firing,
            resolve_timeout=config.resolve_timeout,
            clock=base.clock,
            telemetry=base.telemetry,
        )

    def _build_digests(self) -> None:
        base, config = self._base, self._config
        self.digester = Digester(
            plans=build_plans(
                self.route,
                config=config.digests,
                integrations=self.integrations,
                locations={each.name: each.location for each in config.receivers},
            ),
            store=SqlDigests(base.stores.database),
            on_outbox_change=self.outbox.wake,
            clock=base.clock,
            ids=base.ids,
            external_labels=base.external_labels,
        )

    def _build_keeping(self) -> None:
        base = self._base
        self._silence_warnings = SilenceWarnings(
            silences=self.silences,
            firing=self.firing,
            receivers_of=self.dispatcher.receivers_of,
            integrations=self.integrations,
            store=self.silence_store,
            on_outbox_change=self.outbox.wake,
            clock=base.clock,
            ids=base.ids,
            external_labels=base.external_labels,
        )
        self._retention = Retention(
            prunables=[
                self.alert_store,
                self.outbox_store,
                self.handlings,
                self.handling.quality,
                self.handling.incidents,
                self.silence_store,
                SqlDrills(base.stores.database),
            ],
            outbox=self.outbox,
            keep=self._config.retention,
            clock=base.clock,
        )

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
