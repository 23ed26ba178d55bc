"""Drills joined with what they try."""

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, AlertSource
from resumatch_monitor.app.alerting import AlertingParts
from resumatch_monitor.app.base import Base
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.dispatch.practice.drills import DrillSender
from resumatch_monitor.probes.alerts import build_alert_labels
from resumatch_monitor.rules.drill.model import DirectTarget
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.service import Drills
from resumatch_monitor.rules.drill.targets import find_targets
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.watch import FAILING, WITHOUT_DATA
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.drills import SqlDrills


def build_drills(base: Base, *, rules: RuleManager, alerting: AlertingParts) -> Drills:
    """Return the drills of a monitor: its rules, its routes and its channels are tried."""
    config, database = base.config, base.stores.database
    return Drills(
        shadow=ShadowRunner(
            base.stores.queryable,
            clock=base.clock,
            external_labels=config.global_.external_labels,
            external_url=base.external_url,
            subquery_step=config.global_.evaluation_interval,
        ),
        list_targets=lambda: find_targets(rules.snapshot()),
        direct=_list_direct(config),
        sender=DrillSender(
            store=SqlAlerts(database),
            route=alerting.route,
            integrations=alerting.integrations,
            external_labels=base.external_labels,
            on_outbox_change=alerting.outbox.wake,
            clock=base.clock,
            ids=base.ids,
        ),
        deliveries=alerting.outbox_store,
        store=SqlDrills(database),
        mute_of=alerting.dispatcher.mute_of,
        clock=base.clock,
        ids=base.ids,
    )


def _list_direct(config: MonitorConfig) -> list[DirectTarget]:
    """Return the alerts that no rule raises."""
    found = [
        DirectTarget(FAILING, "warning", "A rule cannot be evaluated"),
        DirectTarget(WITHOUT_DATA, "info", "A rule has no data"),
        DirectTarget("MonitorDiskNearlyFull", "critical", "The monitor's disk is nearly full"),
    ]
    if config.metrics.store is not None:
        found.append(DirectTarget("MetricsStoreUnreachable", "critical", "No metrics store"))
    if config.projects:
        severity, label = config.errors.new_issue_severity, (("project", config.projects[0].slug),)
        found += [
            DirectTarget(name, severity, summary, label, AlertSource.ISSUE)
            for name, summary in (
                ("NewIssue", "An error that was not seen before"),
                ("IssueRegressed", "An error that was resolved is back"),
            )
        ]
    for probe in config.probes[:1]:
        found += [
            DirectTarget(
                name=labels[ALERT_NAME],
                severity=labels[SEVERITY],
                summary=f"{probe.name} is {kind.value}",
                labels=tuple(labels.items()),
                source=AlertSource.PROBE,
            )
            for kind, labels in build_alert_labels(probe).items()
        ]
    return found
