"""Lines of JSON by plain POST, and Vercel's log drains."""

import hmac
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from resumatch_monitor.api import logs_push
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.logs.config import VercelDrainConfig
from resumatch_monitor.logs.vercel_drains import VercelDrains
from tests.support.clock import FakeClock
from tests.support.log_doors import LogDoors, open_log_doors
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024
SECRET = "vercels-own-secret"
INGEST = "/api/monitor/logs/ingest"
DRAIN = "/api/web/drain/vercel"


class Names:
    """Knows project 3, `web`."""

    def slug(self, number: int) -> str:
        return "web" if number == 3 else f"project-{number}"

    def number(self, slug: str) -> int | None:
        return 3 if slug == "web" else None


@pytest.fixture
def doors(tmp_path: Path, clock: FakeClock) -> Iterator[LogDoors]:
    with open_log_doors(tmp_path, clock=clock) as doors:
        yield doors


@pytest.fixture
async def client(doors: LogDoors) -> AsyncGenerator[httpx.AsyncClient]:
    bodies = BodyReader(max_bytes=LIMIT)
    config = [
        VercelDrainConfig(project=slug, secret=SecretStr(SECRET), verification_code="code-1")
        for slug in ("web", "gone")
    ]
    routers = [
        logs_push.build_router(receiver=doors.receiver, bodies=bodies, guard=make_guard()),
        logs_push.build_drains(
            receiver=doors.receiver, drains=VercelDrains(config, Names()), bodies=bodies
        ),
    ]
    async with serve(*routers, token=BOB) as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        b'{"msg":"a","level":"error"}\r\n\n{"message":"b","service":"cart"}',
        b'[{"msg":"a","level":"error"}, {"message":"b","service":"cart"}]',
    ],
)
@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", ""])
async def test_objects_are_taken_in_lines_and_in_a_list(
    client: httpx.AsyncClient, doors: LogDoors, body: bytes, kind: str
) -> None:
    answer = await client.post(
        f"{INGEST}?service=shop&environment=staging", content=body, headers={"Content-Type": kind}
    )
    assert (answer.status_code, answer.json()) == (200, {"records": 2})
    first, second = await doors.records()
    assert (first.body, first.severity, first.service) == ("a", 17, "shop")
    assert (second.body, second.service, second.environment) == ("b", "cart", "staging")
    assert first.source == "http"


async def test_other_lines_are_messages(client: httpx.AsyncClient, doors: LogDoors) -> None:
    pretty = orjson.dumps({"message": "one", "n": 1}, option=orjson.OPT_INDENT_2)
    assert (await client.post(INGEST, content=pretty)).json() == {"records": 1}
    record = await doors.record()
    assert (record.body, record.attributes) == ("one", {"n": 1})

    assert (await client.post(INGEST, content=b"plain\n5\n\xff")).json() == {"records": 3}
    assert [each.body for each in await doors.records()] == ["plain", "5", "\ufffd"]


@pytest.mark.parametrize("body", [b"[", b"[5]", b'[{"a":1}, "x"]', b"[{}] x"])
async def test_a_list_of_other_things_is_refused(
    client: httpx.AsyncClient, doors: LogDoors, body: bytes
) -> None:
    answer = await client.post(INGEST, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_records"
    assert not doors.spool.pending


@pytest.mark.parametrize("depth", [900, 9000])
async def test_a_list_of_what_is_nested_too_deeply_is_refused(
    client: httpx.AsyncClient, depth: int
) -> None:
    deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"

    answer = await client.post(INGEST, content=b"[" + deep + b"]")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_records")


async def test_a_line_that_is_nested_too_deeply_is_a_text(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    deep = b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}"

    assert (await client.post(INGEST, content=deep + b'\n{"msg":"b"}')).status_code == 200
    first, second = await doors.records()
    assert (first.body[:8], second.body) == ('{"a":[[[', "b")


async def test_who_may_not_and_what_does_not_fit(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    viewer = {"Authorization": f"Bearer {CHARLIE}"}
    assert (await client.post(INGEST, content=b"{}", headers=viewer)).status_code == 403
    assert (await client.post(INGEST, content=b"x" * (LIMIT + 1))).status_code == 413
    assert (await client.post(f"{INGEST}?service={'x' * 201}", content=b"{}")).status_code == 400
    doors.disk.is_full = True
    answer = await client.post(INGEST, content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


ENTRIES: list[dict[str, Any]] = [
    {
        "id": "log-1",
        "deploymentId": "dpl_1",
        "source": "lambda",
        "host": "shop.vercel.app",
        "timestamp": 1_767_614_399_123,
        "projectId": "prj_1",
        "level": "warning",
        "message": "slow",
        "path": "/api/cart",
        "statusCode": 200,
        "requestId": "req-1",
        "environment": "production",
        "branch": "main",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "proxy": {
            "timestamp": 1_767_614_399_000,
            "method": "GET",
            "scheme": "https",
            "host": "shop.example",
            "path": "/api/cart?x=1",
            "userAgent": ["Mozilla/5.0", "X"],
            "referer": "https://shop.example/",
            "statusCode": 200,
            "clientIp": "192.0.2.1",
            "region": "fra1",
            "vercelCache": "MISS",
        },
    },
    {
        "id": "log-2",
        "source": "static",
        "timestamp": 1_767_614_399_124,
        "statusCode": -1,
        "proxy": {"method": "POST", "path": "/crash"},
    },
    {
        "id": "log-3",
        "level": "info",
        "timestamp": 1_767_614_399_125,
        "message": '{"level":50,"msg":"from pino","cart":{"id":9}}',
    },
]


def sign(body: bytes) -> dict[str, str]:
    return {"x-vercel-signature": hmac.new(SECRET.encode(), body, "sha1").hexdigest()}


@pytest.mark.parametrize("as_list", [True, False])
async def test_a_drain_delivers(client: httpx.AsyncClient, doors: LogDoors, as_list: bool) -> None:
    lines = [orjson.dumps(each) for each in ENTRIES]
    body = orjson.dumps(ENTRIES) if as_list else b"\n".join(lines)
    # Nobody signs in.
    answer = await client.post(DRAIN, content=body, headers={**sign(body), "Authorization": ""})

    assert (answer.status_code, answer.headers["x-vercel-verify"]) == (200, "code-1")
    slow, crash, structured = await doors.records()
    assert (slow.body, slow.severity, slow.record_id) == ("slow", 13, "log-1")
    assert (slow.service, slow.environment, slow.source) == ("project-3", "production", "vercel")
    assert slow.timestamp_us == 1_767_614_399_123_000
    assert slow.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert slow.span_id == "b7ad6b7169203331"
    assert slow.attributes == {
        "http.request.method": "GET",
        "http.request.id": "req-1",
        "http.request.referrer": "https://shop.example/",
        "http.response.status_code": 200,
        "url.scheme": "https",
        "url.domain": "shop.vercel.app",
        "url.path": "/api/cart",
        "url.original": "/api/cart?x=1",
        "user_agent.original": "Mozilla/5.0 X",
        "client.ip": "192.0.2.1",
        "cloud.region": "fra1",
        "vcs.branch": "main",
        "vercel.deploymentId": "dpl_1",
        "vercel.projectId": "prj_1",
        "vercel.source": "lambda",
        "vercel.proxy.vercelCache": "MISS",
    }
    assert (crash.body, crash.severity) == ("POST /crash -1", 17)
    assert (structured.body, structured.severity) == ("from pino", 17)
    assert structured.attributes["cart.id"] == 9


async def test_what_is_not_signed_is_refused(client: httpx.AsyncClient, doors: LogDoors) -> None:
    body = orjson.dumps(ENTRIES)
    for headers in (
        {},
        sign(body + b" "),
        {"x-vercel-signature": "\u00e9"},
        {"x-vercel-signature": sign(body)["x-vercel-signature"][:-1]},
    ):
        encoded = httpx.Headers(headers, encoding="latin-1")
        answer = await client.post(DRAIN, content=body, headers=encoded)
        assert answer.status_code == 403
        assert answer.headers["x-vercel-verify"] == "code-1"
        assert SECRET not in answer.text
    assert not doors.spool.pending


async def test_every_answer_has_the_code(client: httpx.AsyncClient, doors: LogDoors) -> None:
    bad, packed = b'[{"id":"1"}, 5]', {"Content-Encoding": "gzip"}
    answers = [
        (await client.get(DRAIN), 200),
        (await client.head("/api/3/drain/vercel"), 200),
        (await client.post(DRAIN, content=bad, headers=sign(bad)), 400),
        (await client.post(DRAIN, content=b"5", headers=sign(b"5")), 400),
        (await client.post(DRAIN, content=b"", headers=sign(b"")), 200),
        (await client.post(DRAIN, content=b"x", headers=packed), 415),
        (await client.post(DRAIN, content=b"x" * (LIMIT + 1)), 413),
    ]
    doors.disk.is_full = True
    answers.append((await client.post(DRAIN, content=b"{}", headers=sign(b"{}")), 503))
    for answer, status in answers:
        assert answer.status_code == status
        assert answer.headers["x-vercel-verify"] == "code-1"


@pytest.mark.parametrize("project", ["shop", "gone", "4", "9" * 30, "\u0664"])
async def test_a_project_without_a_drain_has_none(client: httpx.AsyncClient, project: str) -> None:
    assert (await client.get(f"/api/{project}/drain/vercel")).status_code == 404
    assert (await client.post(f"/api/{project}/drain/vercel", content=b"")).status_code == 404
