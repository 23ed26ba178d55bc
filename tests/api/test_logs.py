"""`/api/monitor/logs`: searches, counts, histograms, values, single records."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.logs import build_router
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import make_record, place
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

_LOGS = "/api/monitor/logs"
_RECORDS = 50


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0, partition_rows=20)
    store.open()
    start_us = (to_milliseconds(clock.now()) - 600_000) * 1_000
    records = [
        make_record(
            f"request {number} finished",
            timestamp_us=start_us + number * 1_000_000 + 123,
            severity=17 if number % 5 == 0 else 9,
            severity_text="",
            service="api" if number % 2 else "web",
            trace_id="a" * 32 if number == 7 else "",
            attributes={
                "duration": number / 2,
                **({"user.id": f"u{number % 3}"} if number >= 20 else {}),
                **({"error.stack_trace": "Traceback: boom"} if number == 20 else {}),
            },
        )
        for number in range(_RECORDS)
    ]
    for number in range(0, _RECORDS, 10):
        await store.append(records[number : number + 10], until=place(number + 10))
    router = build_router(logs=store, guard=make_guard(), clock=clock)
    async with serve(router, token=CHARLIE) as client:
        yield client
    store.close()


async def get(client: httpx.AsyncClient, path: str = "", **parameters: Any) -> Any:
    answer = await client.get(f"{_LOGS}{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_pages_hold_every_record_once_newest_first(client: httpx.AsyncClient) -> None:
    seqs: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(client, limit=7, **cursor)
        seqs += [item["seq"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(set(seqs)) == _RECORDS
    assert seqs == sorted(seqs, key=int, reverse=True)
    oldest = await get(client, limit=_RECORDS, order="oldest")
    assert [item["seq"] for item in oldest["items"]] == seqs[::-1]


async def test_a_record_has_all_its_fields_and_its_place_as_text(
    client: httpx.AsyncClient,
) -> None:
    page = await get(client, query="trace_id:" + "A" * 32)
    [item] = page["items"]

    assert page["is_complete"]
    assert page["missing"] == 0
    assert page["searched_until"] is None
    assert isinstance(item["seq"], str)
    assert int(item["seq"]) > 2**53
    assert item["message"] == "request 7 finished"
    assert item["timestamp"].endswith(".000123Z")
    assert (item["severity"], item["severity_number"], item["service"]) == ("info", 9, "api")
    assert item["attributes"] == {"duration": 3.5}
    assert await get(client, f"/{item['seq']}") == item


async def test_the_histogram_adds_up_to_the_count(client: httpx.AsyncClient) -> None:
    for query in ("", "level:error", "service:api duration:>5", "/request 1. /"):
        counted = await get(client, "/count", query=query)
        histogram = await get(client, "/histogram", query=query, buckets=20)
        found = await get(client, query=query, limit=_RECORDS)

        assert counted == {"count": len(found["items"]), "is_complete": True}
        assert histogram["total"] == counted["count"]
        assert histogram["step_seconds"] > 0
    everything = await get(client, "/histogram")
    levels = [bucket["counts"] for bucket in everything["buckets"]]
    assert sum(level.get("error", 0) for level in levels) == 10
    assert sum(level.get("info", 0) for level in levels) == 40


async def test_values_of_a_field(client: httpx.AsyncClient) -> None:
    users = await get(client, "/values", field="user.id", limit=2)
    assert users["values"] == [{"value": "u2", "count": 10}, {"value": "u0", "count": 10}] or (
        {each["count"] for each in users["values"]} == {10}
    )
    assert (users["having"], users["others"]) == (30, 10)

    durations = await get(client, "/values", field="duration", query="duration:<1")
    assert durations["statistics"] == {"count": 2, "min": 0, "max": 0.5, "mean": 0.25, "sum": 0.5}
    assert (await get(client, "/values", field="level"))["values"] == [
        {"value": "info", "count": 40},
        {"value": "error", "count": 10},
    ]
    nothing = await get(client, "/values", field="nothing")
    assert nothing["values"] == []
    assert nothing["statistics"]["min"] is None


async def test_fields_of_the_newest_records(client: httpx.AsyncClient) -> None:
    answer = await get(client, "/fields", sample=40)
    records = {each["name"]: each["records"] for each in answer["fields"]}

    assert (answer["sampled"], answer["others"]) == (40, 0)
    assert records["message"] == records["duration"] == 40
    assert records["user.id"] == 30
    assert "trace_id" not in records
    assert [each["name"] for each in answer["fields"] if each["is_attribute"]] == [
        "duration",
        "user.id",
        "error.stack_trace",
    ]
    nothing = await get(client, "/fields", query="absent")
    assert nothing == {"sampled": 0, "fields": [], "others": 0}


async def test_what_stands_around_a_record(client: httpx.AsyncClient) -> None:
    [item] = (await get(client, query='"request 20"'))["items"]
    context = await get(client, f"/{item['seq']}/context", limit=2)

    assert [each["message"] for each in context["before"]] == [
        "request 19 finished",
        "request 18 finished",
    ]
    assert [each["message"] for each in context["after"]] == [
        "request 21 finished",
        "request 22 finished",
    ]


async def test_time_is_chosen_in_every_form(client: httpx.AsyncClient, clock: FakeClock) -> None:
    now_ms = to_milliseconds(clock.now())
    first = clock.now() - timedelta(minutes=10)
    for bounds in (
        {"from": "now-10m", "to": "now-581s"},
        {"from": str(now_ms - 600_000), "to": str(now_ms - 581_000)},
        {"from": first.isoformat(), "to": (first + timedelta(seconds=19)).isoformat()},
        {"from": "", "to": "now - 581s"},
    ):
        assert (await get(client, "/count", **bounds))["count"] == 20, bounds
    assert (await get(client, "/count", **{"from": "now-1m"}))["count"] == 0
    for path in ("", "/count", "/histogram", "/fields"):
        await get(client, path, **{"from": "1900-01-01", "to": "1950-01-01T00:00:00Z"})
        await get(client, path, **{"from": "1900-01-01", "to": "7000-01-01"})
        await get(client, path, **{"from": "6999-01-01", "to": "7000-01-01"})


async def test_bad_parameters_are_named(client: httpx.AsyncClient) -> None:
    for path, status in (
        ("?query=(a", 400),
        ("/count?query=level:loud", 400),
        ("/histogram?query=x:>", 400),
        ("/fields?query=)", 400),
        ("?from=yesterday", 400),
        ("?from=now&to=now-1h", 400),
        ("?from=9999-12-31", 400),
        ("?limit=0", 422),
        ("?limit=1001", 422),
        ("?cursor=x", 422),
        ("?cursor=-1", 422),
        (f"?cursor={2**70}", 422),
        ("?order=random", 422),
        ("?query=" + "x" * 4_097, 422),
        ("/histogram?buckets=1", 422),
        ("/values", 422),
        ("/values?field=", 422),
        ("/values?field=x&limit=101", 422),
        ("/fields?sample=1001", 422),
        ("/1", 404),
        (f"/{2**62}", 422),
        ("/x", 422),
        ("/1/context?limit=201", 422),
    ):
        answer = await client.get(f"{_LOGS}{path}")

        assert answer.status_code == status, path
        assert answer.json()["error"]["message"]


async def test_an_error_in_a_query_has_its_position(client: httpx.AsyncClient) -> None:
    answer = await client.get(_LOGS, params={"query": "boom (a OR"})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["position"]) == ("invalid_query", 10)
    assert "character 11" in error["message"]


async def test_hostile_queries_are_answered(client: httpx.AsyncClient) -> None:
    for query in (
        "n:" + "9" * 400,
        "n:>1e300",
        "n:[-99999999999999999999 TO 99999999999999999999]",
        "*a*b*c*d*e*f*g*h*i*",
        "service:" + "?" * 10,
        "service:*a*b*c*d*e*f*g*h*i*",
        "service:[1 TO 2]",
        "trace_id:zz",
        "span_id:>1",
        "_exists_:message",
        "\u0130*",
        'a\\"b',
        '"' + "a " * 500 + '"',
    ):
        for path in ("", "/count", "/histogram"):
            await get(client, path, query=query)


async def test_only_who_is_known_searches(client: httpx.AsyncClient) -> None:
    for path in ("", "/count", "/fields", "/histogram", "/values?field=x", "/1", "/1/context"):
        answer = await client.get(f"{_LOGS}{path}", headers={"Authorization": "Bearer nobody"})
        assert answer.status_code == 401
