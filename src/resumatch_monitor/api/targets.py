"""Targets: what is scraped and collected, and how that goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Query

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.kit.clock import isoformat_or_none
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.status import (
    DiscoveryStatus,
    PoolSource,
    PoolStatus,
    TargetSource,
    TargetStatus,
)

_NEVER = "0001-01-01T00:00:00Z"
_LONGEST_TEXT = 400

_Item = TypeVar("_Item")
_Text = Annotated[str, Query(max_length=_LONGEST_TEXT)]


def build_router(*, sources: Sequence[TargetSource], pools: PoolSource, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/targets`.

    Args:
        sources: Whoever watches targets: the scraper, the collectors.
        pools: Where the scraper's targets come from.
        guard: Lets viewers read.
    """
    router = APIRouter(prefix="/api/monitor/targets", dependencies=[Depends(guard.viewer)])

    @router.get("")
    async def list_targets(
        pool: _Text = "",
        health: Literal["up", "down", "unknown", ""] = "",
        query: _Text = "",
        cursor: Cursor = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> dict[str, Any]:
        wanted = query.lower()
        found = [
            target
            for target in list_all(sources)
            if pool in ("", target.pool)
            and health in ("", target.health)
            and wanted in f"{target.job} {target.instance} {target.url}".lower()
        ]
        shown, following = _take_page(found, cursor, limit)
        return {
            "items": [render_target(each) for each in shown],
            "next_cursor": following,
            "total": len(found),
        }

    @router.get("/dropped")
    async def list_dropped(
        pool: _Text = "", cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        found = [each for each in pools.dropped() if pool in ("", each.pool)]
        shown, following = _take_page(found, cursor, limit)
        return {
            "items": [
                {"pool": each.pool, "discovered_labels": dict(each.discovered_labels)}
                for each in shown
            ],
            "next_cursor": following,
            "total": sum(each.dropped for each in pools.pools() if pool in ("", each.pool)),
        }

    @router.get("/pools")
    async def list_pools(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> dict[str, Any]:
        counts = Counter((each.pool, each.health) for each in list_all(sources))
        known = list(pools.pools())
        names = {each.pool for each in known}
        # Collectors have no scrape configuration.
        others = sorted({pool for pool, _ in counts if pool not in names})
        shown, following = _take_page(
            [*known, *(PoolStatus(pool=name) for name in others)], cursor, limit
        )
        return {
            "items": [_render_pool(each, counts) for each in shown],
            "next_cursor": following,
        }

    return router


def _take_page(
    items: Sequence[_Item], cursor: str | None, limit: int
) -> tuple[Sequence[_Item], str | None]:
    first = parse_cursor(cursor) or 0
    following = first + limit
    return items[first:following], str(following) if following < len(items) else None


def list_all(sources: Sequence[TargetSource]) -> list[TargetStatus]:
    """Return the targets of all `sources` by job and instance."""
    found = [target for source in sources for target in source.statuses()]
    return sorted(found, key=lambda target: (target.job, target.instance, target.url))


def render_target(target: TargetStatus) -> dict[str, Any]:
    """Render a target for the monitor's own API."""
    return {
        "pool": target.pool,
        "job": target.job,
        "instance": target.instance,
        "url": target.url,
        "health": target.health,
        "last_scrape_at": isoformat_or_none(target.last_scrape_at),
        "next_scrape_at": isoformat_or_none(target.next_scrape_at),
        "last_error": target.last_error or None,
        "exceeded_limit": target.exceeded_limit or None,
        "scrape_duration_seconds": target.scrape_duration_seconds,
        "interval_seconds": target.interval_seconds,
        "timeout_seconds": target.timeout_seconds,
        "samples_scraped": target.samples_scraped,
        "samples_after_relabelling": target.samples_after_relabelling,
        "series_added": target.series_added,
        "labels": dict(target.labels),
        "discovered_labels": dict(target.discovered_labels),
    }


def _render_pool(pool: PoolStatus, counts: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "pool": pool.pool,
        **{health: counts.get((pool.pool, health), 0) for health in ("up", "down", "unknown")},
        "dropped": pool.dropped,
        "target_limit": pool.target_limit or None,
        "error": pool.error or None,
        "discoveries": [_render_discovery(each) for each in pool.discoveries],
    }


def _render_discovery(discovery: DiscoveryStatus) -> dict[str, Any]:
    return {
        "kind": discovery.kind,
        "name": discovery.name,
        "targets": discovery.targets,
        "last_refresh_at": isoformat_or_none(discovery.last_refresh_at),
        "last_error": discovery.last_error or None,
    }


def render_prometheus_targets(
    sources: Sequence[TargetSource], pools: PoolSource
) -> dict[str, object]:
    """Render the `data` of Prometheus' `/api/v1/targets`.

    Args:
        sources: Whoever watches targets.
        pools: Where the scraper's targets come from.
    """
    return {
        "activeTargets": [_render_active(target) for target in list_all(sources)],
        "droppedTargets": [
            {"discoveredLabels": dict(each.discovered_labels), "scrapePool": each.pool}
            for each in pools.dropped()
        ],
        "droppedTargetCounts": {pool.pool: pool.dropped for pool in pools.pools()},
    }


def list_scrape_pools(sources: Sequence[TargetSource], pools: PoolSource) -> list[str]:
    """Return the `scrapePools` of Prometheus' `/api/v1/scrape_pools`."""
    names = {each.pool for each in pools.pools()} | {each.pool for each in list_all(sources)}
    return sorted(names)


def _render_active(target: TargetStatus) -> dict[str, Any]:
    return {
        "discoveredLabels": dict(target.discovered_labels),
        "labels": dict(target.labels),
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": target.last_error,
        "lastScrape": isoformat_or_none(target.last_scrape_at) or _NEVER,
        "lastScrapeDuration": target.scrape_duration_seconds,
        "health": target.health,
        "scrapeInterval": format_duration(timedelta(seconds=target.interval_seconds)),
        "scrapeTimeout": format_duration(timedelta(seconds=target.timeout_seconds)),
    }
