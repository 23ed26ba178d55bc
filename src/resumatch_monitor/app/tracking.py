"""Errors: from an envelope to issues and their alerts."""

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.errortracking.digest import Digest
from resumatch_monitor.errortracking.intake import Intake
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.errortracking.retention import ErrorRetention
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader


class ErrorParts:
    """Everything about errors."""

    def __init__(self, base: Base, *, alerts: AlertSink) -> None:
        config = base.config.errors
        self.metrics = ErrorMetrics(base.telemetry)
        self.projects = Projects(base.config.projects)
        self.reader = SqlIssueReader(base.stores.database)
        self.store = SqlIssueStore(base.stores.database)
        self._relay = IssueAlertRelay(
            queue=self.store,
            sink=alerts,
            severity=config.new_issue_severity,
            clock=base.clock,
        )
        self._digest = Digest(
            spool=base.stores.errors_spool,
            store=self.store,
            projects=self.projects,
            config=config,
            metrics=self.metrics,
            clock=base.clock,
            on_alerts=self._relay.wake,
        )
        self._retention = ErrorRetention(
            store=self.store, retention=config.retention, clock=base.clock
        )
        self.intake = Intake(
            projects=self.projects,
            spool=base.stores.errors_spool,
            config=config,
            metrics=self.metrics,
            clock=base.clock,
            ids=base.ids,
        )

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "errors: alerts": self._relay.run,
            "errors: digest": self._digest.run,
            "errors: retention": self._retention.run,
        }
