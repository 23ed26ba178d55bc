from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from fastapi import APIRouter, Form, Request
from pydantic import BaseModel

from resumatch_monitor.api import edge
from resumatch_monitor.api.edge import LARGEST_BODY_BYTES, build_app
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry

pytestmark = pytest.mark.anyio


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    router = APIRouter(prefix="/things")

    @router.get("/{thing}")
    async def read_thing(thing: str) -> str:
        return thing

    telemetry = Telemetry()
    app = build_app(routers=[router], ids=RandomIds(), telemetry=telemetry)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor.test") as client:
        await client.get("/things/1")
        await client.get("/things/2")
        await client.request("BREW", "/coffee")

    def count(method: str, route: str, status: str) -> float | None:
        return telemetry.registry.get_sample_value(
            "resumatch_monitor_http_requests_total",
            {"method": method, "route": route, "status": status},
        )

    assert count("GET", "/things/{thing}", "200") == 2
    assert count("OTHER", "unmatched", "404") == 1


class _Body(BaseModel):
    text: str


def build_client() -> httpx.AsyncClient:
    router = APIRouter()

    @router.post("/json")
    async def take_json(body: _Body) -> int:
        return len(body.text)

    @router.post("/form")
    async def take_form(text: str = Form(default="")) -> int:
        return len(text)

    @router.post("/api/1/envelope/")
    async def take_anything(request: Request) -> int:
        return len(await request.body())

    @router.post("/full")
    async def refuse() -> None:
        raise StorageUnavailableError("the disk that holds the database is full")

    @router.get("/cached")
    async def read_cached() -> None:
        return None

    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://monitor.test")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/json", "application/json"),
        ("/form", "application/x-www-form-urlencoded"),
        ("/form", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_body_is_bounded_before_anybody_reads_all_of_it(path: str, kind: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        if kind.startswith("multipart"):
            yield b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        while sent < 100 * LARGEST_BODY_BYTES:
            sent += 65_536
            yield b"a" * 65_536

    async with build_client() as client:
        answer = await client.post(path, content=endless(), headers={"Content-Type": kind})

    # A form's field has a bound of its own.
    assert answer.status_code in (400, 413)
    assert sent < 2 * LARGEST_BODY_BYTES


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_TIMEOUT_SECONDS", 0.05)

    async def stalling() -> AsyncIterator[bytes]:
        yield b'{"text": "'
        await anyio.sleep_forever()

    async with build_client() as client:
        answer = await client.post(
            "/json", content=stalling(), headers={"Content-Type": "application/json"}
        )

    assert answer.status_code == 408


async def test_ingest_bounds_its_bodies_itself() -> None:
    async with build_client() as client:
        answer = await client.post("/api/1/envelope/", content=bytes(2 * LARGEST_BODY_BYTES))

    assert answer.json() == 2 * LARGEST_BODY_BYTES


async def test_nothing_is_kept_by_browsers_unless_a_route_says_so() -> None:
    async with build_client() as client:
        answer = await client.get("/cached")

    assert answer.headers["cache-control"] == "no-store"


async def test_a_full_disk_is_said_and_is_no_crash() -> None:
    async with build_client() as client:
        answer = await client.post("/full")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "disk" in answer.json()["error"]["message"]


async def test_the_log_holds_no_key_of_a_link(caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    @router.post("/act/{token}")
    @router.post("/api/{token}")
    async def fail(token: str) -> None:
        if token.startswith("full"):
            raise StorageUnavailableError("the disk is full")
        raise RuntimeError("a bug")

    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor.test") as client:
        statuses = [
            (await client.post(path)).status_code
            for path in ("/act/crash-SECRET", "/act/full-SECRET", "/api/crash-plain")
        ]

    assert statuses == [500, 503, 500]
    assert "SECRET" not in caplog.text
    assert caplog.messages == [
        "Request POST /act/… failed",
        "Request POST /act/…: the disk is full",
        "Request POST /api/crash-plain failed",
    ]


async def test_nobody_acts_on_what_is_only_half_loaded_and_events_are_taken_in() -> None:
    router = APIRouter()

    @router.post("/api/{rest:path}")
    @router.post("/act/{rest:path}")
    async def answer(rest: str) -> str:
        return rest

    is_ready = False
    app = build_app(
        routers=[router], ids=RandomIds(), telemetry=Telemetry(), is_ready=lambda: is_ready
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor.test") as client:
        held = [
            await client.post(path)
            for path in ("/api/monitor/alerts/actions", "/api/v2/alerts", "/act/token")
        ]
        taken = [await client.post(path) for path in ("/api/1/envelope/", "/api/v1/write")]
        is_ready = True
        after = await client.post("/api/v2/alerts")

    assert [each.status_code for each in (*held, *taken, after)] == [503, 503, 503, 200, 200, 200]
    assert held[0].json()["error"]["code"] == "not_ready"
    assert held[0].json()["error"]["request_id"]
    assert held[0].headers["Retry-After"] == "1"
