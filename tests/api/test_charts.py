import math
from collections.abc import AsyncGenerator, Iterator

import httpx
import numpy as np
import pytest

from resumatch_monitor.api.charts import build_router, matrix_to_columns, render_legend
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def queries(clock: FakeClock, telemetry: Telemetry) -> Iterator[QueryRunner]:
    store = MemoryStore()
    now_ms = to_milliseconds(clock.now())
    points = {now_ms - age * 60_000: float(age) for age in range(10)}
    for path in range(205):
        store.add(Labels.of({"__name__": "requests"}, path=f"/{path:03d}"), points)
    runner = QueryRunner(store, clock=clock, telemetry=telemetry)
    yield runner
    runner.stop()


@pytest.fixture
async def client(queries: QueryRunner, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(queries=queries, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client


async def test_answers_in_columns_with_gaps(client: httpx.AsyncClient) -> None:
    response = await client.get(
        "/api/monitor/chart",
        params={
            "expr": 'requests{path="/001"}',
            "from": "now-20m",
            "to": "now",
            "max_points": 22,
            "legend": "path {{path}}",
        },
    )

    body = response.json()
    assert response.status_code == 200
    assert body["step_ms"] == 60_000
    assert body["t"] == list(range(body["from_ms"], body["to_ms"] + 1, 60_000))
    assert [each["name"] for each in body["series"]] == ["path /001"]
    assert body["series"][0]["labels"] == {"__name__": "requests", "path": "/001"}
    values = body["series"][0]["v"]
    assert len(values) == len(body["t"])
    assert values[:2] == [None, None]
    assert values[-2:] == [1, 0]
    assert (body["warnings"], body["truncated_series"]) == ([], 0)


async def test_cuts_off_at_200_series(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/monitor/chart", params={"expr": "requests"})).json()

    assert len(body["series"]) == 200
    assert body["truncated_series"] == 5


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"expr": "sum("}, 400, "bad_query"),
        ({"expr": "info(up)"}, 422, "unsupported"),
        ({"expr": "requests + on() requests"}, 422, "query_failed"),
        ({"expr": "up", "from": "never"}, 400, "bad_request"),
        ({"expr": "up", "max_points": 2001}, 400, "bad_request"),
    ],
)
async def test_says_what_is_wrong(
    client: httpx.AsyncClient, params: dict[str, str | int], status: int, code: str
) -> None:
    response = await client.get("/api/monitor/chart", params=params)

    assert response.status_code == status
    assert response.json()["error"]["code"] == code


def test_nothing_but_numbers_is_drawn() -> None:
    matrix = Matrix(
        np.array([0, 1000, 2000, 3000], dtype=np.int64),
        [Labels.of(job="a")],
        np.array([[ABSENT, math.nan, math.inf, 1.5]]),
    )

    columns = matrix_to_columns(matrix, "", max_series=1)

    assert columns["series"] == [
        {"name": '{job="a"}', "labels": {"job": "a"}, "v": [None, None, None, 1.5]}
    ]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ method }} {{code}}", "GET 200"),
        ("{{missing}}!", "!"),
        ("p95", "p95"),
        ("", 'requests{code="200",method="GET"}'),
    ],
)
def test_legends(template: str, expected: str) -> None:
    labels = Labels.of({"__name__": "requests"}, method="GET", code="200")

    assert render_legend(template, labels) == expected
