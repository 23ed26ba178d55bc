"""Who and what is let in: reports, tunnels, check-ins, quotas, filters, and what is counted."""

import zlib
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import brotli
import orjson
import pytest
import zstandard

from resumatch_monitor.errortracking.issues import Issue, IssueQuery
from resumatch_monitor.kit.spool import FullReason, SpoolFullError
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    ENVELOPE_URL,
    KEY,
    ErrorStack,
    build_stack,
    make_envelope,
    make_event,
)

pytestmark = pytest.mark.anyio

_OTHER_KEY = "d" * 32
_DISABLED_KEY = "e" * 32
_PROJECT = ProjectConfig.model_validate(
    {
        "id": 1,
        "slug": "shop",
        "key": KEY,
        "keys": [
            {"key": _OTHER_KEY, "name": "Browser", "rate_limit": {"limit": 2, "window": "1m"}},
            {"key": _DISABLED_KEY, "enabled": False},
        ],
        "quotas": [{"category": "error", "limit": 6, "window": "1h"}],
        "filters": {"messages": ["*nobody cares*"]},
    }
)
_CSP = {
    "csp-report": {
        "document-uri": "https://shop.example/cart",
        "effective-directive": "img-src",
        "blocked-uri": "https://evil.example/x.png",
    }
}


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock, project=_PROJECT) as stack:
        yield stack


async def list_issues(stack: ErrorStack, clock: FakeClock) -> list[Issue]:
    await stack.drain()
    return list((await stack.reader.list_issues(IssueQuery(limit=100), clock.now())).items)


async def count_outcomes(stack: ErrorStack, clock: FakeClock) -> dict[tuple[str, str, str], int]:
    await stack.outcomes.flush()
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    found = await stack.outcome_store.read_project(1, hour, hour + timedelta(hours=1))
    return {(each.category, each.outcome, each.reason): each.quantity for each in found}


class NoRoom:
    """A spool that is full."""

    async def append(self, payload: bytes) -> None:
        raise SpoolFullError(FullReason.BYTES, f"no room for {len(payload)} bytes")


async def test_traces_that_wait_keep_nobody_from_sending_errors(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    transaction = orjson.dumps({"type": "transaction", "event_id": "a" * 32})
    header = orjson.dumps({"type": "transaction", "length": len(transaction)})
    envelope = make_envelope(make_event()) + b"\n" + header + b"\n" + transaction + b"\n"
    async with build_stack(
        tmp_path, database=database, clock=clock, traces_spool=NoRoom()
    ) as stack:
        answer = await stack.client.post(ENVELOPE_URL, content=envelope)
        assert answer.status_code == 200
        assert answer.headers["X-Sentry-Rate-Limits"] == "60:transaction;span:organization"
        assert len(await list_issues(stack, clock)) == 1


@pytest.mark.parametrize("path", ["/api/1/security/", "/api/1/security"])
async def test_reports_of_browsers_become_one_issue(
    stack: ErrorStack, clock: FakeClock, path: str
) -> None:
    url = f"{path}?sentry_key={KEY}&sentry_environment=staging"
    by_list = [
        {
            "type": "csp-violation",
            "url": "https://shop.example/other",
            "body": {"effectiveDirective": "img-src", "blockedURL": "https://evil.example/y.png"},
        }
    ]

    answers = [
        await stack.client.post(url, json=_CSP, headers={"Content-Type": "application/csp-report"}),
        await stack.client.post(
            url, json=by_list, headers={"Content-Type": "application/reports+json"}
        ),
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    (issue,) = await list_issues(stack, clock)
    assert (issue.type, issue.value) == ("csp", "Blocked 'img' from 'evil.example'")
    assert issue.event_count == 2
    assert (await count_outcomes(stack, clock)) == {("security", "accepted", ""): 2}


async def test_a_report_that_is_none_is_refused_with_cors(stack: ErrorStack) -> None:
    answer = await stack.client.post(f"/api/1/security/?sentry_key={KEY}", content=b"{}")

    assert answer.status_code == 400
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", ["/tunnel", "/tunnel/"])
async def test_a_tunnelled_envelope_says_whose_it_is(
    stack: ErrorStack, clock: FakeClock, path: str
) -> None:
    def tunnel(dsn: str | None) -> bytes:
        headers: dict[str, Any] = {} if dsn is None else {"dsn": dsn}
        return make_envelope(make_event(), **headers)

    good = await stack.client.post(path, content=tunnel(f"https://{KEY}@any.example:1/1"))
    bad = [
        await stack.client.post(path, content=tunnel(dsn))
        for dsn in (None, "", f"https://{KEY}@x/2", f"https://{'f' * 32}@x/1", "https://[::1/1")
    ]

    assert good.json() == {"id": f"{1:032x}"}
    assert [answer.status_code for answer in bad] == [403, 403, 404, 403, 403]
    assert all(answer.headers["Access-Control-Allow-Origin"] == "*" for answer in bad)
    assert len(await list_issues(stack, clock)) == 1


async def test_every_credential_that_is_sent_has_to_be_right(stack: ErrorStack) -> None:
    async def send(dsn: str) -> int:
        content = make_envelope(make_event(), dsn=dsn)
        return (await stack.client.post(ENVELOPE_URL, content=content)).status_code

    assert await send(f"https://{KEY}@x/1") == 200
    assert await send(f"https://{_OTHER_KEY}@x/1") == 200
    assert await send(f"https://{'f' * 32}@x/1") == 403
    assert await send(f"https://{KEY}@x/2") == 403


async def test_a_disabled_key_lets_nobody_in(stack: ErrorStack, clock: FakeClock) -> None:
    answer = await stack.client.post(
        f"/api/1/envelope/?sentry_key={_DISABLED_KEY}", content=make_envelope(make_event())
    )

    assert (answer.status_code, answer.json()["causes"]) == (403, ["disabled_key"])
    assert _DISABLED_KEY not in answer.text
    assert await count_outcomes(stack, clock) == {("default", "invalid", "disabled_key"): 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_check_in_without_an_sdk_is_taken(
    stack: ErrorStack, clock: FakeClock, method: str
) -> None:
    good = await stack.client.request(
        method, f"/api/1/cron/nightly/{KEY}/?status=in_progress&duration=1.5"
    )
    bad = [
        await stack.client.request(method, f"/api/1/cron/nightly/{KEY}/{query}")
        for query in ("", "?status=great", "?status=ok&duration=long")
    ]
    stranger = await stack.client.request(method, f"/api/1/cron/nightly/{'f' * 32}?status=ok")

    assert good.status_code == 200
    assert [answer.status_code for answer in bad] == [400, 400, 400]
    assert stranger.status_code == 403


@pytest.mark.parametrize(
    "path", ["/api/1/minidump/", "/api/1/minidump", f"/api/1/unreal/{KEY}/", "/api/1/playstation/"]
)
async def test_crash_dumps_are_refused_in_words(stack: ErrorStack, path: str) -> None:
    answer = await stack.client.post(path, content=b"MDMP" + bytes(1_000))

    assert answer.status_code == 400
    assert "not taken" in answer.json()["detail"]
    assert answer.headers["X-Sentry-Error"] == "unsupported"


@pytest.mark.parametrize(
    "path",
    ["/api/1/envelope/", "/api/1/store/", "/api/1/security/", "/api/1/security", "/tunnel"],
)
async def test_every_path_answers_a_preflight(stack: ErrorStack, path: str) -> None:
    answer = await stack.client.options(path, headers={"Origin": "https://shop.example"})

    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Type" in answer.headers["Access-Control-Allow-Headers"]


def _pack_gzip(body: bytes) -> bytes:
    return zlib.compress(body, wbits=31)


def _pack_raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-15)


def _pack_zlib(body: bytes) -> bytes:
    return zlib.compress(body)


def _pack_brotli(body: bytes) -> bytes:
    return brotli.compress(body)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _pack_zstd(body: bytes) -> bytes:
    return zstandard.compress(body)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", _pack_gzip),
        ("deflate", _pack_zlib),
        ("deflate", _pack_raw_deflate),
        ("br", _pack_brotli),
        ("zstd", _pack_zstd),
        ("identity", bytes),
    ],
)
async def test_every_way_takes_every_encoding(
    stack: ErrorStack, clock: FakeClock, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    ways = {
        ENVELOPE_URL: make_envelope(make_event(1)),
        f"/api/1/store/?sentry_key={KEY}": orjson.dumps(make_event(2)),
        f"/api/1/security/?sentry_key={KEY}": orjson.dumps(_CSP),
        "/tunnel": make_envelope(make_event(3), dsn=f"http://{KEY}@x/1"),
    }

    async def in_chunks(packed: bytes) -> AsyncGenerator[bytes]:
        for start in range(0, len(packed), 100):
            yield packed[start : start + 100]

    answers = [
        await stack.client.post(url, content=content, headers={"Content-Encoding": coding})
        for url, body in ways.items()
        for content in (pack(body), in_chunks(pack(body)))
    ]

    assert [answer.status_code for answer in answers] == [200] * 8
    issues = await list_issues(stack, clock)
    # Each of the events came twice, each report is one of its own.
    assert sorted(issue.event_count for issue in issues) == [2, 3]


async def test_beyond_a_quota_the_sdk_is_told_and_nothing_else_suffers(
    stack: ErrorStack, clock: FakeClock
) -> None:
    answers = [
        await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(number)))
        for number in range(1, 10)
    ]
    report = await stack.client.post(f"/api/1/security/?sentry_key={KEY}", json=_CSP)

    assert {answer.status_code for answer in answers} == {200}
    assert all("Retry-After" not in answer.headers for answer in answers)
    limits = [answer.headers.get("X-Sentry-Rate-Limits") for answer in answers]
    assert limits[:6] == [None] * 6
    assert set(limits[6:]) == {"60:error:project:quota"}
    assert report.headers["X-Sentry-Rate-Limits"] == "60:error:project:quota"
    assert await count_outcomes(stack, clock) == {
        ("error", "accepted", ""): 6,
        ("error", "rate_limited", "quota"): 3,
        ("security", "accepted", ""): 1,
    }
    clock.jump_monotonic(3600)
    again = await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(99)))
    assert "X-Sentry-Rate-Limits" not in again.headers


async def test_a_key_may_have_a_rate_limit(stack: ErrorStack) -> None:
    url = f"/api/1/envelope/?sentry_key={_OTHER_KEY}"
    answers = [
        await stack.client.post(url, content=make_envelope(make_event(number)))
        for number in (1, 2, 3)
    ]
    other = await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(4)))

    limits = [answer.headers.get("X-Sentry-Rate-Limits") for answer in answers]
    assert limits == [None, None, "60:error:key:key_quota"]
    assert "X-Sentry-Rate-Limits" not in other.headers


async def test_what_is_filtered_is_acknowledged_and_counted(
    stack: ErrorStack, clock: FakeClock
) -> None:
    event: dict[str, Any] = make_event(1, message="nobody cares about this")

    answer = await stack.client.post(ENVELOPE_URL, content=make_envelope(event))

    assert answer.json() == {"id": f"{1:032x}"}
    assert await list_issues(stack, clock) == []
    assert await count_outcomes(stack, clock) == {("error", "filtered", "error-message"): 1}


async def test_what_is_refused_is_counted(stack: ErrorStack, clock: FakeClock) -> None:
    large = make_envelope(make_event(1, extra={"x": "y" * 2_000_000}))
    report = (
        b'{}\n{"type":"client_report"}\n{"discarded_events":'
        b'[{"quantity":7,"category":"transaction","reason":"sample_rate"}]}\n'
    )
    for content in (b"nonsense", large, make_envelope(make_event())[:-50], report):
        await stack.client.post(ENVELOPE_URL, content=content)
    await stack.client.post(ENVELOPE_URL, content=b"\x00", headers={"Content-Encoding": "gzip"})

    assert await count_outcomes(stack, clock) == {
        ("default", "invalid", "malformed"): 2,
        ("default", "invalid", "malformed_body"): 1,
        ("error", "invalid", "too_large"): 1,
        ("transaction", "client_discard", "sample_rate"): 7,
    }
