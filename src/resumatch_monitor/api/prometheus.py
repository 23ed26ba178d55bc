"""Prometheus' HTTP API, as Grafana's data source and promtool use it."""

from fastapi import APIRouter, Depends

from resumatch_monitor import __version__
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_answer import Endpoint, render_data
from resumatch_monitor.api.prometheus_metadata import MetadataHandlers, Suppliers
from resumatch_monitor.api.prometheus_params import Params
from resumatch_monitor.api.prometheus_query import QueryHandlers
from resumatch_monitor.api.prometheus_series import SeriesHandlers
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.promql.runner import QueryRunner

_WITH_FORM = ("GET", "HEAD", "POST")
# Grafana decides by the version what it may ask; this is the language that is spoken here.
_BUILDINFO = {
    "version": "3.0.0",
    "revision": f"resumatch-monitor-{__version__}",
    "branch": "",
    "buildUser": "",
    "buildDate": "",
    "goVersion": "",
    "application": "ResuMatch Monitor",
}


def build_router(
    *, queries: QueryRunner, suppliers: Suppliers, guard: Guard, clock: Clock
) -> APIRouter:
    """Return the routes under `/api/v1` that everybody who may look uses.

    Args:
        queries: Runs the queries.
        suppliers: Where everything else comes from.
        guard: Lets viewers through.
        clock: What the time is where a request names none.
    """
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(guard.viewer)])
    endpoint = Endpoint(router, clock=clock)
    asked, stored = QueryHandlers(queries), SeriesHandlers(queries)
    known = MetadataHandlers(suppliers)
    endpoint.add("/query", asked.query, methods=_WITH_FORM, is_long=True)
    endpoint.add("/query_range", asked.query_range, methods=_WITH_FORM, is_long=True)
    endpoint.add("/format_query", asked.format_query, methods=_WITH_FORM)
    endpoint.add("/parse_query", asked.parse_query, methods=_WITH_FORM)
    endpoint.add("/series", stored.series, methods=_WITH_FORM, is_long=True)
    endpoint.add("/labels", stored.labels, methods=_WITH_FORM, is_long=True)
    endpoint.add("/label/{name:path}/values", stored.label_values, is_long=True)
    endpoint.add("/metadata", known.metadata)
    endpoint.add("/targets/metadata", known.target_metadata)
    endpoint.add("/targets", known.targets)
    endpoint.add("/scrape_pools", known.scrape_pools)
    endpoint.add("/rules", known.rules)
    endpoint.add("/alerts", known.alerts)
    endpoint.add("/alertmanagers", known.alertmanagers)
    endpoint.add("/status/buildinfo", _read_buildinfo)
    return router


async def _read_buildinfo(_: Params) -> bytes:
    return render_data(_BUILDINFO)
