from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta

import httpx
import pytest

from resumatch_monitor.api.explain import build_router
from resumatch_monitor.kit.clock import isoformat, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.runner import QueryRunner
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def queries(clock: FakeClock, telemetry: Telemetry) -> Iterator[QueryRunner]:
    store = MemoryStore()
    yesterday_ms = to_milliseconds(clock.now() - timedelta(days=1))
    store.add(Labels.of({"__name__": "up"}, job="api"), {yesterday_ms: 1.0})
    runner = QueryRunner(store, clock=clock, telemetry=telemetry)
    yield runner
    runner.stop()


@pytest.fixture
async def client(queries: QueryRunner, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(queries=queries, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client


async def test_answers_with_the_last_sample(client: httpx.AsyncClient, clock: FakeClock) -> None:
    response = await client.get("/api/monitor/explain", params={"expr": "up", "from": "now-1h"})

    body = response.json()
    assert response.status_code == 200
    assert body["to_ms"] - body["from_ms"] == 3_600_000
    assert body["findings"] == [
        {
            "kind": "no_samples",
            "text": "The one series that it selects exists, but has no sample in this time range."
            " The last sample is older.",
            "selector": "up",
            "suggestions": [],
            "sample_at": isoformat(clock.now() - timedelta(days=1)),
        }
    ]


async def test_a_moment_alone_will_do(client: httpx.AsyncClient) -> None:
    ago = await client.get("/api/monitor/explain", params={"expr": "up", "at": "now-1d"})
    now = await client.get("/api/monitor/explain", params={"expr": 'up{job="ap"}'})

    assert ago.json()["findings"] == []
    assert now.json()["findings"][0]["suggestions"] == [{"text": "api", "expr": 'up{job="api"}'}]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"expr": "sum("}, "bad_query"),
        ({"expr": "up", "at": "then"}, "bad_request"),
        ({"expr": "up", "from": "now", "to": "now-1h"}, "bad_request"),
    ],
)
async def test_says_what_is_wrong(
    client: httpx.AsyncClient, params: dict[str, str], code: str
) -> None:
    response = await client.get("/api/monitor/explain", params=params)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
