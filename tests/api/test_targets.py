"""The list of targets."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import APIRouter

from resumatch_monitor.api.targets import (
    build_router,
    list_scrape_pools,
    render_prometheus_targets,
)
from resumatch_monitor.metrics.status import (
    DiscoveryStatus,
    DroppedTarget,
    PoolStatus,
    TargetStatus,
)
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LABELS = {"job": "b", "instance": "two:80"}
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class FixedSource:
    """Watches what it is given."""

    def __init__(self, *targets: TargetStatus) -> None:
        self._targets = targets

    def statuses(self) -> Sequence[TargetStatus]:
        return self._targets


class FixedPools:
    """Finds what it is given."""

    def pools(self) -> Sequence[PoolStatus]:
        found = DiscoveryStatus("file", "web-*.json", 2, AT, "web-1.json: line 1: not JSON")
        return [PoolStatus("web", dropped=7, target_limit=10, discoveries=[found])]

    def dropped(self) -> Sequence[DroppedTarget]:
        return [DroppedTarget("web", {"__address__": f"old{number}:80"}) for number in range(3)]


DOWN = TargetStatus(
    job="b",
    instance="two:80",
    url="http://two:80/metrics",
    labels=LABELS,
    health="down",
    last_scrape_at=AT,
    last_error="cannot connect",
    scrape_duration_seconds=0.5,
    samples_scraped=3,
    samples_after_relabelling=2,
    series_added=1,
    exceeded_limit="label_limit",
    interval_seconds=15.0,
    timeout_seconds=10.0,
    pool="web",
    discovered_labels={"__address__": "two:80"},
)
FRESH = TargetStatus(job="a", instance="one:80", url="http://one:80/metrics", labels={}, pool="db")


def make_router() -> APIRouter:
    return build_router(
        sources=[FixedSource(DOWN), FixedSource(FRESH)], pools=FixedPools(), guard=make_guard()
    )


async def test_lists_the_targets_of_all_sources_in_order() -> None:
    router = make_router()
    async with serve(router, token=CHARLIE) as client:
        whole = (await client.get("/api/monitor/targets")).json()
        first = (await client.get("/api/monitor/targets?limit=1")).json()
        rest = await client.get(f"/api/monitor/targets?limit=1&cursor={first['next_cursor']}")

    assert [item["job"] for item in whole["items"]] == ["a", "b"]
    assert whole["items"][0]["last_scrape_at"] is None
    assert whole["items"][0]["last_error"] is None
    assert whole["items"][1] == {
        "pool": "web",
        "job": "b",
        "instance": "two:80",
        "url": "http://two:80/metrics",
        "health": "down",
        "last_scrape_at": "2026-01-05T12:00:00.000Z",
        "next_scrape_at": None,
        "last_error": "cannot connect",
        "exceeded_limit": "label_limit",
        "scrape_duration_seconds": 0.5,
        "interval_seconds": 15.0,
        "timeout_seconds": 10.0,
        "samples_scraped": 3,
        "samples_after_relabelling": 2,
        "series_added": 1,
        "labels": LABELS,
        "discovered_labels": {"__address__": "two:80"},
    }
    assert first["items"] == whole["items"][:1]
    assert rest.json() == {"items": whole["items"][1:], "next_cursor": None, "total": 2}


async def test_strangers_and_foreign_cursors_are_refused() -> None:
    router = make_router()
    async with serve(router, token=None) as client:
        assert (await client.get("/api/monitor/targets")).status_code == 401
    async with serve(router) as client:
        assert (await client.get("/api/monitor/targets?cursor=²")).status_code == 400


async def test_narrows_the_list() -> None:
    async with serve(make_router(), token=CHARLIE) as client:
        found = [
            (await client.get(f"/api/monitor/targets?{query}")).json()["total"]
            for query in ("pool=web", "health=down", "query=TWO", "query=three", "health=up")
        ]
        refused = await client.get("/api/monitor/targets?health=ill")

    assert found == [1, 1, 1, 0, 0]
    assert refused.status_code == 422 or refused.status_code == 400


async def test_lists_what_was_dropped_and_how_many_there_were() -> None:
    async with serve(make_router(), token=CHARLIE) as client:
        page = (await client.get("/api/monitor/targets/dropped?limit=2")).json()
        none = (await client.get("/api/monitor/targets/dropped?pool=db")).json()

    assert page["items"][0] == {"pool": "web", "discovered_labels": {"__address__": "old0:80"}}
    assert (len(page["items"]), page["total"], page["next_cursor"]) == (2, 7, "2")
    assert none == {"items": [], "next_cursor": None, "total": 0}


async def test_lists_the_pools_collectors_included() -> None:
    async with serve(make_router(), token=CHARLIE) as client:
        page = (await client.get("/api/monitor/targets/pools")).json()

    web, collectors = page["items"]
    assert web == {
        "pool": "web",
        "up": 0,
        "down": 1,
        "unknown": 0,
        "dropped": 7,
        "target_limit": 10,
        "error": None,
        "discoveries": [
            {
                "kind": "file",
                "name": "web-*.json",
                "targets": 2,
                "last_refresh_at": "2026-01-05T12:00:00.000Z",
                "last_error": "web-1.json: line 1: not JSON",
            }
        ],
    }
    assert (collectors["pool"], collectors["unknown"]) == ("db", 1)


def test_renders_them_as_prometheus_does() -> None:
    sources = [FixedSource(DOWN, FRESH)]
    data: Any = render_prometheus_targets(sources, FixedPools())
    active = data["activeTargets"]
    assert active[0]["lastScrape"] == "0001-01-01T00:00:00Z"
    assert active[1]["lastError"] == "cannot connect"
    assert active[1]["labels"] == LABELS
    assert active[1]["discoveredLabels"] == {"__address__": "two:80"}
    assert (active[1]["scrapeInterval"], active[1]["scrapeTimeout"]) == ("15s", "10s")
    assert data["droppedTargets"][0]["discoveredLabels"] == {"__address__": "old0:80"}
    assert data["droppedTargetCounts"] == {"web": 7}

    assert list_scrape_pools(sources, FixedPools()) == ["db", "web"]
