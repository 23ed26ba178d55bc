from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.prometheus import build_router
from resumatch_monitor.api.prometheus_metadata import TargetMetadata
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.promql.runner import QueryRunner
from tests.api.prometheus_support import make_suppliers
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

COUNTER = Metadata("counter", "Requests.", "")
GAUGE = Metadata("gauge", "Requests?", "")
UP = Metadata("gauge", "", "")
TARGETS = [
    TargetMetadata({"job": "api"}, {"requests": COUNTER, "up": UP}),
    TargetMetadata({"job": "web"}, {"requests": GAUGE}),
    TargetMetadata({"job": "old"}, {"requests": COUNTER}),
]


@pytest.fixture
async def client(clock: FakeClock, telemetry: Telemetry) -> AsyncGenerator[httpx.AsyncClient]:
    queries = QueryRunner(MemoryStore(), clock=clock, telemetry=telemetry)
    suppliers = make_suppliers(
        metadata=lambda: [each.metadata for each in TARGETS],
        target_metadata=lambda: TARGETS,
        scrape_pools=lambda: ["web", "api", "api"],
        targets=lambda: {
            "activeTargets": [{"scrapePool": "api"}, {"scrapePool": "web"}],
            "droppedTargets": [{"scrapePool": "web"}],
        },
    )
    router = build_router(queries=queries, suppliers=suppliers, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client
    queries.stop()


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"/api/v1{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def render(said: Metadata) -> dict[str, str]:
    return {"type": said.type, "help": said.help, "unit": said.unit}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {"requests": [COUNTER, GAUGE], "up": [UP]}),
        ({"limit": 1}, {"requests": [COUNTER, GAUGE]}),
        ({"limit": 0}, {}),
        ({"limit": -1}, {"requests": [COUNTER, GAUGE], "up": [UP]}),
        ({"limit_per_metric": 1}, {"requests": [COUNTER], "up": [UP]}),
        ({"metric": "up"}, {"up": [UP]}),
        ({"metric": "nosuch"}, {}),
    ],
)
async def test_metadata_of_metrics(
    client: httpx.AsyncClient, params: dict[str, Any], expected: dict[str, list[Metadata]]
) -> None:
    assert await ask(client, "/metadata", **params) == {
        name: [render(said) for said in each] for name, each in expected.items()
    }


async def test_metadata_of_targets(client: httpx.AsyncClient) -> None:
    every = await ask(client, "/targets/metadata")
    some = await ask(client, "/targets/metadata", limit=2)
    own = await ask(client, "/targets/metadata", match_target='{job=~"api|old"}', metric="requests")

    assert every[0] == {"target": {"job": "api"}, "metric": "requests", **render(COUNTER)}
    assert (len(every), len(some)) == (4, 2)
    assert own == [
        {"target": {"job": "api"}, **render(COUNTER)},
        {"target": {"job": "old"}, **render(COUNTER)},
    ]


@pytest.mark.parametrize(
    ("params", "active", "dropped"),
    [
        ({}, 2, 1),
        ({"state": "Active"}, 2, 0),
        ({"state": "dropped"}, 0, 1),
        ({"state": "any", "scrapePool": "api"}, 1, 0),
        ({"state": "nosuch"}, 0, 0),
    ],
)
async def test_targets_by_state_and_job(
    client: httpx.AsyncClient, params: dict[str, Any], active: int, dropped: int
) -> None:
    data = await ask(client, "/targets", **params)

    assert (len(data["activeTargets"]), len(data["droppedTargets"])) == (active, dropped)


async def test_scrape_pools_are_named_once(client: httpx.AsyncClient) -> None:
    assert await ask(client, "/scrape_pools") == {"scrapePools": ["api", "web"]}


async def test_a_selector_of_targets_that_cannot_be_read(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/targets/metadata", params={"match_target": "{"})

    assert answer.status_code == 400
    assert 'invalid parameter "match_target"' in answer.json()["error"]
