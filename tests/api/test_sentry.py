import asyncio
import gzip
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.spool.state import SpoolLimits
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    ENVELOPE_URL,
    KEY,
    ErrorStack,
    bearer,
    build_stack,
    make_envelope,
    make_event,
)

pytestmark = pytest.mark.anyio

_CLIENT = Path(__file__).with_name("sentry_client.py")


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        yield stack


async def count_events(stack: ErrorStack) -> int:
    await stack.drain()
    page = await stack.reader.list_issues(IssueQuery(limit=200), SystemClock().now())
    return sum(issue.event_count for issue in page.items)


@pytest.mark.parametrize("path", ["/api/1/envelope/", "/api/1/envelope"])
@pytest.mark.parametrize("has_length", [True, False])
async def test_takes_an_envelope_with_each_kind_of_authentication(
    stack: ErrorStack, path: str, has_length: bool
) -> None:
    header = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7"}
    plain = make_envelope(make_event(1), has_length=has_length)
    with_dsn = make_envelope(
        make_event(3), has_length=has_length, dsn=f"http://{KEY}@any.example:9000/1"
    )

    answers = [
        await stack.client.post(path, content=plain, headers=header),
        await stack.client.post(
            path, content=make_envelope(make_event(2)), params={"sentry_key": KEY}
        ),
        await stack.client.post(path, content=with_dsn),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["id"] for answer in answers] == [f"{n:032x}" for n in (1, 2, 3)]
    assert await count_events(stack) == 3


@pytest.mark.parametrize("path", ["/api/1/store/", "/api/1/store"])
async def test_takes_a_single_event(stack: ErrorStack, path: str) -> None:
    content = gzip.compress(orjson.dumps(make_event(7)))

    answer = await stack.client.post(
        f"{path}?sentry_key={KEY}", content=content, headers={"Content-Encoding": "gzip"}
    )

    assert answer.json() == {"id": f"{7:032x}"}
    assert await count_events(stack) == 1


@pytest.mark.parametrize(
    ("url", "status", "reason"),
    [
        ("/api/1/envelope/", 403, "wrong_key"),
        (f"/api/1/envelope/?sentry_key={'f' * 32}", 403, "wrong_key"),
        (f"/api/99/envelope/?sentry_key={KEY}", 404, "unknown_project"),
        (f"/api/nonsense/envelope/?sentry_key={KEY}", 404, "unknown_project"),
        (f"/api/{10**30}/store/?sentry_key={KEY}", 404, "unknown_project"),
        ("/api/1/store/", 403, "wrong_key"),
    ],
)
async def test_refuses_a_wrong_dsn_readably_for_browsers(
    stack: ErrorStack, url: str, status: int, reason: str
) -> None:
    answer = await stack.client.post(url, content=make_envelope(make_event()))

    assert answer.status_code == status
    assert answer.json()["causes"] == [reason]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Sentry-Rate-Limits" in answer.headers["Access-Control-Expose-Headers"]
    assert KEY not in answer.text


async def test_refuses_an_envelope_whose_dsn_is_for_another_project(stack: ErrorStack) -> None:
    content = make_envelope(make_event(), dsn=f"http://{KEY}@host/2")

    assert (await stack.client.post("/api/1/envelope/", content=content)).status_code == 403


async def test_answers_a_preflight(stack: ErrorStack) -> None:
    answer = await stack.client.options(
        "/api/1/envelope/",
        headers={"Origin": "https://app", "Access-Control-Request-Method": "POST"},
    )

    assert answer.status_code == 204
    assert "X-Sentry-Auth" in answer.headers["Access-Control-Allow-Headers"]


async def test_refuses_half_an_event_and_keeps_what_is_whole(stack: ErrorStack) -> None:
    whole = make_envelope(make_event(1))
    half = whole[: len(whole) // 2]
    two = make_envelope(make_event(1), make_event(2))

    refused = await stack.client.post(ENVELOPE_URL, content=half)
    kept = await stack.client.post(ENVELOPE_URL, content=two[:-100])

    assert refused.status_code == 400
    assert "cut off" in refused.json()["detail"]
    assert kept.status_code == 200
    assert await count_events(stack) == 1
    assert (
        stack.sample("resumatch_monitor_ingest_rejected_total", signal="errors", reason="cut_off")
        == 1
    )


async def test_refuses_events_and_envelopes_that_are_too_large(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    bodies = BodyReader(max_bytes=20 * 1024 * 1024)
    async with build_stack(tmp_path, database=database, clock=clock, bodies=bodies) as stack:
        await refuse_what_is_too_large(stack)


async def refuse_what_is_too_large(stack: ErrorStack) -> None:
    event = make_envelope(make_event(1, extra={"x": "y" * 10_000_000}))
    envelope = b"{}\n" + bytes(21 * 1024 * 1024)

    answers = [
        await stack.client.post(ENVELOPE_URL, content=event),
        await stack.client.post(ENVELOPE_URL, content=envelope),
        await stack.client.post(
            ENVELOPE_URL, content=gzip.compress(envelope), headers={"Content-Encoding": "gzip"}
        ),
    ]

    assert [answer.status_code for answer in answers] == [413, 413, 413]
    assert all("Access-Control-Allow-Origin" in answer.headers for answer in answers)


async def test_takes_other_items_without_storing_them(stack: ErrorStack) -> None:
    content = b'{}\n{"type":"session"}\n{"sid":"1"}\n{"type":"brand_new"}\n{}\n'
    report = (
        b'{}\n{"type":"client_report"}\n{"discarded_events":[{"quantity":5,"category":"error",'
        b'"reason":"queue_overflow"},{"quantity":1,"reason":"because"}]}\n'
    )

    first = await stack.client.post(ENVELOPE_URL, content=content)
    second = await stack.client.post(ENVELOPE_URL, content=report)

    assert (first.status_code, first.json(), second.status_code) == (200, {}, 200)
    name = "resumatch_monitor_errors_items_total"
    assert stack.sample(name, type="session", outcome="not_stored") == 1
    assert stack.sample(name, type="other", outcome="not_stored") == 1
    name = "resumatch_monitor_errors_sdk_discarded_total"
    assert stack.sample(name, category="error", reason="queue_overflow") == 5
    assert stack.sample(name, category="default", reason="other") == 1


async def test_sheds_by_rate_limit_when_the_spool_is_full(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    limits = SpoolLimits(max_bytes=100)
    async with build_stack(tmp_path, database=database, clock=clock, limits=limits) as stack:
        answer = await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event()))

        assert answer.status_code == 200
        assert answer.headers["X-Sentry-Rate-Limits"] == "60::organization"
        assert "id" not in answer.json()
        name = "resumatch_monitor_ingest_rejected_total"
        assert stack.sample(name, signal="errors", reason="spool_full") == 1


async def test_sheds_when_the_disk_runs_low(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    limits = SpoolLimits(max_bytes=1_000_000, min_free_bytes=1_000_000)
    async with build_stack(
        tmp_path, database=database, clock=clock, limits=limits, free_bytes=lambda _: 999_999
    ) as stack:
        answer = await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event()))

        assert answer.headers["X-Sentry-Error"] == "disk_full"
        assert stack.spool.pending == 0


def spoil(cut: int, old: int, new: int) -> bytes:
    return make_envelope(make_event(5))[:cut].replace(bytes([old]), bytes([new]))


@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.builds(spoil, st.integers(0, 900), st.integers(0, 255), st.integers(0, 255)),
    ),
    coding=st.sampled_from(["", "gzip", "br", "deflate", "zstd"]),
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_garbage_is_never_an_error_of_ours(
    stack: ErrorStack, content: bytes, coding: str
) -> None:
    answer = await stack.client.post(
        ENVELOPE_URL, content=content, headers={"Content-Encoding": coding}
    )
    await stack.drain()

    assert answer.status_code in (200, 400, 413)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
event_keys = st.sampled_from(
    [
        "exception",
        "message",
        "logentry",
        "tags",
        "user",
        "request",
        "breadcrumbs",
        "contexts",
        "extra",
        "timestamp",
        "level",
        "platform",
        "release",
        "fingerprint",
        "threads",
        "sdk",
        "stacktrace",
        "transaction",
        "event_id",
    ]
)


@given(event=st.dictionaries(event_keys, json_values, max_size=8))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_an_event_of_any_shape_is_stored_and_shown(
    stack: ErrorStack, event: dict[str, Any]
) -> None:
    event = {"marker": 1, **event}

    answer = await stack.client.post(ENVELOPE_URL, content=make_envelope(event))

    assert answer.status_code in (200, 400)
    await stack.drain()
    assert await stack.store.count_dead_letters() == 0
    if answer.status_code == 200:
        page = await stack.reader.list_issues(IssueQuery(limit=1), SystemClock().now())
        shown = await stack.client.get(
            f"/api/monitor/issues/{page.items[0].id}/events/latest", headers=bearer()
        )
        assert shown.status_code == 200


@asynccontextmanager
async def running(app: FastAPI) -> AsyncGenerator[int]:
    """Serve `app` on a port of the system's choice, in a thread."""
    # It listens before the server runs, so nobody needs to wait for it.
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join)


def run_client(dsn: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_CLIENT), dsn, "Worked as a carpenter in many towns. " * 12]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_a_real_sdk_sees_its_exception_as_an_issue(
    tmp_path: Path, database: Database
) -> None:
    async with (
        build_stack(tmp_path, database=database, clock=SystemClock()) as stack,
        running(stack.app) as port,
    ):
        outcome = await asyncio.to_thread(run_client, f"http://{KEY}@127.0.0.1:{port}/1")
        assert outcome.returncode == 0, outcome.stderr
        await stack.drain()
        listed = (await stack.client.get("/api/monitor/issues", headers=bearer())).json()
        url = f"/api/monitor/issues/{listed['items'][0]['id']}/events/latest"
        event = (await stack.client.get(url, headers=bearer())).json()

    issue = listed["items"][0]
    assert (issue["type"], issue["value"]) == ("RuntimeError", "analysis failed")
    assert issue["last_release"] == "resumatch@4.5.6"
    assert issue["culprit"].endswith("in analyse")
    assert event["environment"] == "staging"
    assert event["user"]["id"] == "user-17"
    assert [each["type"] for each in event["exceptions"]] == ["RuntimeError", "KeyError"]
    crash = event["exceptions"][1]["frames"][0]
    assert crash["function"] == "score"
    assert crash["vars"]["skill"] == "'python'"
    assert crash["vars"]["password"] == "[Filtered]"
    assert "Worked as a carpenter" not in str(event)
    assert crash["vars"]["card"] == "'card [card number] of [email]'"
    assert "ada@example.org" not in str(event)
    assert event["breadcrumbs"][-1]["message"] == "about to analyse"
    assert event["sdk"]["name"].startswith("sentry.python")


async def test_a_real_sdk_survives_a_wrong_dsn(tmp_path: Path, database: Database) -> None:
    async with (
        build_stack(tmp_path, database=database, clock=SystemClock()) as stack,
        running(stack.app) as port,
    ):
        outcome = await asyncio.to_thread(run_client, f"http://{'0' * 32}@127.0.0.1:{port}/1")

        assert outcome.returncode == 0
        assert stack.spool.pending == 0
