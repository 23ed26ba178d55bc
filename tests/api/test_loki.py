"""`POST /loki/api/v1/push`, as winston-loki, Promtail and Alloy use it."""

import gzip
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import cramjam
import httpx
import orjson
import pytest

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.loki import build_router
from resumatch_monitor.logs.formats.loki import LabelError, parse_labels
from tests.support.clock import FakeClock
from tests.support.log_doors import LogDoors, open_log_doors
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024
NANOSECONDS = 1_767_614_399_123_456_789
URL = "/loki/api/v1/push"
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
def doors(tmp_path: Path, clock: FakeClock) -> Iterator[LogDoors]:
    with open_log_doors(tmp_path, clock=clock) as doors:
        yield doors


@pytest.fixture
async def client(doors: LogDoors) -> AsyncGenerator[httpx.AsyncClient]:
    router = build_router(
        receiver=doors.receiver,
        bodies=BodyReader(max_bytes=LIMIT),
        packed_bodies=BodyReader(max_bytes=LIMIT, only_coding="snappy"),
        guard=make_guard(),
    )
    async with serve(router, token=BOB) as client:
        yield client


def make_push(labels: dict[str, str], *values: list[Any]) -> bytes:
    return orjson.dumps({"streams": [{"stream": labels, "values": values}]})


def encode_field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return encode_varint(number << 3) + encode_varint(content)
    return encode_varint(number << 3 | 2) + encode_varint(len(content)) + content


def encode_varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def make_protobuf(labels: str, line: str, metadata: dict[str, str]) -> bytes:
    seconds, rest = divmod(NANOSECONDS, 1_000_000_000)
    entry = encode_field(1, encode_field(1, seconds) + encode_field(2, rest))
    entry += encode_field(2, line.encode())
    for name, value in metadata.items():
        pair = encode_field(1, name.encode()) + encode_field(2, value.encode())
        entry += encode_field(3, pair)
    return encode_field(1, encode_field(1, labels.encode()) + encode_field(2, entry))


async def test_json_keeps_labels_and_metadata(client: httpx.AsyncClient, doors: LogDoors) -> None:
    body = make_push(
        {"app": "web", "level": "warn", "region": "fra"},
        [str(NANOSECONDS), "a line\nof two", {"trace_id": "0af7651916cd43dd8448eb211c80319c"}],
        [str(NANOSECONDS), '{"level": "error", "msg": "structured", "n": 5}'],
        [0, "{no object"],
    )
    packed = {**JSON, "Content-Encoding": "gzip"}

    answer = await client.post(URL, content=gzip.compress(body), headers=packed)

    assert (answer.status_code, answer.content) == (204, b"")
    line, structured, timeless = await doors.records()
    assert (line.body, line.service, line.severity, line.source) == (
        "a line\nof two",
        "web",
        13,
        "loki",
    )
    assert line.timestamp_us == NANOSECONDS // 1_000
    assert line.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert line.attributes == {"region": "fra"}
    assert (structured.body, structured.severity) == ("structured", 17)
    assert structured.attributes == {"region": "fra", "n": 5}
    assert timeless.body == "{no object"
    assert timeless.timestamp_us == timeless.observed_us


async def test_protobuf_is_packed_with_snappy_whether_it_says_so_or_not(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    body = make_protobuf('{job="ops/web", level="info"}', "hello", {"user.id": "7"})
    packed = bytes(cramjam.snappy.compress_raw(body))
    for headers in (PROTOBUF, {**PROTOBUF, "Content-Encoding": "snappy"}):
        answer = await client.post(URL, content=packed, headers=headers)
        assert answer.status_code == 204

    records = await doors.records()
    assert len(records) == 2
    for record in records:
        assert (record.body, record.service, record.severity) == ("hello", "ops/web", 9)
        assert record.timestamp_us == NANOSECONDS // 1_000
        assert record.attributes == {"job": "ops/web", "user.id": "7"}


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ("{}", {}),
        ('{a="b"}', {"a": "b"}),
        (' { a = "b" , c = `d"e` , } ', {"a": "b", "c": 'd"e'}),
        (r'{a="q\"\\\n\x41\u00e9\101"}', {"a": 'q"\\\nA\u00e9A'}),
        (r'{a="\ud800"}', {"a": "\ufffd"}),
        ('{a="}, b=\'"}', {"a": "}, b='"}),
    ],
)
def test_labels_are_read_as_go_writes_them(selector: str, labels: dict[str, str]) -> None:
    assert parse_labels(selector) == labels


@pytest.mark.parametrize("selector", ["", "a", "{", "{a}", '{a="b}', '{a="b"}x}', '{a="b"c="d"}'])
def test_what_are_no_labels_is_refused(selector: str) -> None:
    with pytest.raises(LabelError):
        parse_labels(selector)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "the body: an object"),
        (b"{}", "streams: a list"),
        (b'{"streams": [5]}', "streams[0]: an object"),
        (b'{"streams": [{"stream": []}]}', "streams[0].stream: an object"),
        (b'{"streams": [{"stream": {}}]}', "streams[0].values: a list"),
        (make_push({}, ["1"]), "an entry is"),
        (make_push({}, ["1", 5]), "an entry is"),
        (make_push({}, ["soon", "x"]), "'soon' are no nanoseconds"),
        (make_push({}, [10**19, "x"]), "no nanoseconds"),
        (make_push({}, *[["1", ""]] * 50_001)[: LIMIT + 1], ""),
    ],
)
async def test_what_is_no_push_is_refused_with_its_place(
    client: httpx.AsyncClient, doors: LogDoors, body: bytes, said: str
) -> None:
    answer = await client.post(URL, content=body, headers=JSON)
    assert answer.status_code in (400, 413)
    assert said in answer.text
    assert not doors.spool.pending


@pytest.mark.parametrize(
    "body", [b"\x0a", encode_field(1, encode_field(1, b"{a}") + encode_field(2, b""))]
)
async def test_broken_protobuf_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    packed = bytes(cramjam.snappy.compress_raw(body))
    answer = await client.post(URL, content=packed, headers=PROTOBUF)
    assert answer.status_code == 400
    assert (await client.post(URL, content=body, headers=PROTOBUF)).status_code == 400


async def test_no_room_and_no_rights(client: httpx.AsyncClient, doors: LogDoors) -> None:
    body = make_push({}, ["1", "x"])
    headers = {**JSON, "Authorization": f"Bearer {CHARLIE}"}
    assert (await client.post(URL, content=body, headers=headers)).status_code == 403
    doors.disk.is_full = True
    answer = await client.post(URL, content=body, headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
