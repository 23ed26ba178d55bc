"""Alerts: what fires, what is pending, what was, and what people do about it."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Depends

from resumatch_monitor.api.alerts_actions import add_action_routes
from resumatch_monitor.api.alerts_detail import add_detail_route
from resumatch_monitor.api.alerts_list import add_list_routes
from resumatch_monitor.api.alerts_quality import add_quality_routes
from resumatch_monitor.api.alerts_render import Standings
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.dispatch.handling.handled import HandledReader
from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.dispatch.handling.quality import QualityStore
from resumatch_monitor.dispatch.handling.timeline import SilenceHistory
from resumatch_monitor.dispatch.reading import DeliveryReader
from resumatch_monitor.kit.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSources:
    """Where the routes get what they show, and whom they tell what is to be done.

    Attributes:
        reader: Firing and resolved alerts.
        standings: Tells where an alert stands.
        handlings: Takes what people do.
        quality: What people judged, and what they say was missed.
        deliveries: What was sent about them.
        silences: What silenced them.
        expression: The query behind an alert's fingerprint, if it comes from a rule.
        has_channel: Whether any alert can reach anybody outside the monitor's own pages.
    """

    reader: HandledReader
    standings: Standings
    handlings: Handlings
    quality: QualityStore
    deliveries: DeliveryReader
    silences: SilenceHistory
    expression: Callable[[str], str | None]
    has_channel: Callable[[], bool]
    ids: Ids


def build_router(*, sources: AlertSources, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/alerts`; `guard` lets viewers read and editors act."""
    router = APIRouter(prefix="/api/monitor/alerts", dependencies=[Depends(guard.viewer)])
    add_list_routes(
        router,
        reader=sources.reader,
        standings=sources.standings,
        has_channel=sources.has_channel,
    )
    add_action_routes(
        router,
        handlings=sources.handlings,
        firing=sources.standings.firing,
        pending=sources.standings.pending,
        clock=sources.standings.clock,
        guard=guard,
    )
    add_quality_routes(
        router,
        store=sources.quality,
        clock=sources.standings.clock,
        ids=sources.ids,
        guard=guard,
    )
    # The last, or it would take the paths of the others for fingerprints.
    add_detail_route(
        router,
        reader=sources.reader,
        standings=sources.standings,
        quality=sources.quality,
        deliveries=sources.deliveries,
        silences=sources.silences,
        expression=sources.expression,
    )
    return router
