"""Events as the real `sentry-sdk` makes them of a real application, brought to a size.

An application on FastAPI and SQLAlchemy fails in several ways, the SDK captures that with frames,
variables, source lines, breadcrumbs and request; its frames are then repeated, or the outermost
left out, until an event has the size that is wanted. What differs between occurrences (ids,
times, users, values, addresses) differs here.
"""

import asyncio
import random
import zlib
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
import sentry_sdk
from fastapi import FastAPI, Request
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from sqlalchemy import create_engine, text

ISSUES = 40
"""How many different bugs there are."""
_SEED = 5
_USERS = 500
_DSN = "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1"
_MOST_FRAMES = 90
_MODULES = 60


class _Catcher(Transport):
    """Keeps the events instead of sending them."""

    def __init__(self, found: list[dict[str, Any]]) -> None:
        super().__init__()
        self._found = found

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self._found.append(orjson.loads(orjson.dumps(event, default=str)))


class PaymentDeclinedError(Exception):
    """What the application fails with."""


def capture_events() -> list[dict[str, Any]]:
    """Return what the SDK sends of each way in which the application fails."""
    found: list[dict[str, Any]] = []
    sentry_sdk.init(
        dsn=_DSN,
        transport=_Catcher(found),
        release="resumatch-api@4.2.0",
        environment="production",
        traces_sample_rate=0,
    )
    try:
        asyncio.run(_provoke())
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.init()
    return found


async def _provoke() -> None:
    transport = httpx.ASGITransport(app=_build_application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example.org") as client:
        for way in ("lookup", "database", "payment", "parse"):
            await client.post(
                f"/jobs/4711/{way}",
                params={"page": 3, "sort": "newest"},
                json={"title": "Engineer", "salary": 70_000, "skills": ["python", "sql"]},
                headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/144.0"},
            )


def _build_application() -> FastAPI:
    app = FastAPI()
    engine = create_engine("sqlite://")

    def find_candidate(job: int, body: dict[str, Any]) -> str:
        candidates = {number: f"candidate {number}" for number in range(job % 7)}
        return candidates[job + len(body)]

    def load_rows(job: int) -> Sequence[Any]:
        with engine.connect() as connection:
            return connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job}).all()

    def charge(job: int, *, attempts: int = 2) -> None:
        if attempts:
            charge(job, attempts=attempts - 1)
        raise PaymentDeclinedError(f"order {job} of customer 0x7f3a was declined")

    @app.post("/jobs/{job}/{way}")
    async def handle(request: Request, job: int, way: str) -> dict[str, Any]:
        body = await request.json()
        sentry_sdk.add_breadcrumb(category="match", message=f"matching job {job}", level="info")
        if way == "lookup":
            return {"name": find_candidate(job, body)}
        if way == "database":
            return {"rows": load_rows(job)}
        if way == "payment":
            charge(job)
        return {"value": int(body["title"])}

    return app


def make_events(size: int, count: int) -> list[bytes]:
    """Return `count` events of about `size` bytes of JSON, of `ISSUES` bugs."""
    chance = random.Random(_SEED)
    originals = [_bring_to_size(event, size) for event in capture_events()]
    return [_vary(originals[number % len(originals)], number, chance) for number in range(count)]


def pack(event: bytes) -> bytes:
    """Return the envelope, compressed as the SDK compresses it."""
    event_id = orjson.loads(event)["event_id"]
    head = orjson.dumps({"event_id": event_id, "sent_at": "2026-11-01T10:00:00.000000Z"})
    item = orjson.dumps({"type": "event", "content_type": "application/json", "length": len(event)})
    body = b"\n".join((head, item, event, b""))
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()


def _bring_to_size(event: dict[str, Any], size: int) -> dict[str, Any]:
    event["modules"] = dict(list(event["modules"].items())[:_MODULES])
    frames: list[dict[str, Any]] = event["exception"]["values"][-1]["stacktrace"]["frames"]
    more = list(frames)
    while len(orjson.dumps(event)) < size and len(frames) < _MOST_FRAMES:
        frames.insert(0, dict(more[len(frames) % len(more)]))
    while len(orjson.dumps(event)) > size * 1.02 and len(frames) > 1:
        del frames[0]
    rest = size - len(orjson.dumps(event))
    crumbs = event["breadcrumbs"]["values"]
    while rest > 0:
        crumb = {
            "type": "http",
            "category": "httplib",
            "level": "info",
            "timestamp": "2026-11-01T09:59:59.123456Z",
            "data": {"url": f"https://api.example.org/v1/jobs/{rest}", "method": "GET"},
        }
        crumbs.append(crumb)
        rest -= len(orjson.dumps(crumb)) + 1
    return event


def _vary(original: dict[str, Any], number: int, chance: random.Random) -> bytes:
    event = orjson.loads(orjson.dumps(original))
    bug = number % ISSUES
    event["event_id"] = f"{chance.getrandbits(128):032x}"
    event["timestamp"] = f"2026-11-01T09:{number % 60:02d}:00.{number % 1_000_000:06d}Z"
    event["user"] = {"id": str(number * 7 % _USERS)}
    event["tags"] = {"plan": "pro" if number % 3 else "free", "shard": str(number % 11)}
    event["server_name"] = f"web-{number % 6}"
    exceptions = event["exception"]["values"]
    exceptions[-1]["type"] = f"{exceptions[-1]['type']}{bug}"
    for frame in exceptions[-1]["stacktrace"]["frames"]:
        names = frame.get("vars")
        if names:
            for name in list(names)[:3]:
                if isinstance(names[name], str):
                    names[name] = f"{names[name][:-13]}{chance.getrandbits(48):012x}>"
    return orjson.dumps(event)
