from collections.abc import AsyncGenerator

import httpx
import pytest

from resumatch_monitor.api.prometheus_federate import build_router
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE
from resumatch_monitor.promql.runner import QueryRunner
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[True, False], ids=["matrix", "ragged"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> MemoryStore:
    store = MemoryStore(is_matrix=request.param)
    now_ms = to_milliseconds(clock.now())
    store.add(
        Labels.of({"__name__": "up"}, job='a"b', zone="z"), {now_ms - 60_000: 0.0, now_ms: 1.0}
    )
    store.add(Labels.of({"__name__": "up"}, job="late"), {now_ms - 1_000: 1.0})
    store.add(Labels.of({"__name__": "up"}, job="old"), {now_ms - 300_000: 1.0})
    store.add(Labels.of({"__name__": "up"}, job="gone"), {now_ms - 9_000: 1.0, now_ms: STALE})
    store.add(Labels.of({"__name__": "a.b"}, le="+Inf"), {now_ms: 1e-9})
    return store


@pytest.fixture
async def client(
    store: MemoryStore, clock: FakeClock, telemetry: Telemetry
) -> AsyncGenerator[httpx.AsyncClient]:
    queries = QueryRunner(store, clock=clock, telemetry=telemetry)
    router = build_router(
        queries=queries, external_labels={"zone": "own"}, guard=make_guard(), clock=clock
    )
    async with serve(router, token=CHARLIE) as client:
        yield client
    queries.stop()


async def test_tells_the_latest_samples(client: httpx.AsyncClient, clock: FakeClock) -> None:
    answer = await client.get("/federate", params={"match[]": ["up", '{le="+Inf"}', "up"]})

    now_ms = to_milliseconds(clock.now())
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.splitlines() == [
        "# TYPE a_b untyped",
        f'a_b{{le="+Inf",zone="own"}} 1e-09 {now_ms}',
        "# TYPE up untyped",
        f'up{{job="a\\"b",zone="z"}} 1 {now_ms}',
        f'up{{job="late",zone="own"}} 1 {now_ms - 1_000}',
    ]


async def test_without_a_selector_there_is_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/federate")

    assert (answer.status_code, answer.text) == (200, "")


async def test_what_is_wrong_is_told_as_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/federate", params={"match[]": "{"})

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "parse error" in answer.text
