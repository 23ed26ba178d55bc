"""Targets: what is scraped and collected, and how that goes."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.metrics.targets import TargetSource, WatchedTarget

_DEFAULT_LIMIT = 50
_LARGEST_LIMIT = 200
_NEVER = "0001-01-01T00:00:00Z"


def build_router(*, sources: Sequence[TargetSource], guard: Guard) -> APIRouter:
    """Return the route `/api/monitor/targets`.

    Args:
        sources: Whoever watches targets: the scraper, the collectors.
        guard: Lets viewers read.
    """
    router = APIRouter(prefix="/api/monitor/targets")

    @router.get("", dependencies=[Depends(guard.viewer)])
    async def list_targets(
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_LARGEST_LIMIT)] = _DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        targets = list_all(sources)
        first = _parse_cursor(cursor)
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
    at = target.last_scrape_at
    return {
        "job": target.job,
        "instance": target.instance,
        "url": target.url,
        "health": target.health,
        "last_scrape_at": None if at is None else isoformat(at),
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
            "lastScrape": _NEVER
            if target.last_scrape_at is None
            else isoformat(target.last_scrape_at),
            "lastScrapeDuration": target.scrape_duration_seconds,
            "health": target.health,
        }
        for target in list_all(sources)
    ]
    return {"activeTargets": active, "droppedTargets": []}


def _parse_cursor(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 9:
        raise BadRequestError("The cursor is not one that this list gave.", code="bad_cursor")
    return int(cursor)
