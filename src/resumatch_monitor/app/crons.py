"""Scheduled jobs: from check-ins to alerts."""

from collections.abc import Mapping

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.crons.processor import CheckInProcessor
from resumatch_monitor.crons.relay import IncidentRelay
from resumatch_monitor.crons.timer import CronTimer
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.storage.sql.crons import SqlCheckInStore
from resumatch_monitor.storage.sql.crons_desk import SqlJobDesk
from resumatch_monitor.storage.sql.crons_incidents import IncidentBook
from resumatch_monitor.storage.sql.crons_time import SqlTimekeeper


class CronParts:
    """Everything about scheduled jobs."""

    def __init__(self, base: Base, *, alerts: AlertSink) -> None:
        config, database = base.config.crons, base.stores.database
        incidents = IncidentBook(severity=config.severity, slug_of=base.projects.slug)
        self.store = SqlJobDesk(database, retention=config.retention)
        self.relay = IncidentRelay(backlog=self.store, sink=alerts, clock=base.clock)
        self._timer = CronTimer(
            keeper=SqlTimekeeper(database, incidents),
            spool=base.stores.errors_spool,
            clock=base.clock,
            on_incidents=self.relay.wake,
        )
        self.processors: Mapping[ItemKind, ItemProcessor] = {
            ItemKind.CHECK_IN: CheckInProcessor(
                store=SqlCheckInStore(database, incidents),
                telemetry=base.telemetry,
                on_incidents=self.relay.wake,
            )
        }

    def loops(self) -> Loops:
        """Return what runs."""
        return {"crons: alerts": self.relay.run, "crons: time": self._timer.run}
