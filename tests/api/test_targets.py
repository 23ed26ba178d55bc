"""The list of targets."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from resumatch_monitor.api.targets import build_router, render_prometheus_targets
from resumatch_monitor.metrics.targets import TargetStatus
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
)
FRESH = TargetStatus(job="a", instance="one:80", url="http://one:80/metrics", labels={})


async def test_lists_the_targets_of_all_sources_in_order() -> None:
    router = build_router(sources=[FixedSource(DOWN), FixedSource(FRESH)], guard=make_guard())
    async with serve(router, token=CHARLIE) as client:
        whole = (await client.get("/api/monitor/targets")).json()
        first = (await client.get("/api/monitor/targets?limit=1")).json()
        rest = await client.get(f"/api/monitor/targets?limit=1&cursor={first['next_cursor']}")

    assert [item["job"] for item in whole["items"]] == ["a", "b"]
    assert whole["items"][0]["last_scrape_at"] is None
    assert whole["items"][0]["last_error"] is None
    assert whole["items"][1] == {
        "job": "b",
        "instance": "two:80",
        "url": "http://two:80/metrics",
        "health": "down",
        "last_scrape_at": "2026-01-05T12:00:00.000Z",
        "last_error": "cannot connect",
        "scrape_duration_seconds": 0.5,
        "samples_scraped": 3,
        "labels": LABELS,
    }
    assert first["items"] == whole["items"][:1]
    assert rest.json() == {"items": whole["items"][1:], "next_cursor": None}


async def test_strangers_and_foreign_cursors_are_refused() -> None:
    router = build_router(sources=[], guard=make_guard())
    async with serve(router, token=None) as client:
        assert (await client.get("/api/monitor/targets")).status_code == 401
    async with serve(router) as client:
        assert (await client.get("/api/monitor/targets?cursor=²")).status_code == 400


def test_renders_them_as_prometheus_does() -> None:
    data = render_prometheus_targets([FixedSource(DOWN, FRESH)])
    assert data["droppedTargets"] == []
    active = data["activeTargets"]
    assert isinstance(active, list)
    assert active[0]["lastScrape"] == "0001-01-01T00:00:00Z"
    assert active[1]["lastError"] == "cannot connect"
    assert active[1]["labels"] == LABELS
