"""Which rules can be tried."""

from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.drill.model import DRILL_LABEL, DirectTarget, Firing, Target
from resumatch_monitor.rules.manager import RulesSnapshot
from resumatch_monitor.rules.model import AlertingRule


def find_targets(snapshot: RulesSnapshot) -> list[Target]:
    """Return the alerting rules of all groups."""
    return [
        Target(group.group, rule)
        for group in snapshot.groups
        for rule in group.group.rules
        if isinstance(rule, AlertingRule)
    ]


def fire_directly(target: DirectTarget, at: datetime) -> Firing:
    """Return an alert of the monitor's own as if its condition held."""
    alert = Alert(
        labels=Labels.of(
            {
                **dict(target.labels),
                ALERT_NAME: target.name,
                SEVERITY: target.severity,
                DRILL_LABEL: "true",
            }
        ),
        annotations={"summary": target.summary},
        starts_at=at,
        source=target.source,
        is_event=target.is_event,
    )
    return Firing([alert], timedelta(0), evaluations=0, is_replaced=True)
