"""The HTTP edge of logs."""

from fastapi import APIRouter

from resumatch_monitor.api import (
    elastic_cluster,
    elastic_search,
    log_pipelines,
    log_rules,
    logs,
    logs_export,
    logs_patterns,
    logs_searches,
    logs_tail,
    loki_query,
)
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web_log_doors import build_log_doors


def build_logs(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    """Return the doors of logs, and what searches them."""
    return [
        *build_log_doors(monitor, guard),
        log_rules.build_router(
            sources=log_rules.LogRuleSources(
                runners=monitor.logs.rules.runners, logs=monitor.logs.reader, clock=monitor.clock
            ),
            guard=guard,
        ),
        log_pipelines.build_router(
            sources=log_pipelines.TrialSources(
                logs=monitor.logs.reader,
                surroundings=monitor.logs.pipelines.surroundings,
                scrubber=monitor.logs.pipelines.scrubber,
                clock=monitor.clock,
            ),
            guard=guard,
        ),
        *_build_searches(monitor, guard),
        # Asked last of what begins with its path.
        elastic_cluster.build_rest(guard=guard),
    ]


def _build_searches(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    parts, clock = monitor.logs, monitor.clock
    return [
        elastic_search.build_router(logs=parts.reader, guard=guard, clock=clock),
        loki_query.build_router(logs=parts.reader, guard=guard, clock=clock),
        logs_tail.build_router(tail=parts.tail, guard=guard, clock=clock),
        logs_export.build_router(logs=parts.reader, guard=guard, clock=clock),
        logs_patterns.build_router(logs=parts.reader, guard=guard, clock=clock),
        logs_searches.build_router(searches=parts.searches, guard=guard, clock=clock),
        # Last: a record's path may be anything.
        logs.build_router(logs=parts.reader, guard=guard, clock=clock),
    ]
