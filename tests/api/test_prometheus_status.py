from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from resumatch_monitor.api.prometheus_status import StatusSources, build_router
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.tsdb.support import NOW_MS, open_store
from tests.support.clock import FakeClock
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TimeSeriesStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
async def client(store: TimeSeriesStore, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    sources = StatusSources(
        config=lambda: "global: {}\n",
        flags={"query.timeout": "30s"},
        started_at=clock.now(),
        retention="30d",
        corruptions=lambda: 2,
        cardinality=store,
    )
    router = build_router(sources=sources, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"/api/v1/status{path}", params=params)
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_tells_its_configuration_and_how_it_runs(client: httpx.AsyncClient) -> None:
    runtime = await ask(client, "/runtimeinfo")

    assert await ask(client, "/config") == {"yaml": "global: {}\n"}
    assert await ask(client, "/flags") == {"query.timeout": "30s"}
    assert await ask(client, "/walreplay") == {"min": 0, "max": 0, "current": 0}
    assert runtime["storageRetention"] == "30d"
    assert runtime["corruptionCount"] == 2
    assert runtime["reloadConfigSuccess"] is True
    assert runtime["startTime"] == runtime["lastConfigTime"]


async def test_counts_what_the_store_holds(
    client: httpx.AsyncClient, store: TimeSeriesStore
) -> None:
    layout = RowLayout([Labels.of({"__name__": "m"}, i=str(number)) for number in range(12)])
    await store.append_row("x", layout, NOW_MS, np.arange(12, dtype=np.float64))

    usual = await ask(client, "/tsdb")
    one = await ask(client, "/tsdb", limit=1)

    assert usual["headStats"] == {
        "numSeries": 12,
        "numLabelPairs": 13,
        "chunkCount": usual["headStats"]["chunkCount"],
        "minTime": NOW_MS,
        "maxTime": NOW_MS,
    }
    assert usual["seriesCountByMetricName"] == [{"name": "m", "value": 12}]
    assert usual["labelValueCountByLabelName"][0] == {"name": "i", "value": 12}
    assert {"name": "i", "value": 14} in usual["memoryInBytesByLabelName"]
    assert len(usual["seriesCountByLabelValuePair"]) == 10
    assert one["seriesCountByLabelValuePair"] == [{"name": "__name__=m", "value": 12}]


async def test_an_empty_store_has_the_bounds_that_prometheus_writes(
    client: httpx.AsyncClient,
) -> None:
    head = (await ask(client, "/tsdb"))["headStats"]

    assert (head["minTime"], head["maxTime"]) == (2**63 - 1, -(2**63))


@pytest.mark.parametrize("limit", ["0", "-1", "x", "10001"])
async def test_refuses_a_limit_that_is_none(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/api/v1/status/tsdb", params={"limit": limit})

    assert answer.status_code == 400
    assert 'invalid parameter "limit"' in answer.json()["error"]
