"""Errors: from the spool to issues and their alerts."""

from collections.abc import Mapping

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.errortracking.alerting.ends import AlertTimer
from resumatch_monitor.errortracking.alerting.watch import IssueWatch
from resumatch_monitor.errortracking.digest import Digest
from resumatch_monitor.errortracking.grouping.project import GroupingBook
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.regroup.preview import Previews
from resumatch_monitor.errortracking.regroup.settings import GroupingSettings
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.errortracking.resolving import FrameResolver
from resumatch_monitor.errortracking.retention import ErrorRetention
from resumatch_monitor.errortracking.workflow.due import WorkflowTimer
from resumatch_monitor.errortracking.workflow.owners import Owners
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.storage.sql.groupings import SqlEventSamples, SqlGroupingStore
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_activity import SqlIssueDesk
from resumatch_monitor.storage.sql.issues_alerts import SqlIssueAlerts
from resumatch_monitor.storage.sql.issues_facets import SqlIssueFacets
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from resumatch_monitor.storage.sql.regrouping import SqlIssueRegrouper
from resumatch_monitor.storage.sql.saved_searches import SqlSavedSearches


class ErrorParts:
    """Everything about errors."""

    def __init__(
        self,
        base: Base,
        *,
        alerts: AlertSink,
        processors: Mapping[ItemKind, ItemProcessor] | None = None,
        resolver: FrameResolver | None = None,
    ) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            alerts: Where alerts about issues go.
            processors: Who digests what comes through the errors' spool beside events.
            resolver: Who knows where minified code came from.
        """
        config = base.config.errors
        self.metrics = ErrorMetrics(base.telemetry)
        self.projects = base.projects
        self.sinks: Mapping[ItemKind, SpoolWriter] = dict.fromkeys(
            (ItemKind.EVENT, *(processors or {})), base.stores.errors_spool
        )
        self.reader = SqlIssueReader(base.stores.database)
        watch = IssueWatch(config.alerts, severity=config.new_issue_severity)
        self.store = SqlIssueStore(base.stores.database, watch, Owners(config.owners))
        alert_queue = SqlIssueAlerts(base.stores.database, watch)
        self.facets = SqlIssueFacets(base.stores.database)
        self.saved_searches = SqlSavedSearches(base.stores.database)
        self.workflow = SqlIssueDesk(base.stores.database)
        self._timer = WorkflowTimer(due=self.workflow, clock=base.clock)
        grouping_store = SqlGroupingStore(base.stores.database)
        samples = SqlEventSamples(base.stores.database)
        self.regrouper = SqlIssueRegrouper(base.stores.database)
        self.groupings = GroupingBook(
            grouping_store,
            projects=self.projects,
            configured_rules=config.fingerprint_rules,
        )
        self._previews = Previews(samples=samples, clock=base.clock)
        self.grouping_settings = GroupingSettings(
            store=grouping_store,
            book=self.groupings,
            samples=samples,
            regrouper=self.regrouper,
            previews=self._previews,
            clock=base.clock,
            retention=config.retention,
        )
        self._relay = IssueAlertRelay(
            queue=alert_queue,
            sink=alerts,
            severity=config.new_issue_severity,
            storm=config.storm,
            clock=base.clock,
        )
        self._alert_timer = AlertTimer(ends=alert_queue, wake=self._relay.wake, clock=base.clock)
        self._digest = Digest(
            spool=base.stores.errors_spool,
            store=self.store,
            projects=self.projects,
            groupings=self.groupings,
            config=config,
            metrics=self.metrics,
            clock=base.clock,
            on_alerts=self._relay.wake,
            processors=processors,
            resolver=resolver,
        )
        self._retention = ErrorRetention(
            store=self.store, retention=config.retention, clock=base.clock
        )

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "errors: alerts": self._relay.run,
            "errors: ends of alerts": self._alert_timer.run,
            "errors: digest": self._digest.run,
            "errors: grouping previews": self._previews.run,
            "errors: retention": self._retention.run,
            "errors: workflow": self._timer.run,
        }
