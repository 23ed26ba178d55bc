from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest
from fastapi import APIRouter

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.remote_write import build_router
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE, STALE_BITS
from tests.support import prompb
from tests.support.clock import FakeClock
from tests.support.prompb import add_series, pack, write_request
from tests.support.push import PushStack, open_stack
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024
API = {"__name__": "up", "job": "api"}
WEB = {"__name__": "up", "job": "web"}


@pytest.fixture
def stack(tmp_path: Path, clock: FakeClock) -> Iterator[PushStack]:
    with open_stack(tmp_path, clock=clock) as stack:
        yield stack


def make_router(stack: PushStack) -> APIRouter:
    return build_router(
        receiver=stack.remote_write,
        bodies=BodyReader(max_bytes=LIMIT, only_coding="snappy"),
        guard=make_guard(),
    )


@pytest.fixture
async def client(stack: PushStack) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(make_router(stack), token=BOB) as client:
        yield client


async def send(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    sent = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await client.post("/api/v1/write", content=pack(body), headers=sent)


async def test_samples_are_there_when_it_answers(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    now = stack.now_ms
    body = write_request((API, [(now, 1.0), (now - 10**9, 0.0)]), (WEB, [(now, 0.5)]))

    answer = await send(client, body)

    assert (answer.status_code, answer.content) == (204, b"")
    assert stack.samples("up") == {
        Labels.of(API): {now: 1.0, now - 10**9: 0.0},
        Labels.of(WEB): {now: 0.5},
    }
    assert stack.own_metric("ingest_pending", signal="metrics") == 0
    assert stack.own_metric("pushed_samples_total", protocol="remote_write") == 3


async def test_what_is_sent_again_is_taken_again(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    body = write_request((API, [(stack.now_ms, 1.0)]))

    for _ in range(3):
        assert (await send(client, body)).status_code == 204

    assert stack.samples("up") == {Labels.of(API): {stack.now_ms: 1.0}}


async def test_staleness_markers_keep_their_bits(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    await send(client, write_request((API, [(stack.now_ms, STALE)])))

    [block] = stack.store.select([], 0, stack.now_ms)
    assert block.values.view(np.uint64).tolist() == [[STALE_BITS]]


async def test_metadata_and_exemplars_are_kept(client: httpx.AsyncClient, stack: PushStack) -> None:
    request = prompb.WriteRequest()
    request.metadata.add(type=2, metric_family_name="up", help="Whether it is.")
    series = add_series(request, API)
    series.exemplars.add(value=1.0, timestamp=stack.now_ms).labels.add(name="t", value="x")
    second = prompb.WriteRequest()
    second.metadata.add(type=1, metric_family_name="requests", help="All of them.")

    for each in (request, second):
        assert (await send(client, each.SerializeToString())).status_code == 204

    assert stack.metadata.names() == ["requests", "up"]
    assert stack.metadata.read("up") == [{"type": "gauge", "help": "Whether it is.", "unit": ""}]
    [found] = stack.exemplars.find([], 0, stack.now_ms, limit=10)
    assert (found.series, found.exemplars[0].labels) == (Labels.of(API), (("t", "x"),))


async def test_says_what_it_refuses_and_stores_the_rest(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    now = stack.now_ms
    await send(client, write_request((API, [(now, 1.0)])))
    request = prompb.WriteRequest()
    add_series(request, API, [(now, 2.0), (now + 1, 3.0)])
    add_series(request, {"job": "nameless"}, [(now, 1.0)])
    add_series(request, WEB, [(2**63 - 1, 1.0), (-(2**63), 1.0), (now, 4.0)])
    add_series(request, WEB).histograms.add(sum=1.0)

    answer = await send(client, request.SerializeToString())

    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "5 refused, everything else is stored" in answer.text
    assert '{job="nameless"} has no label __name__' in answer.text
    assert "native histograms are not supported" in answer.text
    assert "the sample is older than the retention (and 2 more)" in answer.text
    assert stack.samples("up") == {
        Labels.of(API): {now: 1.0, now + 1: 3.0},
        Labels.of(WEB): {now: 4.0},
    }


async def test_asks_to_send_again_when_it_is_full(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    body = write_request((API, [(stack.now_ms, 1.0)]))
    stack.disk.is_full = True
    answer = await send(client, body)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "bytes of disk are free" in answer.text

    stack.disk.is_full = False
    assert (await send(client, body)).status_code == 204


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"Content_Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, "v2"),
        ({"Content_Type": "application/json"}, "application/json"),
        ({"Content_Encoding": "gzip"}, "gzip"),
        ({"Content_Encoding": "snappy, snappy"}, "snappy, snappy"),
    ],
)
async def test_says_what_it_does_not_support(
    client: httpx.AsyncClient, headers: dict[str, str], complaint: str
) -> None:
    answer = await send(client, b"", **headers)

    assert answer.status_code == 415
    assert complaint in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"},
        {"Content-Encoding": "Snappy"},
    ],
)
async def test_takes_requests_that_say_little_of_themselves(
    client: httpx.AsyncClient, stack: PushStack, headers: dict[str, str]
) -> None:
    body = pack(write_request((API, [(stack.now_ms, 1.0)])))

    answer = await client.post("/api/v1/write", content=body, headers=headers)

    assert answer.status_code == 204, answer.text


def _bomb() -> bytes:
    # Says that it unpacks to 4 GiB.
    return b"\xff\xff\xff\xff\x0f" + b"\x00a"


def _framed() -> Any:
    return cramjam.snappy.compress(b"0" * 100)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (_bomb(), 413),
        (pack(bytes(LIMIT + 1)), 413),
        (b"x" * (LIMIT + 1), 413),
        (b"", 400),
        (b"\xff\xff\xff\xff\xff\xff\xff", 400),
        (b"\x10\x00a", 400),
        (pack(b"not protobuf"), 400),
        (bytes(_framed()), 400),
    ],
)
async def test_bad_bodies_are_refused_for_good(
    client: httpx.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post("/api/v1/write", content=body)

    assert answer.status_code == status, answer.text
    assert answer.text.count("\n") == 1


async def test_only_editors_may_write(stack: PushStack) -> None:
    for token, status in ((None, 401), (CHARLIE, 403)):
        async with serve(make_router(stack), token=token) as client:
            assert (await send(client, b"")).status_code == status
