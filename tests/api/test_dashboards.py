import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from resumatch_monitor.api.dashboards import (
    MOST_SERIES_PER_PANEL,
    Dashboard,
    build_router,
    load_dashboards,
)
from resumatch_monitor.config.defaults import DASHBOARD_FILES
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT
from resumatch_monitor.promql.value import InstantValue, Matrix, QueryError
from tests.support.clock import FakeClock
from tests.support.web import make_guard, serve

pytestmark = pytest.mark.anyio

DATA = "/api/monitor/dashboards/test/data"


class CountingQuerier:
    """Answers every query with one series; keeps count of how many run at once."""

    def __init__(self) -> None:
        self.count = 0
        self.running = 0
        self.most_running = 0
        self.series = 1
        self.value = 1.0

    async def instant(self, query: str, at: object, *, waiting: object = None) -> InstantValue:
        raise NotImplementedError

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        self.count += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if query == "bad":
            raise QueryError("there is no function nosuch")
        if query == "crash":
            raise RuntimeError("secret detail")
        times = np.arange(start_ms, end_ms + 1, step_ms)
        labels = [Labels.of(handler=f"/{number}") for number in range(self.series)]
        values = np.full((self.series, len(times)), self.value)
        values[:, 0] = ABSENT
        return Matrix(times, labels, values)


def make_dashboard(*expressions: str) -> Dashboard:
    panels = [
        {
            "id": number,
            "title": f"Panel {number}",
            "unit": "count",
            "grid": {"x": 0, "y": number, "w": 8, "h": 1},
            "queries": [{"expr": expr, "legend": "of {{handler}}"}],
        }
        for number, expr in enumerate(expressions, 1)
    ]
    return Dashboard.model_validate({"slug": "test", "title": "Test", "panels": panels})


@pytest.fixture
def querier() -> CountingQuerier:
    return CountingQuerier()


async def get(
    querier: CountingQuerier,
    clock: FakeClock,
    *urls: str,
    dashboard: Dashboard | None = None,
    headers: dict[str, str] | None = None,
) -> list[httpx.Response]:
    router = build_router(
        dashboards=[dashboard or make_dashboard("up")],
        querier=querier,
        clock=clock,
        guard=make_guard(),
    )
    async with serve(router) as client:
        return await asyncio.gather(*(client.get(url, headers=headers) for url in urls))


async def test_answers_with_all_panels_in_columns(
    querier: CountingQuerier, clock: FakeClock
) -> None:
    (response,) = await get(querier, clock, f"{DATA}?from=now-1m&to=now&max_points=10")

    document: Any = response.json()
    (panel,) = document["panels"]
    assert document["step_ms"] == 10_000
    assert panel["t"] == list(range(document["from_ms"], document["to_ms"] + 1, 10_000))
    assert panel["series"] == [
        {"name": "of /0", "labels": {"handler": "/0"}, "v": [None, *[1.0] * 6]}
    ]
    assert panel["error"] is None


async def test_one_panel_that_fails_does_not_fail_the_others(
    querier: CountingQuerier, clock: FakeClock
) -> None:
    (response,) = await get(querier, clock, DATA, dashboard=make_dashboard("bad", "up", "crash"))

    bad, good, crashed = response.json()["panels"]
    assert bad["error"] == "there is no function nosuch"
    assert (good["error"], len(good["series"])) == (None, 1)
    assert "its own log has the details" in crashed["error"]
    assert "secret" not in crashed["error"]


async def test_ten_tabs_cost_one_evaluation(querier: CountingQuerier, clock: FakeClock) -> None:
    responses = await get(querier, clock, *[DATA] * 10)

    assert {response.status_code for response in responses} == {200}
    assert querier.count == 1


async def test_evaluates_a_few_queries_at_once_and_no_more(
    querier: CountingQuerier, clock: FakeClock
) -> None:
    await get(querier, clock, DATA, dashboard=make_dashboard(*[f"up * {n}" for n in range(12)]))

    assert querier.count == 12
    assert 1 < querier.most_running <= 3


async def test_evaluates_again_after_some_seconds(
    querier: CountingQuerier, clock: FakeClock
) -> None:
    router = build_router(
        dashboards=[make_dashboard("up")], querier=querier, clock=clock, guard=make_guard()
    )
    url = f"{DATA}?from=1767610000000&to=1767613600000"
    async with serve(router) as client:
        first = await client.get(url)
        unchanged = await client.get(url, headers={"If-None-Match": first.headers["etag"]})
        await clock.advance(6)
        querier.value = 2.0
        later = await client.get(url, headers={"If-None-Match": first.headers["etag"]})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert later.status_code == 200
    assert later.headers["etag"] != first.headers["etag"]
    assert querier.count == 2


async def test_says_how_many_series_it_left_out(querier: CountingQuerier, clock: FakeClock) -> None:
    querier.series = MOST_SERIES_PER_PANEL + 7

    (response,) = await get(querier, clock, DATA)

    (panel,) = response.json()["panels"]
    assert len(panel["series"]) == MOST_SERIES_PER_PANEL
    assert panel["truncated_series"] == 7


async def test_describes_dashboards_and_panels(querier: CountingQuerier, clock: FakeClock) -> None:
    (technical,) = load_dashboards(DASHBOARD_FILES)

    listed, shown = await get(
        querier,
        clock,
        "/api/monitor/dashboards",
        "/api/monitor/dashboards/technical",
        dashboard=technical,
    )

    assert [item["slug"] for item in listed.json()["items"]] == ["technical"]
    assert shown.json() == json.loads(DASHBOARD_FILES[0].read_text("utf-8"))


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/monitor/dashboards/nosuch", 404),
        ("/api/monitor/dashboards/nosuch/data", 404),
        (f"{DATA}?from=yesterday", 400),
        (f"{DATA}?max_points=1000000", 400),
    ],
)
async def test_refuses_what_it_cannot_answer(
    querier: CountingQuerier, clock: FakeClock, url: str, status: int
) -> None:
    (response,) = await get(querier, clock, url)

    assert response.status_code == status
    assert response.json()["error"]["message"]


def test_a_file_that_is_no_dashboard_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"slug": "a", "title": "A", "panels": [], "colour": "red"}')

    with pytest.raises(ValueError, match="colour"):
        load_dashboards([path])
