from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.prometheus import build_router
from resumatch_monitor.api.prometheus_params import RuleFilter
from resumatch_monitor.api.prometheus_series import unescape_name
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.runner import QueryRunner
from tests.api.prometheus_support import make_suppliers
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

TOO_FINE = (
    "exceeded maximum resolution of 11,000 points per timeseries."
    " Try decreasing the query resolution (?step=XX)"
)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    store = MemoryStore()
    now_ms = to_milliseconds(clock.now())
    for job, slope in (("api", 15.0), ("web", 1.5)):
        points = {now_ms - age * 15_000: 10_000.0 - age * slope for age in range(241)}
        store.add(Labels.of({"__name__": "requests_total"}, job=job), points)
    store.add(Labels.of({"__name__": "odd"}, kind="nan"), {now_ms: float("nan")})
    store.add(Labels.of({"__name__": "odd"}, kind="inf"), {now_ms: float("inf")})
    store.add(Labels.of({"__name__": "odd"}, kind="small"), {now_ms: 1.5e-9})
    return store


@pytest.fixture
def queries(store: MemoryStore, clock: FakeClock, telemetry: Telemetry) -> Iterator[QueryRunner]:
    runner = QueryRunner(store, clock=clock, telemetry=telemetry)
    yield runner
    runner.stop()


@pytest.fixture
async def client(queries: QueryRunner, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(
        queries=queries,
        suppliers=make_suppliers(rules=_describe_filter),
        guard=make_guard(),
        clock=clock,
    )
    async with serve(router, token=CHARLIE) as client:
        yield client


def _describe_filter(wanted: RuleFilter) -> dict[str, object]:
    return {
        "groups": [],
        "kind": wanted.kind,
        "rule_names": sorted(wanted.rule_names),
        "files": sorted(wanted.files),
        "has_alerts": wanted.has_alerts,
    }


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    response = await client.get(f"/api/v1{path}", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["status"] == "success"
    return body["data"]


async def test_answers_a_vector_as_prometheus_does(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    data = await ask(client, "/query", query='requests_total{job="api"}')

    seconds = int(clock.now().timestamp())
    assert data == {
        "resultType": "vector",
        "result": [
            {
                "metric": {"__name__": "requests_total", "job": "api"},
                "value": [seconds, "10000"],
            }
        ],
    }


async def test_writes_numbers_as_prometheus_does(client: httpx.AsyncClient) -> None:
    data = await ask(client, "/query", query="odd")

    values = {each["metric"]["kind"]: each["value"][1] for each in data["result"]}
    assert values == {"nan": "NaN", "inf": "+Inf", "small": "1.5e-09"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("1 + 1", {"resultType": "scalar", "result": [1700000000.5, "2"]}),
        ("1e21", {"resultType": "scalar", "result": [1700000000.5, "1000000000000000000000"]}),
        ('"text"', {"resultType": "string", "result": [1700000000.5, "text"]}),
    ],
)
async def test_answers_scalars_and_strings(
    client: httpx.AsyncClient, query: str, expected: dict[str, Any]
) -> None:
    assert await ask(client, "/query", query=query, time="1700000000.5") == expected


async def test_answers_a_range_selector_with_raw_samples(client: httpx.AsyncClient) -> None:
    data = await ask(client, "/query", query='requests_total{job="web"}[31s]')

    assert data["resultType"] == "matrix"
    assert [value for _, value in data["result"][0]["values"]] == ["9997", "9998.5", "10000"]


async def test_answers_a_range_by_get_and_by_form(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    now = clock.now()
    params = {
        "query": "sum by (job) (rate(requests_total[1m]))",
        "start": (now - timedelta(minutes=2)).isoformat(),
        "end": str(now.timestamp()),
        "step": "1m",
    }

    by_get = await client.get("/api/v1/query_range", params=params)
    by_form = await client.post("/api/v1/query_range", data=params)

    assert by_get.status_code == 200
    assert by_get.json() == by_form.json()
    data = by_get.json()["data"]
    assert data["resultType"] == "matrix"
    assert [each["metric"] for each in data["result"]] == [{"job": "api"}, {"job": "web"}]
    assert [value for _, value in data["result"][0]["values"]] == ["1", "1", "1"]


async def test_leaves_out_steps_without_a_value(
    client: httpx.AsyncClient, clock: FakeClock
) -> None:
    now = int(clock.now().timestamp())

    data = await ask(
        client, "/query_range", query='odd{kind="inf"}', start=now - 60, end=now + 60, step=60
    )

    assert data["result"][0]["values"] == [[now, "+Inf"], [now + 60, "+Inf"]]


def over(query: str, start: float, end: float, step: float) -> dict[str, Any]:
    """Return the parameters of a range query."""
    return {"query": query, "start": start, "end": end, "step": step}


@pytest.mark.parametrize(
    ("path", "params", "status", "kind", "text"),
    [
        ("/query", {"query": "sum("}, 400, "bad_data", "parse error"),
        ("/query", {"query": ""}, 400, "bad_data", "no expression found"),
        ("/query", {"query": "up", "time": "soon"}, 400, "bad_data", 'parameter "time"'),
        ("/query", {"query": "up", "time": "NaN"}, 400, "bad_data", 'parameter "time"'),
        ("/query", {"query": "up", "timeout": "soon"}, 400, "bad_data", 'parameter "timeout"'),
        ("/query", {"query": "up", "limit": "-1"}, 400, "bad_data", 'parameter "limit"'),
        ("/query", {"query": "info(up)"}, 422, "execution", "info"),
        ("/query", {"query": "rate(up[5m] anchored)"}, 422, "execution", "anchored"),
        ("/query", {"query": "mad_over_time(up[5m])"}, 422, "execution", "experimental"),
        ("/query", {"query": "(" * 100 + "1" + ")" * 100}, 400, "bad_data", "nested"),
        ("/query_range", over("1", 0, 11_001, 1), 400, "bad_data", TOO_FINE),
        ("/query_range", over("1", 1, 0, 1), 400, "bad_data", "before"),
        ("/query_range", over("1", 0, 1, 0), 400, "bad_data", "zero"),
        ("/query_range", {"query": "1", "start": 0, "end": 1}, 400, "bad_data", '"step"'),
        ("/query_range", {"query": "1", "end": 1, "step": 1}, 400, "bad_data", '"start"'),
        ("/query_range", over("up[5m]", 0, 1, 1), 400, "bad_data", "range vector"),
        ("/query", {"query": "x", "lookback_delta": "soon"}, 400, "bad_data", "lookback delta"),
        ("/query", {"query": "1 +"}, 400, "bad_data", 'invalid parameter "query": parse error'),
        ("/query", {"query": '{__name__=~".*"}'}, 400, "bad_data", "one non-empty matcher"),
        ("/query_range", over("1", 0, 1, 1e30), 400, "bad_data", "overflows"),
        ("/labels", {"start": "x"}, 400, "bad_data", "Invalid time value for 'start'"),
        ("/format_query", {"query": "("}, 400, "bad_data", "parse error"),
        ("/parse_query", {"query": "("}, 400, "bad_data", "parse error"),
        ("/parse_query", {"query": "(" * 100}, 400, "bad_data", "nested"),
        ("/series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("/series", {"match[]": "up offset 1m"}, 400, "bad_data", "not a selector"),
        ("/series", {"match[]": "{}"}, 400, "bad_data", "match[] must contain at least one non-"),
        ("/metadata", {"limit": "x"}, 400, "bad_data", "limit must be a number"),
        ("/series", {"match[]": "1 + 1"}, 400, "bad_data", "not a selector"),
        ("/series", {"match[]": "{"}, 400, "bad_data", "match[]"),
    ],
)
async def test_says_what_is_wrong(
    client: httpx.AsyncClient,
    path: str,
    params: dict[str, Any],
    status: int,
    kind: str,
    text: str,
) -> None:
    response = await client.get(f"/api/v1{path}", params=params)

    body = response.json()
    assert response.status_code == status
    assert (body["status"], body["errorType"]) == ("error", kind)
    assert text in body["error"]


async def test_refuses_a_query_of_100_kb(client: httpx.AsyncClient) -> None:
    query = 'x{a="' + "b" * 100_000 + '"}'

    response = await client.post("/api/v1/query", data={"query": query})

    assert response.status_code == 400
    assert "longer than" in response.json()["error"]


async def test_tells_what_a_query_took(client: httpx.AsyncClient, clock: FakeClock) -> None:
    data = await ask(client, "/query", query="sum(requests_total)", stats="all")
    now = clock.now().timestamp()
    over_range = await ask(client, "/query_range", **over("odd", now - 60, now, 15), stats="true")
    without = await ask(client, "/query", query="1")

    assert data["stats"]["samples"]["totalQueryableSamples"] > 0
    assert data["stats"]["timings"]["execTotalTime"] > 0
    assert over_range["stats"]["timings"].keys() == data["stats"]["timings"].keys()
    assert "stats" not in without


async def test_the_lookback_can_be_chosen(client: httpx.AsyncClient, clock: FakeClock) -> None:
    later = clock.now().timestamp() + 240
    query = 'odd{kind="inf"}'

    usual = await ask(client, "/query", query=query, time=later)
    short = await ask(client, "/query", query=query, time=later, lookback_delta="3m")
    zero = await ask(client, "/query", query=query, time=later, lookback_delta="0s")

    assert [len(each["result"]) for each in (usual, short, zero)] == [1, 0, 1]


async def test_a_form_and_the_address_are_read_together(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/api/v1/query?query=2&time=5", content="query=1", headers={"Content-Type": "text/x"}
    )

    assert response.json()["data"]["result"] == [5, "1"]


async def test_several_selectors_are_joined(client: httpx.AsyncClient) -> None:
    wanted = {"match[]": ['odd{kind="nan"}', 'requests_total{job="web"}', 'odd{kind="nan"}']}

    series = await ask(client, "/series", **wanted)
    labels = await ask(client, "/labels", **wanted)
    kinds = await ask(client, "/label/kind/values", **wanted)

    assert [each["__name__"] for each in series] == ["odd", "requests_total"]
    assert labels == ["__name__", "job", "kind"]
    assert kinds == ["nan"]


async def test_a_period_that_ends_before_it_starts_has_nothing(client: httpx.AsyncClient) -> None:
    assert await ask(client, "/labels", start=2, end=1) == []


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        ("job", "job"),
        ("U__", ""),
        ("U__http_2e_status", "http.status"),
        ("U__a__b", "a_b"),
        ("U___1f600_", "\U0001f600"),
        ("U__a_b", "U__a_b"),
        ("U__a_d800_", "U__a_d800_"),
        ("U__a_110000_", "U__a_110000_"),
        ("U__a_2e", "U__a_2e"),
        ("http.status", "http.status"),
    ],
)
def test_label_names_are_unescaped(escaped: str, name: str) -> None:
    assert unescape_name(escaped) == name


async def test_values_of_a_label_with_a_dot(
    client: httpx.AsyncClient, store: MemoryStore, clock: FakeClock
) -> None:
    now_ms = to_milliseconds(clock.now())
    store.add(Labels.of({"__name__": "t", "http.status": "200", "a/b": "x"}), {now_ms: 1.0})

    assert await ask(client, "/label/U__http_2e_status/values") == ["200"]
    assert await ask(client, "/label/http.status/values") == ["200"]
    assert await ask(client, "/label/a%2Fb/values") == ["x"]


async def test_takes_a_query_apart(client: httpx.AsyncClient) -> None:
    tree = await ask(client, "/parse_query", query="(rate(up[5m] offset 1m)) > bool 2")

    selector = {
        "type": "matrixSelector",
        "name": "up",
        "range": 300_000,
        "offset": 60_000,
        "matchers": [{"name": "__name__", "value": "up", "type": "="}],
        "timestamp": None,
        "startOrEnd": None,
        "anchored": False,
        "smoothed": False,
    }
    function = {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"}
    assert tree == {
        "type": "binaryExpr",
        "op": ">",
        "lhs": {
            "type": "parenExpr",
            "expr": {"type": "call", "func": function, "args": [selector]},
        },
        "rhs": {"type": "numberLiteral", "val": "2"},
        "matching": None,
        "bool": True,
    }


async def test_a_query_over_too_much_is_refused_in_prometheus_words(
    store: MemoryStore, clock: FakeClock, telemetry: Telemetry
) -> None:
    runner = QueryRunner(store, clock=clock, telemetry=telemetry, max_samples=100)
    router = build_router(
        queries=runner, suppliers=make_suppliers(), guard=make_guard(), clock=clock
    )
    async with serve(router, token=CHARLIE) as client:
        answer = await client.get("/api/v1/query", params={"query": '{__name__=~".+"}[1h]'})
    runner.stop()

    assert answer.status_code == 422
    assert answer.json()["errorType"] == "execution"
    assert answer.json()["error"].startswith(
        "query processing would load too many samples into memory in query execution"
    )


async def test_takes_apart_what_is_experimental_where_it_is_allowed(
    store: MemoryStore, clock: FakeClock, telemetry: Telemetry
) -> None:
    allowed = frozenset({"promql-binop-fill-modifiers"})
    runner = QueryRunner(store, clock=clock, telemetry=telemetry, features=allowed)
    router = build_router(
        queries=runner, suppliers=make_suppliers(), guard=make_guard(), clock=clock
    )
    async with serve(router, token=CHARLIE) as client:
        tree = await ask(client, "/parse_query", query="a + on (x) fill_left (1) b")
    runner.stop()

    assert tree["matching"] == {
        "card": "one-to-one",
        "labels": ["x"],
        "on": True,
        "include": [],
        "fillValues": {"lhs": 1.0, "rhs": None},
    }


async def test_finds_series_labels_and_values(client: httpx.AsyncClient) -> None:
    series = await ask(client, "/series", **{"match[]": 'requests_total{job=~"a.*"}'})
    labels = await ask(client, "/labels")
    values = await ask(client, "/label/job/values", **{"match[]": "requests_total"})
    names = await ask(client, "/label/__name__/values")

    assert series == [{"__name__": "requests_total", "job": "api"}]
    assert labels == ["__name__", "job", "kind"]
    assert values == ["api", "web"]
    assert names == ["odd", "requests_total"]


async def test_limits_answers_with_a_warning(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/label/job/values", params={"limit": 1})
    vector = await client.get("/api/v1/query", params={"query": "odd", "limit": 2})

    assert response.json()["data"] == ["api"]
    assert response.json()["warnings"] == ["results truncated due to limit"]
    assert len(vector.json()["data"]["result"]) == 2
    assert vector.json()["warnings"] == ["results truncated due to limit"]


async def test_passes_annotations_on(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/query", params={"query": "quantile(2, odd)"})

    assert response.json()["warnings"] == [
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"
    ]


async def test_serves_what_other_parts_supply(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "/rules"))["groups"] == []
    assert await ask(client, "/alerts") == {"alerts": []}
    assert (await ask(client, "/targets"))["droppedTargets"] == []
    assert (await ask(client, "/status/buildinfo"))["version"]
    assert await ask(client, "/format_query", query="sum(up)by(job)") == "sum by (job) (up)"
    assert await ask(client, "/scrape_pools") == {"scrapePools": []}
    assert await ask(client, "/alertmanagers") == {
        "activeAlertmanagers": [],
        "droppedAlertmanagers": [],
    }


async def test_refuses_strangers_and_large_bodies(
    client: httpx.AsyncClient, queries: QueryRunner
) -> None:
    stranger = await client.get(
        "/api/v1/query", params={"query": "1"}, headers={"Authorization": ""}
    )
    large = await client.post("/api/v1/query", content=b"query=" + b"a" * 2_000_000)

    assert stranger.status_code == 401
    assert large.status_code == 413
    assert large.json()["errorType"] == "bad_data"


async def test_the_rules_can_be_narrowed_down(client: httpx.AsyncClient) -> None:
    data = await ask(
        client,
        "/rules",
        **{"type": "Alert", "rule_name[]": ["A", "B"], "exclude_alerts": "true", "file[]": "f.yml"},
    )

    assert data == {
        "groups": [],
        "kind": "alert",
        "rule_names": ["A", "B"],
        "files": ["f.yml"],
        "has_alerts": False,
    }


@pytest.mark.parametrize(
    "query",
    ["type=alerts", "exclude_alerts=maybe", "group_limit=few", "group_limit=0", "match[]={"],
)
async def test_a_narrowing_that_cannot_be_read_is_refused(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"/api/v1/rules?{query}")

    assert answer.status_code == 400
    assert query.partition("=")[0].removesuffix("[]") in answer.json()["error"]


async def test_a_page_of_groups_needs_a_limit(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/rules?group_next_token=abc")

    assert answer.status_code == 400
    assert "group_limit" in answer.json()["error"]
