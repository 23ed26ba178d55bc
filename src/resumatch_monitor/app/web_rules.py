"""The routes of rules."""

from fastapi import APIRouter

from resumatch_monitor.api import drills, rules, rules_managed, rules_preview
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.config.check import build_expression_check
from resumatch_monitor.storage.sql.drills import SqlDrills


def build_rules(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    """Return the routes of what rules are and of how people make and prove one."""
    return [
        rules.build_router(take_snapshot=monitor.rules.manager.snapshot, guard=guard),
        rules_managed.build_router(rules=monitor.rules.managed, guard=guard),
        rules_preview.build_router(
            previewer=monitor.rules.previewer,
            check_expression=build_expression_check(monitor.config),
            default_interval=monitor.config.global_.evaluation_interval,
            clock=monitor.clock,
            guard=guard,
        ),
        drills.build_router(
            drills=monitor.rules.drills, store=SqlDrills(monitor.stores.database), guard=guard
        ),
    ]
