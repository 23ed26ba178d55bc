"""`/api/monitor/performance`: what was counted, page by page, and nonsense that is refused."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.performance import PerformanceSources, build_router
from resumatch_monitor.storage.sql import performance_read
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from tests.support.clock import FakeClock
from tests.support.performance import make_facts, make_query, make_request, make_segment
from tests.support.spans import START
from tests.support.web import make_guard, serve

pytestmark = pytest.mark.anyio

PERFORMANCE = "/api/monitor/performance"
HOUR = "from=2026-01-05T12:00:00Z&to=2026-01-05T13:00:00Z"


@pytest.fixture
async def client(database: Database) -> AsyncGenerator[httpx.AsyncClient]:
    clock = FakeClock(START + timedelta(hours=1))
    config = PerformanceConfig.model_validate(
        {"apdex_thresholds": [{"endpoint": "/slow*", "threshold": "2s"}]}
    )
    store = SqlPerformanceStore(database, config)
    query = make_query(2, "SELECT * FROM users WHERE id = 7", milliseconds=1_200)
    request = make_request(3, "http://pay.test/charge/9", at=1_300, milliseconds=100)
    vitals = {"browser.web_vital.lcp.value": 3_000, "sentry.sample_rate": "0.5"}
    failed: dict[str, Any] = {"status": SpanStatus.ERROR, "status_text": "internal_error"}
    await store.add(
        [
            *(
                make_facts(make_segment(n, name="/fast", milliseconds=10 + n, minute=n))
                for n in range(1, 21)
            ),
            *(
                # Twice as slow as in the hour before.
                make_facts(make_segment(100 + n, name="/slow", milliseconds=ms, minute=minute))
                for n, (ms, minute) in enumerate([(2_000, 30)] * 12 + [(1_000, -30)] * 12)
            ),
            make_facts(make_segment(200, query, request, milliseconds=1_500, **failed)),
            make_facts(make_segment(201, name="/", op="pageload", attributes=vitals)),
        ]
    )
    sources = PerformanceSources(
        reader=SqlPerformanceReader(database), config=config, slug_of=lambda _: "web", clock=clock
    )
    async with serve(build_router(sources=sources, guard=make_guard())) as client:
        yield client


async def ask(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(f"{PERFORMANCE}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_endpoints_are_measured_and_compared_with_the_time_before(
    client: httpx.AsyncClient,
) -> None:
    page = await ask(client, f"/endpoints?{HOUR}")

    assert [item["name"] for item in page["items"]] == ["/slow", "GET /users/{id}", "/fast", "/"]
    slow, users, fast, home = page["items"]
    assert slow["change"] == pytest.approx(2, rel=0.03)
    assert slow["p95_seconds"] == pytest.approx(2, rel=0.01)
    assert (slow["apdex"], slow["apdex_threshold_seconds"]) == (1, 2)
    assert users["failure_rate"] == 1
    assert (fast["count"], fast["per_minute"], fast["change"]) == (20, pytest.approx(1 / 3), None)
    assert sum(fast["spark"]) == 20
    assert (home["count"], home["is_extrapolated"]) == (2, True)
    assert page["totals"]["count"] == 35


async def test_figures_that_are_cut_off_are_said_to_be(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await ask(client, f"/endpoints?{HOUR}")
    monkeypatch.setattr(performance_read, "_ROWS_MAX", 3)

    cut = await ask(client, f"/endpoints?{HOUR}")

    assert (whole["truncated"], cut["truncated"]) == (False, True)
    assert cut["totals"]["count"] < whole["totals"]["count"]


async def test_what_got_slower_comes_first_when_asked_for(client: httpx.AsyncClient) -> None:
    page = await ask(client, f"/endpoints?{HOUR}&sort=change&limit=1")

    assert [item["name"] for item in page["items"]] == ["/slow"]
    following = await ask(
        client, f"/endpoints?{HOUR}&sort=change&limit=1&cursor={page['next_cursor']}"
    )
    assert [item["name"] for item in following["items"]] == ["/"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("query=FAST", ["/fast"]),
        ("op=pageload", ["/"]),
        ("environment=staging", []),
        ("project=2", []),
    ],
)
async def test_endpoints_are_filtered(
    client: httpx.AsyncClient, query: str, names: list[str]
) -> None:
    page = await ask(client, f"/endpoints?{HOUR}&{query}")

    assert [item["name"] for item in page["items"]] == names


async def test_an_endpoint_has_its_charts_samples_parts_and_findings(
    client: httpx.AsyncClient,
) -> None:
    found = await ask(client, f"/endpoint?{HOUR}&name=GET /users/{{id}}")

    assert found["endpoint"]["count"] == 1
    assert len(found["t"]) == len(found["series"]["p95"]) == 60
    assert [part["part"] for part in found["parts"]] == ["db", "app", "http"]
    assert [example["trace_id"] for example in found["examples"]] == [f"{200:032x}"]
    assert [finding["kind"] for finding in found["findings"]] == ["slow_query"]
    assert found["findings"][0]["examples"][0]["span_id"] == f"{2:016x}"
    assert sum(bar["count"] for bar in found["durations"]) == 1


async def test_statements_and_requests_have_their_callers(client: httpx.AsyncClient) -> None:
    (query,) = (await ask(client, f"/statements?{HOUR}"))["items"]
    (request,) = (await ask(client, f"/statements?{HOUR}&kind=http"))["items"]
    detail = await ask(client, f"/statements/{query['id']}?{HOUR}")

    assert query["text"] == "SELECT * FROM users WHERE id = ?"
    assert (query["share"], query["tables"], query["endpoints"]) == (1, ["users"], 1)
    assert request["text"] == "GET pay.test/charge/{id}"
    assert detail["callers"][0]["name"] == "GET /users/{id}"
    (example,) = detail["examples"]
    # The request failed, but not for its query.
    assert (example["duration_seconds"], example["status"]) == (1.2, "ok")


async def test_vitals_are_rated_as_google_does(client: httpx.AsyncClient) -> None:
    page = await ask(client, f"/vitals?{HOUR}")

    (home,) = page["items"]
    assert home["name"] == "/"
    lcp = home["vitals"]["lcp"]
    assert (lcp["rating"], lcp["needs_improvement"]) == ("needs improvement", 2)
    assert lcp["p75"] == pytest.approx(3, rel=0.01)
    assert page["totals"]["lcp"]["count"] == 2


async def test_facets_and_findings_are_listed(client: httpx.AsyncClient) -> None:
    assert await ask(client, "/facets") == {
        "environments": ["production"],
        "ops": ["http.server", "pageload"],
    }
    assert len((await ask(client, f"/findings?{HOUR}"))["items"]) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/endpoints?from=x", 400),
        ("/endpoints?from=now&to=now-1h", 400),
        ("/endpoints?from=2020-01-01T00:00:00Z", 400),
        ("/endpoints?cursor=x", 400),
        ("/endpoints?sort=x", 422),
        ("/endpoint", 422),
        ("/endpoint?name=nothing", 404),
        ("/statements/x", 404),
        ("/statements/99", 404),
        ("/statements?kind=x", 422),
    ],
)
async def test_nonsense_is_refused(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(f"{PERFORMANCE}{path}")

    assert (answer.status_code, "error" in answer.json()) == (status, True)
