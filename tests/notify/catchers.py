"""Real servers on loopback that take messages, and contexts for notifiers."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import httpx
import orjson
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.notification import Notification, split_alerts
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert
from tests.support.clock import FakeClock

PASSWORD = "correct-horse-battery-staple"


def make_context(transport: httpx.AsyncBaseTransport | None = None) -> NotifierContext:
    return NotifierContext(
        # Nothing here speaks TLS over HTTP, and reading the machine's authorities takes long.
        client=build_client(transport=transport, verify=False),
        clock=FakeClock(),
        links=Links("https://monitor.example.org/"),
    )


def make_notification(*alerts: Alert, **over: Any) -> Notification:
    listed, firing_count, resolved_count = split_alerts(alerts or [make_alert()])
    fields: dict[str, Any] = {
        "id": "n1",
        "thread_id": "n1",
        "receiver": "team",
        "group_key": '{}:{alertname="DatabaseConnectionFailed"}',
        "group_labels": Labels.of(alertname="DatabaseConnectionFailed"),
        "alerts": listed,
        "firing_count": firing_count,
        "resolved_count": resolved_count,
        "created_at": START + timedelta(minutes=3),
    }
    return Notification(**{**fields, **over})


@dataclass
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class HttpCatcher:
    """Answers each request with the next of `answers`, or the default."""

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    answers: list[bytes] = field(default_factory=list[bytes])
    default: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Request(first.split()[1], headers, body))
        self.heard.set()
        writer.write(self.answers.pop(0) if self.answers else self.default)
        await writer.drain()
        writer.close()


def json_answer(status: int, body: object) -> bytes:
    text = orjson.dumps(body)
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}"
    return f"{head}\r\n\r\n".encode() + text


@asynccontextmanager
async def catch_http() -> AsyncGenerator[HttpCatcher]:
    catcher = HttpCatcher()
    server = await asyncio.start_server(catcher.handle, "127.0.0.1", 0)
    async with server:
        catcher.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield catcher


@dataclass
class MailCatcher:
    """A mail server; `refusals` are answers by recipient, `data_answer` is the one to DATA."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list[Envelope])
    refusals: dict[str, str] = field(default_factory=dict[str, str])
    data_answer: str = "250 queued as 42"
    logins: list[bytes] = field(default_factory=list[bytes])

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.data_answer.startswith("2"):
            self.envelopes.append(envelope)
        return self.data_answer

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
    ) -> AuthResult:
        self.logins.append(data.password)
        # handled=False: otherwise aiosmtpd expects that an answer was sent, and the client waits.
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    @property
    def messages(self) -> list[EmailMessage]:
        return [
            message_from_bytes(cast("bytes", each.content), policy=policy.default)
            for each in self.envelopes
        ]


@asynccontextmanager
async def catch_mail(
    *, tls: ssl.SSLContext | None = None, auth: bool = False
) -> AsyncGenerator[MailCatcher]:
    catcher = MailCatcher()
    loop = asyncio.get_running_loop()
    factory: Callable[[], SMTP] = lambda: SMTP(  # noqa: E731
        catcher,
        loop=loop,
        hostname="mail.test",
        tls_context=tls,
        authenticator=catcher.authenticate if auth else None,
        auth_require_tls=False,
        enable_SMTPUTF8=True,
    )
    server = await loop.create_server(factory, "127.0.0.1", 0)
    async with server:
        catcher.port = server.sockets[0].getsockname()[1]
        yield catcher
