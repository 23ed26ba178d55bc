"""Prometheus' API over a monitor's parts."""

from functools import partial

from fastapi import APIRouter

from resumatch_monitor.api import prometheus, rules, targets
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_metadata import Suppliers, TargetMetadata
from resumatch_monitor.app.monitor import Monitor


def build_prometheus(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    """Return the routes under `/api/v1` that read."""
    return [
        prometheus.build_router(
            queries=monitor.queries,
            suppliers=_build_suppliers(monitor),
            guard=guard,
            clock=monitor.clock,
        )
    ]


def _build_suppliers(monitor: Monitor) -> Suppliers:
    return Suppliers(
        rules=lambda wanted: rules.render_prometheus_rules(monitor.rules.snapshot(), wanted),
        alerts=lambda: rules.render_prometheus_alerts(monitor.rules.snapshot()),
        targets=partial(
            targets.render_prometheus_targets, monitor.target_sources, monitor.discovery
        ),
        scrape_pools=lambda: targets.list_scrape_pools(monitor.target_sources, monitor.discovery),
        target_metadata=lambda: _list_target_metadata(monitor),
        metadata=lambda: monitor.metadata.by_target().values(),
    )


def _list_target_metadata(monitor: Monitor) -> list[TargetMetadata]:
    # A target's key begins with its job and its instance.
    labels = {f"{each.job}/{each.instance}": each.labels for each in monitor.scraper.statuses()}
    return [
        TargetMetadata(labels[name], said)
        for key, said in sorted(monitor.metadata.by_target().items())
        if (name := key.rpartition("/")[0]) in labels
    ]
