"""Which rules can be tried."""

from resumatch_monitor.rules.drill.model import Target
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
