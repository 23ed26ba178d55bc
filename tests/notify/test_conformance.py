"""What every integration must do; a new one is tested by being in the registry."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notification import Notice
from resumatch_monitor.notify.notifier import Attempt, Integration, NotifyError
from resumatch_monitor.notify.registry import REGISTRY, build_integrations
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import (
    PASSWORD,
    HttpCatcher,
    MailCatcher,
    catch_http,
    catch_mail,
    json_answer,
    make_context,
    make_notification,
)

pytestmark = pytest.mark.anyio

TOKEN = "xoxb-7Zk2_very+secret/token"
PATH_TOKEN = "B0GUSSECRET99"
ROUTING_KEY = "R0utingKeyR0utingKeyR0utingKey32"
ACCEPTED = {"status": "success", "message": "Event processed", "dedup_key": "d"}
ATTEMPT = Attempt("key-1")


@dataclass(frozen=True)
class Bench:
    """An integration and the server that it talks to.

    Attributes:
        fail: Makes the server answer the next message so.
        threads: What tells the messages of a group, in order of arrival.
    """

    integration: Integration
    fail: Callable[[int], None]
    threads: Callable[[], list[str]]
    count: Callable[[], int]


def build(receiver: dict[str, Any], transport: httpx.AsyncBaseTransport | None = None) -> Any:
    config = ReceiverConfig.model_validate({"name": "team", **receiver})
    (integration,) = build_integrations([config], make_context(transport))
    return integration


def fail_http(
    catcher: HttpCatcher, token: str = "", path: str = f"/services/{PATH_TOKEN}"
) -> Callable[[int], None]:
    def fail(status: int) -> None:
        echo = f"no such hook {catcher.url}{path} {token}".encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(echo)}\r\n\r\n"
        catcher.answers = [head.encode() + echo]

    return fail


def fail_mail(catcher: MailCatcher) -> Callable[[int], None]:
    def fail(status: int) -> None:
        plain = base64.b64encode(f"\0monitor\0{PASSWORD}".encode()).decode()
        catcher.data_answer = f"{status} not with {PASSWORD} or {plain}"

    return fail


@asynccontextmanager
async def bench_slack() -> AsyncGenerator[Bench]:
    async with catch_http() as catcher:
        yield Bench(
            build({"slack": [{"webhook_url": f"{catcher.url}/services/{PATH_TOKEN}"}]}),
            fail_http(catcher),
            lambda: [
                each.json["attachments"][0]["blocks"][0]["block_id"] for each in catcher.requests
            ],
            lambda: len(catcher.requests),
        )


@asynccontextmanager
async def bench_webhook() -> AsyncGenerator[Bench]:
    async with catch_http() as catcher:
        hook = {"url": f"{catcher.url}/services/{PATH_TOKEN}?k={TOKEN}", "bearer_token": TOKEN}
        yield Bench(
            build({"webhook": [hook]}),
            fail_http(catcher, TOKEN),
            lambda: [each.json["groupKey"] for each in catcher.requests],
            lambda: len(catcher.requests),
        )


@asynccontextmanager
async def bench_email() -> AsyncGenerator[Bench]:
    async with catch_mail(auth=True) as catcher:
        mail = {
            "to": ["alice@example.org"],
            "from": "monitor@example.org",
            "host": "127.0.0.1",
            "port": catcher.port,
            "tls": "none",
            "username": "monitor",
            "password": PASSWORD,
        }
        yield Bench(
            build({"email": [mail]}),
            fail_mail(catcher),
            lambda: [each["X-Alert-Group"] for each in catcher.messages],
            lambda: len(catcher.messages),
        )


@asynccontextmanager
async def bench_pagerduty() -> AsyncGenerator[Bench]:
    async with catch_http() as catcher:
        catcher.default = json_answer(202, ACCEPTED)
        yield Bench(
            build({"pagerduty": [{"routing_key": ROUTING_KEY, "url": catcher.url}]}),
            fail_http(catcher, ROUTING_KEY, "/v2/enqueue"),
            lambda: [each.json["dedup_key"] for each in catcher.requests],
            lambda: len(catcher.requests),
        )


@asynccontextmanager
async def bench_apprise() -> AsyncGenerator[Bench]:
    async with catch_http() as catcher:
        url = catcher.url.replace("http", "json", 1)
        yield Bench(
            build({"apprise": [{"url": f"{url}/services/{PATH_TOKEN}?method=POST"}]}),
            fail_http(catcher, TOKEN),
            lambda: ["no threads" for _ in catcher.requests],
            lambda: len(catcher.requests),
        )


BENCHES: dict[str, Callable[[], AbstractAsyncContextManager[Bench]]] = {
    "apprise": bench_apprise,
    "email": bench_email,
    "pagerduty": bench_pagerduty,
    "slack": bench_slack,
    "webhook": bench_webhook,
}
HTTP_KINDS = [kind for kind in REGISTRY if kind not in ("apprise", "email")]
"""Those whose transport can be replaced."""

every_kind = pytest.mark.parametrize("kind", list(REGISTRY))


def is_worth_retrying(kind: str, status: int) -> bool:
    if kind == "email":
        return status < 500
    return status >= 500 or status in (408, 425, 429)


@every_kind
async def test_accepts_every_kind_of_notification(kind: str) -> None:
    firing = make_alert()
    resolved = resolve(firing, START + timedelta(minutes=1))
    event = make_alert("NewIssue", is_event=True)
    bare = Alert(labels=firing.labels, annotations={}, starts_at=START, source=firing.source)

    async with BENCHES[kind]() as bench:
        for alerts in ([firing], [firing, resolved], [resolved], [event], [bare], [firing] * 200):
            await bench.integration.notifier.notify(make_notification(*alerts), ATTEMPT)

        notice = replace(
            make_notification(),
            alerts=(),
            firing_count=0,
            notice=Notice("Daily digest", "All well."),
        )
        await bench.integration.notifier.notify(notice, ATTEMPT)

        assert bench.count() == 7


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(
            (kind, status)
            for kind in (*HTTP_KINDS, "apprise")
            for status in (400, 404, 408, 413, 429, 500)
        ),
        *(("email", code) for code in (421, 450, 452, 550, 554)),
    ],
)
async def test_says_whether_it_is_worth_another_try_and_no_secret(
    kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with BENCHES[kind]() as bench:
            bench.fail(status)
            with pytest.raises(NotifyError) as caught:
                await bench.integration.notifier.notify(make_notification(), ATTEMPT)

    assert caught.value.retryable == is_worth_retrying(kind, status)
    assert_no_secret(caught.value.message)
    assert_no_secret(str(caught.value.__cause__))
    assert_no_secret(our_log(caplog))
    assert_no_secret(bench.integration.notifier.destination)


@every_kind
async def test_a_trigger_and_its_resolve_can_be_told_to_belong_together(kind: str) -> None:
    resolved = resolve(make_alert(), START + timedelta(minutes=1))

    async with BENCHES[kind]() as bench:
        notifier = bench.integration.notifier
        await notifier.notify(make_notification(make_alert()), ATTEMPT)
        await notifier.notify(make_notification(resolved, id="n2"), Attempt("key-2"))
        first, second = bench.threads()

    assert first == second


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_every_http_status_means_something(kind: str) -> None:
    statuses = iter(range(200, 600))
    notifier = build_http(
        kind,
        httpx.MockTransport(
            lambda _request: httpx.Response(
                next(statuses),
                headers={"Retry-After": "7", "Location": "http://127.0.0.1/"},
                json=ACCEPTED,
            )
        ),
    ).notifier

    for _ in range(200, 300):
        await notifier.notify(make_notification(), ATTEMPT)
    for status in range(300, 600):
        with pytest.raises(NotifyError, match=f"answered {status}") as caught:
            await notifier.notify(make_notification(), ATTEMPT)
        assert caught.value.retryable == is_worth_retrying(kind, status)
        assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (httpx.ReadTimeout(TOKEN), True),
        (httpx.ConnectTimeout(TOKEN), True),
        (httpx.PoolTimeout(TOKEN), True),
        (httpx.ConnectError(TOKEN), True),
        (httpx.RemoteProtocolError(TOKEN), True),
        (httpx.UnsupportedProtocol(TOKEN), False),
    ],
)
async def test_a_network_in_trouble_is_worth_another_try(
    kind: str, error: Exception, retryable: bool
) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(NotifyError) as caught:
        await build_http(kind, httpx.MockTransport(fail)).notifier.notify(
            make_notification(), ATTEMPT
        )

    assert caught.value.retryable == retryable
    if kind == "webhook":
        assert_no_secret(caught.value.message)


@every_kind
async def test_a_server_that_never_answers_is_a_time_out(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    hanging: list[asyncio.Task[None] | None] = []

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hanging.append(asyncio.current_task())
        await never.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    monkeypatch.setattr("resumatch_monitor.notify.http._TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr("resumatch_monitor.notify.email.notifier._TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr("resumatch_monitor.notify.apprise.notifier._TIMEOUT_SECONDS", 0.5)
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}/x"
    mail = {"to": ["a@b"], "from": "c@d", "host": "127.0.0.1", "port": port, "tls": "none"}
    receivers: dict[str, dict[str, Any]] = {
        "slack": {"slack": [{"webhook_url": url}]},
        "webhook": {"webhook": [{"url": url}]},
        "email": {"email": [mail]},
        "pagerduty": {"pagerduty": [{"routing_key": ROUTING_KEY, "url": url}]},
        "apprise": {"apprise": [{"url": f"json://127.0.0.1:{port}/x"}]},
    }

    with pytest.raises(NotifyError) as caught:
        await build(receivers[kind]).notifier.notify(make_notification(), ATTEMPT)
    never.set()
    server.close()
    await asyncio.gather(*filter(None, hanging))

    assert caught.value.retryable
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_metadata_addresses_are_refused_for_good(kind: str) -> None:
    with pytest.raises(NotifyError, match="may not reach") as caught:
        await build_http(kind, None, "http://169.254.169.254/latest").notifier.notify(
            make_notification(), ATTEMPT
        )

    assert not caught.value.retryable


def build_http(
    kind: str,
    transport: httpx.AsyncBaseTransport | None,
    url: str = f"https://hooks.example.org/services/{PATH_TOKEN}",
) -> Integration:
    if kind == "slack":
        return build({"slack": [{"webhook_url": url}]}, transport)
    if kind == "pagerduty":
        return build({"pagerduty": [{"routing_key": ROUTING_KEY, "url": url}]}, transport)
    return build({"webhook": [{"url": url, "bearer_token": TOKEN}]}, transport)


@pytest.mark.parametrize("kind", HTTP_KINDS)
async def test_a_redirect_to_a_metadata_address_is_not_followed(kind: str) -> None:
    async with catch_http() as catcher:
        catcher.answers = [
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/latest\r\n"
            b"Content-Length: 0\r\n\r\n"
        ]
        notifier = build_http(kind, None, f"{catcher.url}/x").notifier
        with pytest.raises(NotifyError, match="answered 307") as caught:
            await notifier.notify(make_notification(), ATTEMPT)

    assert not caught.value.retryable
    assert len(catcher.requests) == 1


NONSENSE = {
    "a web page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    b"Content-Length: 14\r\n\r\n<h1>Hello</h1>",
    "bytes": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x01",
    "an endless body": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 100_000,
    "a body cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
    "other JSON": b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n["no", "sense"]',
}


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("nonsense", list(NONSENSE))
async def test_200_with_nonsense_is_a_receipt_or_a_clear_failure(kind: str, nonsense: str) -> None:
    async with catch_http() as catcher:
        catcher.answers = [NONSENSE[nonsense]]
        notifier = build_http(kind, None, f"{catcher.url}/x").notifier
        if kind == "pagerduty" or (kind == "slack" and nonsense == "a web page"):
            with pytest.raises(NotifyError, match="the destination answered"):
                await notifier.notify(make_notification(), ATTEMPT)
        else:
            receipt = await notifier.notify(make_notification(), ATTEMPT)
            assert receipt.detail.startswith("200")
            assert len(receipt.detail) < 5000


async def test_a_mail_server_that_talks_nonsense_is_worth_another_try() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe<html>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        mail = {"to": ["a@b"], "from": "c@d", "host": "127.0.0.1", "port": port, "tls": "none"}
        with pytest.raises(NotifyError) as caught:
            await build({"email": [mail]}).notifier.notify(make_notification(), ATTEMPT)

    assert caught.value.retryable


def our_log(caplog: pytest.LogCaptureFixture) -> str:
    """Return what the process logged, without the lines of the server that plays the other side."""
    return "\n".join(
        f"{record.getMessage()} {record.exc_info}"
        for record in caplog.records
        if not record.name.startswith("mail.log")
    )


def assert_no_secret(text: str) -> None:
    plain = base64.b64encode(f"\0monitor\0{PASSWORD}".encode()).decode()
    for secret in (PASSWORD, plain, TOKEN, PATH_TOKEN, ROUTING_KEY):
        assert secret not in text


def test_every_integration_has_a_bench() -> None:
    assert set(BENCHES) == set(REGISTRY)
