"""Drills joined with what they try."""

from collections.abc import Sequence

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, AlertSource
from resumatch_monitor.app.stores import Stores
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.drills import DrillSender
from resumatch_monitor.dispatch.outbox import Outbox
from resumatch_monitor.dispatch.reading import DeliveryReader
from resumatch_monitor.dispatch.route import Route
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.notifier import Integration
from resumatch_monitor.probes.alerts import build_alert_labels
from resumatch_monitor.rules.drill.model import DirectTarget
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.service import Drills
from resumatch_monitor.rules.drill.targets import find_targets
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.watch import FAILING, WITHOUT_DATA
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.drills import SqlDrills


def build_drills(
    *,
    stores: Stores,
    config: MonitorConfig,
    rules: RuleManager,
    dispatcher: Dispatcher,
    route: Route,
    integrations: Sequence[Integration],
    outbox: Outbox,
    deliveries: DeliveryReader,
    external_url: str,
    clock: Clock,
    ids: Ids,
) -> Drills:
    """Return the drills of a monitor: its rules, its routes and its channels are tried."""
    external_labels = config.global_.external_labels
    return Drills(
        shadow=ShadowRunner(
            stores.queryable,
            clock=clock,
            external_labels=external_labels,
            external_url=external_url,
            subquery_step=config.global_.evaluation_interval,
        ),
        list_targets=lambda: find_targets(rules.snapshot()),
        direct=_list_direct(config),
        sender=DrillSender(
            store=SqlAlerts(stores.database),
            route=route,
            integrations=integrations,
            external_labels=Labels.of(external_labels),
            on_outbox_change=outbox.wake,
            clock=clock,
            ids=ids,
        ),
        deliveries=deliveries,
        store=SqlDrills(stores.database),
        mute_of=dispatcher.mute_of,
        clock=clock,
        ids=ids,
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
            DirectTarget(name, severity, summary, label, AlertSource.ISSUE, is_event=True)
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
