"""Targets: what is scraped and collected, and how that goes."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.kit.clock import isoformat_or_none
from resumatch_monitor.metrics.targets import TargetSource, WatchedTarget

_NEVER = "0001-01-01T00:00:00Z"


def build_router(*, sources: Sequence[TargetSource], guard: Guard) -> APIRouter:
    """Return the route `/api/monitor/targets`.

    Args:
        sources: Whoever watches targets: the scraper, the collectors.
        guard: Lets viewers read.
    """
    router = APIRouter(prefix="/api/monitor/targets")

    @router.get("", dependencies=[Depends(guard.viewer)])
    async def list_targets(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> dict[str, Any]:
        targets = list_all(sources)
        first = parse_cursor(cursor) or 0
        following = first + limit
        return {
            "items": [render_target(each) for each in targets[first:following]],
            "next_cursor": str(following) if following < len(targets) else None,
        }

    return router


def list_all(sources: Sequence[TargetSource]) -> list[WatchedTarget]:
    """Return the targets of all `sources` by job and instance."""
    found = [target for source in sources for target in source.statuses()]
    return sorted(found, key=lambda target: (target.job, target.instance, target.url))


def render_target(target: WatchedTarget) -> dict[str, Any]:
    """Render a target for the monitor's own API."""
    return {
        "job": target.job,
        "instance": target.instance,
        "url": target.url,
        "health": target.health,
        "last_scrape_at": isoformat_or_none(target.last_scrape_at),
        "last_error": target.last_error or None,
        "scrape_duration_seconds": target.scrape_duration_seconds,
        "samples_scraped": target.samples_scraped,
        "labels": dict(target.labels),
    }


def render_prometheus_targets(sources: Sequence[TargetSource]) -> dict[str, object]:
    """Render the `data` of Prometheus' `/api/v1/targets`."""
    active = [
        {
            "discoveredLabels": {},
            "labels": dict(target.labels),
            "scrapePool": target.job,
            "scrapeUrl": target.url,
            "globalUrl": target.url,
            "lastError": target.last_error,
            "lastScrape": isoformat_or_none(target.last_scrape_at) or _NEVER,
            "lastScrapeDuration": target.scrape_duration_seconds,
            "health": target.health,
        }
        for target in list_all(sources)
    ]
    return {"activeTargets": active, "droppedTargets": []}
