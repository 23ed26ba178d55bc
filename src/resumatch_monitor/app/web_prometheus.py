"""Prometheus' API over a monitor's parts."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import APIRouter

from resumatch_monitor.api import (
    prometheus,
    prometheus_admin,
    prometheus_federate,
    prometheus_status,
    rules,
    targets,
)
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_metadata import Suppliers, TargetMetadata
from resumatch_monitor.api.prometheus_status import StatusSources
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.config.render import render_config
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.promql.context import DEFAULT_LOOKBACK_MS


def build_prometheus(monitor: Monitor, guard: Guard, *, folder: Path) -> list[APIRouter]:
    """Return the routes of Prometheus, but for those that samples are pushed to.

    Args:
        monitor: The parts.
        guard: Lets requests through.
        folder: Where the monitor keeps its data.
    """
    return [
        prometheus_status.build_router(
            sources=_build_status(monitor, folder), guard=guard, clock=monitor.clock
        ),
        prometheus_admin.build_router(
            admin=monitor.stores.embedded, guard=guard, clock=monitor.clock
        ),
        prometheus_federate.build_router(
            queries=monitor.metrics.queries,
            external_labels=monitor.config.global_.external_labels,
            guard=guard,
            clock=monitor.clock,
        ),
        prometheus.build_router(
            queries=monitor.metrics.queries,
            suppliers=_build_suppliers(monitor),
            guard=guard,
            clock=monitor.clock,
        ),
    ]


def _build_status(monitor: Monitor, folder: Path) -> StatusSources:
    config = monitor.config
    metrics = config.metrics
    retention = format_duration(metrics.retention)
    size = metrics.retention_size_bytes
    return StatusSources(
        config=lambda: render_config(config),
        # What these are set by here stands in the configuration; clients know them by these names.
        flags={
            "enable-feature": ",".join(metrics.promql_features),
            "query.lookback-delta": format_duration(timedelta(milliseconds=DEFAULT_LOOKBACK_MS)),
            "query.max-samples": str(metrics.query_max_samples),
            "query.timeout": format_duration(metrics.query_timeout),
            "storage.tsdb.path": str(folder / "metrics"),
            "storage.tsdb.retention.size": f"{size}B",
            "storage.tsdb.retention.time": retention,
            "web.enable-admin-api": "true",
            "web.enable-remote-write-receiver": "true",
            "web.external-url": monitor.external_url,
        },
        started_at=monitor.started_at,
        retention=f"{retention} or {size}B" if size else retention,
        corruptions=lambda: _count_corruptions(monitor),
        cardinality=monitor.stores.embedded,
    )


def _count_corruptions(monitor: Monitor) -> int:
    families = monitor.telemetry.registry.collect()
    return sum(
        int(sample.value)
        for family in families
        if family.name == "resumatch_monitor_tsdb_corruptions"
        for sample in family.samples
        if sample.name.endswith("_total")
    )


def _build_suppliers(monitor: Monitor) -> Suppliers:
    snapshot, metrics = monitor.rules.manager.snapshot, monitor.metrics
    return Suppliers(
        rules=lambda wanted: rules.render_prometheus_rules(snapshot(), wanted),
        alerts=lambda: rules.render_prometheus_alerts(snapshot()),
        targets=partial(
            targets.render_prometheus_targets,
            metrics.target_sources,
            metrics.discovery,
        ),
        scrape_pools=lambda: targets.list_scrape_pools(metrics.target_sources, metrics.discovery),
        target_metadata=lambda: _list_target_metadata(monitor),
        metadata=lambda: metrics.metadata.by_target().values(),
    )


def _list_target_metadata(monitor: Monitor) -> list[TargetMetadata]:
    # A target's key begins with its job and its instance.
    labels = {
        f"{each.job}/{each.instance}": each.labels for each in monitor.metrics.scraper.statuses()
    }
    return [
        TargetMetadata(labels[name], said)
        for key, said in sorted(monitor.metrics.metadata.by_target().items())
        if (name := key.rpartition("/")[0]) in labels
    ]
