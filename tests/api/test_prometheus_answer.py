import gzip
from collections.abc import Iterator, MutableMapping
from typing import Any

import anyio
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from typing_extensions import override

from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.prometheus_answer import Body, Endpoint, begin_body
from resumatch_monitor.api.prometheus_params import Params
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from tests.support.clock import FakeClock
from tests.support.web import serve

pytestmark = pytest.mark.anyio

PIECE = b"x" * 700_000
PIECES = 5


class Answers:
    """Handlers that answer with much, and what became of them."""

    def __init__(self) -> None:
        self.rendered = 0
        self.was_cancelled = False

    async def small(self, _: Params) -> bytes:
        return b"[" + b" " * 10_000 + b"]"

    async def tiny(self, _: Params) -> bytes:
        return b"[]"

    async def large(self, _: Params) -> Body:
        return begin_body(self._pieces(PIECES), cells=1)

    async def huge(self, _: Params) -> Body:
        return begin_body(self._pieces(PIECES), cells=30_000_000)

    async def endless(self, _: Params) -> Body:
        return begin_body(self._pieces(10**9), cells=30_000_000)

    async def slow(self, _: Params) -> bytes:
        try:
            await anyio.sleep_forever()
        finally:
            self.was_cancelled = True
        return b""

    def _pieces(self, count: int) -> Iterator[bytes]:
        for _ in range(count):
            self.rendered += 1
            yield PIECE


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def router(answers: Answers) -> APIRouter:
    router = APIRouter()
    endpoint = Endpoint(router, clock=FakeClock())
    for name in ("small", "tiny", "large", "huge", "endless", "slow"):
        endpoint.add(f"/{name}", getattr(answers, name), is_long=True)
    return router


async def ask(router: APIRouter, path: str, encoding: str) -> httpx.Response:
    async with serve(router) as client:
        return await client.get(path, headers={"Accept-Encoding": encoding})


@pytest.mark.parametrize(
    ("path", "encoding", "is_packed"),
    [
        ("/small", "gzip, deflate, br", True),
        ("/small", "deflate, GZIP;q=0.5", True),
        ("/small", "*", True),
        ("/small", "gzip;q=0", False),
        ("/small", "identity", False),
        ("/small", "", False),
        ("/tiny", "gzip", False),
        ("/large", "gzip", True),
        ("/large", "identity", False),
    ],
)
async def test_large_answers_are_packed_for_who_accepts_it(
    router: APIRouter, path: str, encoding: str, is_packed: bool
) -> None:
    answer = await ask(router, path, encoding)

    assert (answer.headers.get("content-encoding") == "gzip") == is_packed
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"] == "application/json"
    # The client has unpacked it already.
    assert (
        len(answer.content) == {"/small": 10_002, "/tiny": 2, "/large": PIECES * len(PIECE)}[path]
    )


async def test_only_a_small_answer_has_a_length(router: APIRouter) -> None:
    assert "content-length" in (await ask(router, "/small", "gzip")).headers
    assert "content-length" not in (await ask(router, "/large", "gzip")).headers


async def test_head_is_answered_as_get_is(router: APIRouter) -> None:
    async with serve(router) as client:
        assert (await client.head("/tiny")).status_code == 200


class Exchange:
    """One request over bare ASGI, by a client that goes away after some of the answer."""

    def __init__(self, *, leaves_after: int) -> None:
        self.messages: list[MutableMapping[str, Any]] = []
        self._leaves_after = leaves_after
        self._left = anyio.Event()
        self._has_asked = False

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._leaves_after:
            await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)
        if len(self.messages) >= self._leaves_after:
            self._left.set()

    async def run(self, app: FastAPI, path: str) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"monitor.test"), (b"accept-encoding", b"gzip")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        with anyio.fail_after(30):
            await app(scope, self.receive, self.send)


class StuckExchange(Exchange):
    """A client that stays and reads nothing after the first piece."""

    @override
    async def send(self, message: MutableMapping[str, Any]) -> None:
        await super().send(message)
        if len(self.messages) > 2:
            await anyio.sleep_forever()


async def test_rendering_ends_when_the_client_goes(router: APIRouter, answers: Answers) -> None:
    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())

    await Exchange(leaves_after=4).run(app, "/endless")

    assert answers.rendered < 50
    # What it held is given back: another large answer finds room.
    assert (await ask(router, "/huge", "identity")).status_code == 200


async def test_a_client_that_stops_reading_is_given_up(answers: Answers) -> None:
    router = APIRouter()
    endpoint = Endpoint(router, clock=FakeClock(), send_timeout_seconds=0.05)
    endpoint.add("/endless", answers.endless, is_long=True)
    endpoint.add("/huge", answers.huge, is_long=True)
    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())

    await StuckExchange(leaves_after=10**9).run(app, "/endless")

    assert answers.rendered < 10
    assert (await ask(router, "/huge", "identity")).status_code == 200


async def test_work_is_given_up_when_the_client_goes(router: APIRouter, answers: Answers) -> None:
    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())

    await Exchange(leaves_after=0).run(app, "/slow")

    assert answers.was_cancelled


async def test_large_answers_under_way_are_bounded_together(router: APIRouter) -> None:
    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())
    first = Exchange(leaves_after=10**9)
    statuses: list[tuple[int, str]] = []

    async with anyio.create_task_group() as group:
        group.start_soon(first.run, app, "/endless")
        while not first.messages:
            await anyio.lowlevel.checkpoint()
        second = await ask(router, "/huge", "identity")
        statuses.append((second.status_code, second.json()["errorType"]))
        group.cancel_scope.cancel()

    assert statuses == [(503, "unavailable")]


def test_pieces_are_rendered_only_when_they_are_asked_for(answers: Answers) -> None:
    body = begin_body(answers._pieces(PIECES), cells=1)  # pyright: ignore[reportPrivateUsage]

    assert answers.rendered == 2
    assert body.rest is not None
    assert gzip.decompress(gzip.compress(body.start)) == 2 * PIECE
