"""`/es/`, as Elasticsearch's clients and rsyslog use it."""

import asyncio
import base64
import gzip
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import APIRouter

from resumatch_monitor.api import elastic, elastic_cluster
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.logs.receiver import LogReceiver
from tests.support.clock import FakeClock
from tests.support.log_doors import LogDoors, open_log_doors
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024


@pytest.fixture
def doors(tmp_path: Path, clock: FakeClock) -> Iterator[LogDoors]:
    with open_log_doors(tmp_path, clock=clock) as doors:
        yield doors


@pytest.fixture
def routers(doors: LogDoors, clock: FakeClock) -> list[APIRouter]:
    guard = make_guard()
    return [
        elastic.build_router(
            receiver=doors.receiver, bodies=BodyReader(max_bytes=LIMIT), guard=guard
        ),
        elastic_cluster.build_router(guard=guard, clock=clock),
        elastic_cluster.build_rest(guard=guard),
    ]


@pytest.fixture
async def client(routers: list[APIRouter]) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(*routers, token=BOB) as client:
        yield client


def make_bulk(*pairs: tuple[object, object]) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for pair in pairs for each in pair)


def make_simple(count: int = 1) -> bytes:
    return b"".join(b'{"create":{}}\n{"message":"m%d"}\n' % n for n in range(count))


async def test_every_pair_is_answered_in_order_and_kept(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    # As winston-elasticsearch writes its first line.
    action = {"create": {"_index": "logs-shop-staging", "pipeline": None}, "attempts": 0}
    body = make_bulk(
        (action, {"@timestamp": "2026-01-05T11:59:59.5Z", "message": "one", "log.level": "warn"}),
        ({"index": {"_index": "cart-2026.01.05", "_id": "a/1"}}, {"message": "two", "n": 5}),
        (action, {"message": "three", "service": {"name": "till"}}),
    )

    answer = await client.put("/es/_bulk", content=body)

    assert answer.status_code == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    told = answer.json()
    assert told["errors"] is False
    verbs = [next(iter(item.items())) for item in told["items"]]
    assert [(verb, item["_index"], item["status"]) for verb, item in verbs] == [
        ("create", "logs-shop-staging", 201),
        ("index", "cart-2026.01.05", 201),
        ("create", "logs-shop-staging", 201),
    ]
    assert verbs[1][1]["_id"] == "a/1"
    assert len({item["_id"] for _, item in verbs}) == 3
    one, two, three = await doors.records()
    assert (one.body, one.service, one.environment, one.severity) == ("one", "shop", "staging", 13)
    assert one.attributes == {"elastic.index": "logs-shop-staging"}
    assert (two.body, two.service, two.environment, two.record_id) == ("two", "cart", "", "a/1")
    assert two.attributes == {"n": 5, "elastic.index": "cart-2026.01.05"}
    assert (three.service, three.environment) == ("till", "staging")


async def test_a_pair_that_is_refused_leaves_the_others(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    body = (
        b'{"create":{}}\n{"message": "cut\n'
        b'{"delete":{"_id":"1"}}\n'
        b'{"update":{"_id":"1"}}\n{"doc":{}}\n'
        b'{"index":{}}\n["no object"]\n'
        b'\n{"index":{}}\r\n{"message":"kept"}\r\n'
    )
    answer = await client.post("/es/shop/_bulk", content=body)

    told = answer.json()
    assert told["errors"] is True
    statuses = [next(iter(item.values()))["status"] for item in told["items"]]
    assert statuses == [400, 400, 400, 400, 201]
    assert told["items"][2]["update"]["error"]["reason"] == "log records are not changed"
    record = await doors.record()
    assert (record.body, record.service) == ("kept", "shop")


async def test_a_document_that_is_nested_too_deeply_is_refused_alone(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    deep = b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}"

    answer = await client.post("/es/_bulk", content=b'{"index":{}}\n%b\n%b' % (deep, make_simple()))
    single = await client.post("/es/shop/_doc", content=deep)

    assert [next(iter(item.values()))["status"] for item in answer.json()["items"]] == [400, 201]
    assert single.status_code == 400
    assert "nested too deeply" in single.json()["error"]["reason"]
    assert (await doors.record()).body == "m0"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"create":{}}\n{"a":1}', "line break"),
        (b'{"create":{}}\n', "document is missing"),
        (b'{"make":{}}\n{}\n', "line 1: create, index"),
        (b'{"create":{}}\n{}\nnonsense\n{}\n', "line 3: not JSON"),
        (b'{"create":[]}\n{}\n', "no object"),
        (b"\xff\n{}\n", "line 1"),
    ],
)
async def test_what_is_no_bulk_request_is_refused_whole(
    client: httpx.AsyncClient, doors: LogDoors, body: bytes, said: str
) -> None:
    answer = await client.post("/es/_bulk", content=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["reason"]
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert not doors.spool.pending


async def test_bytes_that_are_no_text_are_replaced(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    body = b'{"create":{"_id":"7"}}\n{"message":"a\xffb"}\n'
    assert (await client.post("/es/_bulk", content=body)).status_code == 200
    record = await doors.record()
    assert (record.body, record.record_id) == ("a\ufffdb", "7")


async def test_single_documents_are_taken(client: httpx.AsyncClient, doors: LogDoors) -> None:
    pretty = orjson.dumps({"message": "pretty", "n": 1}, option=orjson.OPT_INDENT_2)
    first = await client.post("/es/logs-shop-default/_doc", content=pretty)
    named = await client.put("/es/shop/_create/4", content=b'{"message":"named"}')
    bad = await client.post("/es/shop/_doc", content=b'"text"')

    assert (first.status_code, named.status_code, bad.status_code) == (201, 201, 400)
    assert (named.json()["_id"], named.json()["result"]) == ("4", "created")
    one, two = await doors.records()
    assert (one.body, one.attributes["n"], one.service) == ("pretty", 1, "shop")
    assert (two.body, two.record_id) == ("named", "4")


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"ApiKey {_encode(f'some-id:{BOB}')}", 200),
        (f"ApiKey {BOB}", 200),
        (f"Basic {_encode(f'elastic:{BOB}')}", 200),
        (f"Bearer {BOB}", 200),
        (f"ApiKey {_encode('some-id:wrong')}", 401),
        ("ApiKey ", 401),
        (f"Basic {_encode(f'elastic:{CHARLIE}')}", 403),
        ("", 401),
    ],
)
async def test_tokens_are_sent_as_clients_can(
    routers: list[APIRouter], authorization: str, status: int
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with serve(*routers, token=None) as client:
        answer = await client.post("/es/_bulk", content=make_simple(), headers=headers)
    assert answer.status_code == status
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    if status != 200:
        assert answer.json()["error"]["type"] == "security_exception"


async def test_every_refusal_names_the_product(client: httpx.AsyncClient) -> None:
    large = b" " * (LIMIT + 1)
    answers = [
        await client.get("/es/shop/_mapping"),
        await client.post("/es/_bulk", content=large),
        await client.post("/es/_bulk", content=b"x", headers={"Content-Encoding": "gzip"}),
        await client.get("/es/_index_template/template_logs-app-default"),
    ]
    assert [answer.status_code for answer in answers] == [404, 413, 400, 404]
    for answer in answers:
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
        assert answer.json()["error"]["root_cause"][0]["reason"]


async def test_a_crash_names_the_product_and_tells_nothing(
    clock: FakeClock, doors: LogDoors
) -> None:
    class Broken(LogReceiver):
        async def take(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("secret")

    broken = Broken(spool=doors.spool, metrics=doors.metrics, clock=clock)
    router = elastic.build_router(
        receiver=broken, bodies=BodyReader(max_bytes=LIMIT), guard=make_guard()
    )
    async with serve(router, token=BOB) as client:
        answer = await client.post("/es/_bulk", content=make_simple())
    assert answer.status_code == 500
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert "secret" not in answer.text


async def test_media_types_of_each_version(client: httpx.AsyncClient, doors: LogDoors) -> None:
    for version in (8, 9):
        compatible = f"compatible-with={version}"
        kind = f"application/vnd.elasticsearch+json; {compatible}"
        answer = await client.put(
            "/es/_bulk",
            content=gzip.compress(make_simple()),
            headers={
                "Accept": kind,
                "Content-Type": f"application/vnd.elasticsearch+x-ndjson; {compatible}",
                "Content-Encoding": "gzip",
            },
        )
        assert answer.headers["content-type"] == kind
        assert answer.json()["errors"] is False
    assert len(await doors.records()) == 2


async def test_what_clients_ask_first_is_answered(client: httpx.AsyncClient) -> None:
    assert (await client.get("/es/")).json()["version"]["number"].startswith("8.")
    assert (await client.get("/es")).json()["tagline"] == "You Know, for Search"
    assert (await client.head("/es/")).status_code == 200
    health = await client.get("/es/_cluster/health?wait_for_status=yellow")
    assert health.json()["status"] == "green"
    assert " green" in (await client.get("/es/_cat/health")).text
    rows = (await client.get("/es/_cat/health?format=json")).json()
    assert rows[0]["status"] == "green"
    assert (await client.get("/es/_license")).json()["license"]["status"] == "active"
    assert (await client.get("/es/_xpack")).status_code == 200
    for path in ("_index_template/a", "_component_template/a", "_template/a", "_data_stream/a"):
        assert (await client.head(f"/es/{path}")).status_code == 404
        assert (await client.put(f"/es/{path}", json={})).json() == {"acknowledged": True}
    for path in ("_ilm/policy/a", "_ingest/pipeline/a"):
        assert (await client.get(f"/es/{path}")).status_code == 404
        assert (await client.put(f"/es/{path}", json={})).status_code == 200
    assert (await client.head("/es/logs-shop-default")).status_code == 200
    assert (await client.put("/es/shop")).json()["acknowledged"] is True
    assert (await client.get("/es/shop/_refresh")).json()["_shards"]["failed"] == 0
    assert (await client.post("/es/_refresh")).status_code == 200


@pytest.mark.parametrize("agent", ["elasticsearch-py/9.1", None])
async def test_while_there_is_no_room_a_request_is_held(
    client: httpx.AsyncClient, doors: LogDoors, clock: FakeClock, agent: str | None
) -> None:
    doors.disk.is_full = True
    # rsyslog, which sends no such header, is held for longer.
    client.headers.pop("User-Agent")
    headers = {} if agent is None else {"User-Agent": agent}
    held = asyncio.create_task(client.post("/es/_bulk", content=make_simple(3), headers=headers))
    await _let_pass(clock, 7.0)
    assert not held.done()

    doors.disk.is_full = False
    await _let_pass(clock, 0.5, until=held)

    assert (await held).status_code == 200
    assert len(await doors.records()) == 3


async def test_only_when_it_lasts_is_a_request_refused(
    client: httpx.AsyncClient, doors: LogDoors, clock: FakeClock
) -> None:
    doors.disk.is_full = True
    held = [asyncio.create_task(client.post("/es/_bulk", content=make_simple())) for _ in range(3)]
    await _let_pass(clock, 9.0, until=held[-1])

    for each in held:
        answer = await each
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
        assert answer.headers["x-elastic-product"] == "Elasticsearch"
    rejected = doors.telemetry.registry.get_sample_value(
        "resumatch_monitor_logs_rejected_total", {"door": "elastic", "reason": "disk_full"}
    )
    assert rejected == 3


async def _let_pass(
    clock: FakeClock, seconds: float, *, until: "asyncio.Task[httpx.Response] | None" = None
) -> None:
    """Let time pass in small steps: between them, threads answer in time of their own."""
    for _ in range(int(seconds / 0.25)):
        for _ in range(50):
            if until is not None and until.done():
                return
            await asyncio.sleep(0.0002)
        await clock.advance(0.25)
    for _ in range(500):
        if until is None or until.done():
            return
        await asyncio.sleep(0.001)
