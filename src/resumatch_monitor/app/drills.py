"""Drills joined with what they try."""

from collections.abc import Sequence

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
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.service import Drills
from resumatch_monitor.rules.drill.targets import find_targets
from resumatch_monitor.rules.manager import RuleManager
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
