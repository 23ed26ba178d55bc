"""Searches under `/es/`, as Grafana and simple clients write them."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from resumatch_monitor.api.elastic_search import build_router
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import START_US, make_record, place
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

_START_MS = START_US // 1_000 - 60_000


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    assert to_milliseconds(clock.now()) == START_US // 1_000
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    records = [
        make_record(
            f"request {number}",
            timestamp_us=(_START_MS + number * 1_000) * 1_000,
            severity=17 if number % 4 == 0 else 9,
            service="api" if number < 20 else "web",
            attributes={"duration": number, "ok": number % 2 == 0},
        )
        for number in range(40)
    ]
    await store.append(records, until=place(1))
    async with serve(
        build_router(logs=store, guard=make_guard(), clock=clock), token=CHARLIE
    ) as client:
        yield client
    store.close()


async def search(client: httpx.AsyncClient, body: Any, path: str = "/es/logs/_search") -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    return answer.json()


async def test_pages_of_hits_go_on_where_the_last_ended(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"size": 15, "sort": [{"@timestamp": {"order": "desc"}}, "_doc"]}
    messages: list[str] = []
    while True:
        found = await search(client, body)
        hits = found["hits"]["hits"]
        if not hits:
            break
        messages += [hit["_source"]["message"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]

    assert messages == [f"request {number}" for number in range(40)][::-1]
    first = await search(client, {"sort": ["@timestamp"], "size": 1})
    hit = first["hits"]["hits"][0]
    assert first["hits"]["total"] == {"value": 40, "relation": "eq"}
    assert hit["sort"][0] == _START_MS
    assert isinstance(hit["sort"][1], str)
    assert hit["_source"] == {
        "@timestamp": "2026-01-05T11:59:00.000000Z",
        "message": "request 0",
        "log.level": "error",
        "service.name": "api",
        "service.environment": "production",
        "event.module": "elastic",
        "duration": 0,
        "ok": True,
    }
    later = {"sort": ["@timestamp"], "size": 1, "search_after": [_START_MS + 5_000]}
    assert (await search(client, later))["hits"]["hits"][0]["_source"]["message"] == "request 6"
    some = await search(client, {"from": 1, "size": 1, "_source": ["message", "serv*"]})
    assert some["hits"]["hits"][0]["_source"] == {
        "message": "request 38",
        "service.name": "web",
        "service.environment": "production",
    }


async def test_a_panel_of_grafana_is_answered(client: httpx.AsyncClient) -> None:
    body = {
        "size": 0,
        "query": {
            "bool": {
                "filter": [
                    {
                        "range": {
                            "@timestamp": {
                                "gte": _START_MS,
                                "lte": _START_MS + 29_999,
                                "format": "epoch_millis",
                            }
                        }
                    },
                    {"query_string": {"analyze_wildcard": True, "query": "request"}},
                ]
            }
        },
        "aggs": {
            "3": {
                "terms": {
                    "field": "log.level",
                    "size": 10,
                    "order": {"_key": "desc"},
                    "min_doc_count": 1,
                },
                "aggs": {
                    "2": {
                        "date_histogram": {
                            "field": "@timestamp",
                            "min_doc_count": 0,
                            "extended_bounds": {"min": _START_MS, "max": _START_MS + 39_999},
                            "format": "epoch_millis",
                            "fixed_interval": "10000ms",
                        },
                        "aggs": {"1": {"avg": {"field": "duration"}}},
                    }
                },
            }
        },
    }
    lines = b"\n".join(map(orjson.dumps, [{"index": "logs"}, body, {}, {"query": {"no": {}}}]))
    answer = await client.post("/es/_msearch", content=lines + b"\n")
    first, second = answer.json()["responses"]

    levels = first["aggregations"]["3"]
    assert [(each["key"], each["doc_count"]) for each in levels["buckets"]] == [
        ("info", 22),
        ("error", 8),
    ]
    steps = levels["buckets"][1]["2"]["buckets"]
    assert [(step["key"] - _START_MS, step["doc_count"], step["1"]["value"]) for step in steps] == [
        (0, 3, 4),
        (10_000, 2, 14),
        (20_000, 3, 24),
        (30_000, 0, None),
    ]
    assert steps[0]["key_as_string"] == str(_START_MS)
    assert second["status"] == 400
    assert "unknown query [no]" in second["error"]["reason"]


async def test_metrics_and_terms(client: httpx.AsyncClient) -> None:
    found = await search(
        client,
        {
            "size": 0,
            "query": {"range": {"@timestamp": {"gte": "now-1h", "lt": "now"}}},
            "aggs": {
                "services": {
                    "terms": {"field": "service.name", "order": [{"most": "desc"}]},
                    "aggs": {"most": {"max": {"field": "duration"}}},
                },
                "all": {"stats": {"field": "duration"}},
                "none": {"sum": {"field": "nothing"}},
                "when": {"date_histogram": {"field": "@timestamp", "calendar_interval": "minute"}},
            },
        },
    )

    answers = found["aggregations"]
    assert [(each["key"], each["most"]["value"]) for each in answers["services"]["buckets"]] == [
        ("web", 39),
        ("api", 19),
    ]
    assert answers["all"] == {"count": 40, "min": 0, "max": 39, "avg": 19.5, "sum": 780}
    assert answers["none"] == {"value": 0}
    assert [each["doc_count"] for each in answers["when"]["buckets"]] == [40]
    unbounded = await search(
        client,
        {"size": 0, "aggs": {"t": {"date_histogram": {"field": "@timestamp", "interval": "10s"}}}},
        "/es/_search",
    )
    assert [b["doc_count"] for b in unbounded["aggregations"]["t"]["buckets"]] == [10] * 4


async def test_counts_fields_and_short_forms(client: httpx.AsyncClient) -> None:
    counted = await client.post("/es/x/_count", json={"query": {"term": {"service": "web"}}})
    assert counted.json()["count"] == 20
    assert (await client.get("/es/_count?q=level:error")).json()["count"] == 10
    short = await client.get("/es/x/_search?q=ok:false&size=3")
    assert [hit["_index"] for hit in short.json()["hits"]["hits"]] == ["x"] * 3

    properties = (await client.get("/es/x/_mapping")).json()["x"]["mappings"]["properties"]
    types = {name: each["type"] for name, each in properties.items()}
    assert (types["@timestamp"], types["message"]) == ("date", "text")
    assert (types["duration"], types["ok"], types["log.level"]) == ("long", "boolean", "keyword")
    fields = (await client.get("/es/x/_field_caps?fields=*")).json()["fields"]
    assert fields["duration"]["long"]["aggregatable"] is True


async def test_what_is_not_understood_is_named_in_elasticsearchs_form(
    client: httpx.AsyncClient,
) -> None:
    histogram = {"field": "@timestamp", "fixed_interval": "1ms"}
    refused: list[tuple[Any, str]] = [
        ({"query": {"fuzzy": {}}}, "[query.fuzzy]"),
        ({"size": 1_001}, "[size]"),
        ({"size": -1}, "[size]"),
        ({"size": True}, "[size]"),
        ({"suggest": {}}, "[body.suggest]"),
        ([], "[body]"),
        ({"sort": [{"duration": "asc"}]}, "[sort[0].duration]"),
        ({"search_after": ["x"]}, "[search_after]"),
        ({"_source": [1]}, "[_source]"),
        ({"aggs": {"a": {"percentiles": {}}}}, "[aggs.a.percentiles] unknown"),
        ({"aggs": {"a": {}}}, "[aggs.a]"),
        ({"aggs": {"a": {"avg": {"field": ""}}}}, "[aggs.a.avg.field]"),
        ({"aggs": {"a": {"terms": {"field": "message"}}}}, "[aggs.a.terms.field]"),
        ({"aggs": {"a": {"terms": {"field": "x", "size": "y"}}}}, "[aggs.a.terms.size]"),
        ({"aggs": {"a": {"date_histogram": histogram}}}, "[aggs.a.date_histogram] it has more"),
        (
            {
                "query": {"range": {"@timestamp": {"gte": "now-1m", "lt": "now"}}},
                "aggs": {
                    "a": {
                        "date_histogram": {
                            "field": "@timestamp",
                            "interval": "1s",
                            "extended_bounds": {"min": -(10**17)},
                        }
                    }
                },
            },
            "extended_bounds",
        ),
    ]
    for body, where in refused:
        answer = await client.post("/es/logs/_search", json=body)
        assert answer.status_code == 400, body
        error = answer.json()
        assert error["status"] == 400
        assert where in error["error"]["root_cause"][0]["reason"], error
    for content in (b"{", b'{"a": "\xff"}'):
        answer = await client.post("/es/_search", content=content)
        assert answer.status_code == 400
    large = await client.post("/es/_search", content=b" " * 2_000_000)
    assert (large.status_code, large.json()["status"]) == (413, 413)
    odd = await client.post("/es/_msearch", content=b"{}\n")
    assert odd.status_code == 400
    stranger = await client.get("/es/_search", headers={"Authorization": "Bearer nobody"})
    assert stranger.status_code == 401
    assert stranger.headers["x-elastic-product"] == "Elasticsearch"
