import asyncio
import gzip
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.probes.config import HTTPProbeConfig
from resumatch_monitor.probes.http import HTTPProbe
from resumatch_monitor.probes.probe import ProbeResult, run_probe
from resumatch_monitor.probes.tools import ProbeTools
from tests.collectors.servers import never_answer, serve

pytestmark = pytest.mark.anyio

CERTIFICATES = Path(__file__).parent / "certificates"

Answer = tuple[int, Mapping[str, str], bytes]


class Site:
    """A web server on loopback that answers by path and remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, dict[str, str]]] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        method, path, _ = line.split(" ")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        self.requests.append((f"{method} {path}", headers))
        status, extra, body = self.answers.get(path, (404, {}, b""))
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in extra.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()


@asynccontextmanager
async def site(answers: Mapping[str, Answer]) -> AsyncGenerator[tuple[Site, str]]:
    server = Site(answers)
    async with serve(server.handle) as port:
        yield server, f"http://127.0.0.1:{port}"


async def probe(url: str, **options: Any) -> ProbeResult:
    options = {"timeout": timedelta(seconds=5), **options}
    config = HTTPProbeConfig(name="web", type="http", url=url, **options)
    tools = ProbeTools(clock=SystemClock())
    return await run_probe(HTTPProbe(config, tools), timeout=config.timeout, clock=tools.clock)


async def test_a_good_answer_is_a_success_with_phases() -> None:
    async with site({"/": (200, {}, b"hello")}) as (server, url):
        result = await probe(url + "/")

    assert result.is_success
    assert result.message == "200 OK"
    assert result.status_code == 200
    assert set(result.phases) == {"resolve", "connect", "processing", "transfer"}
    assert sum(result.phases.values()) <= result.duration_seconds
    assert server.requests[0][1]["user-agent"].startswith("resumatchmonitor/")
    assert "x-monitor-synthetic" not in server.requests[0][1]


async def test_an_error_status_is_a_failure() -> None:
    async with site({"/": (503, {}, b"")}) as (_, url):
        result = await probe(url + "/")

    assert not result.is_success
    assert (result.status_code, result.message) == (503, "503 Service Unavailable")


@pytest.mark.parametrize(("expected", "is_success"), [([404], True), ([200, 204], False)])
async def test_the_expected_status_decides(expected: list[int], is_success: bool) -> None:
    async with site({}) as (_, url):
        result = await probe(url + "/", expected_status=expected)

    assert result.is_success is is_success
    if not is_success:
        assert result.message == "404 Not Found where 200 or 204 was expected"


async def test_the_keyword_must_be_there() -> None:
    async with site({"/": (200, {}, "all is wéll".encode())}) as (_, url):
        found = await probe(url + "/", keyword="wéll")
        missing = await probe(url + "/", keyword="broken")

    assert found.is_success
    assert (missing.is_success, missing.message) == (False, "keyword not found")


async def test_only_the_first_mebibyte_is_read() -> None:
    body = b"x" * (1024 * 1024) + b"needle"
    async with site({"/": (200, {}, body)}) as (_, url):
        plain = await probe(url + "/")
        searched = await probe(url + "/", keyword="needle")

    assert plain.is_success
    assert searched.message == "keyword not found in the first MiB"


async def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    async with site({"/": (200, {"content-encoding": "gzip"}, bomb)}) as (_, url):
        result = await probe(url + "/", keyword="needle")

    assert not result.is_success


async def test_redirects_are_followed_and_secrets_stay_at_home() -> None:
    async with site({"/there": (200, {}, b"")}) as (other, other_url):
        answers = {
            "/": (302, {"location": "/near"}, b""),
            "/near": (307, {"location": other_url + "/there"}, b""),
        }
        async with site(answers) as (server, url):
            result = await probe(
                url.replace("://", "://user:pass@") + "/",
                headers={"X-Key": SecretStr("secret"), "X-Monitor-Synthetic": SecretStr("1")},
            )

    assert result.is_success
    assert [asked for asked, _ in server.requests] == ["GET /", "GET /near"]
    assert all("x-key" in headers for _, headers in server.requests)
    assert all("authorization" in headers for _, headers in server.requests)
    [(_, headers)] = other.requests
    assert not {"x-key", "x-monitor-synthetic", "authorization"} & set(headers)


async def test_a_redirect_may_be_the_expected_answer() -> None:
    async with site({"/": (302, {"location": "/login"}, b"")}) as (_, url):
        kept = await probe(url + "/", follow_redirects=False)
        expected = await probe(url + "/", expected_status=[302])

    assert kept.message == expected.message == "302 Found"
    assert kept.is_success
    assert expected.is_success


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("/", "more than 5 redirects"),
        ("ftp://127.0.0.1/", "redirected to something that is not http or https"),
        ("http://169.254.169.254/latest/meta-data", "may not reach"),
    ],
)
async def test_redirects_have_bounds(location: str, message: str) -> None:
    async with site({"/": (301, {"location": location}, b"")}) as (_, url):
        result = await probe(url + "/")

    assert not result.is_success
    assert message in result.message


async def test_a_header_that_never_ends_is_cut() -> None:
    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(1000):
            writer.write(b"y" * 65_536)
            await writer.drain()

    async with serve(flood) as port:
        result = await probe(f"http://127.0.0.1:{port}/")

    assert result.message == "the answer is not valid HTTP"


@asynccontextmanager
async def tls_site(certificate: str) -> AsyncGenerator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)
    async with serve(Site({"/": (200, {}, b"")}).handle, tls=context) as port:
        yield f"https://localhost:{port}/"


async def test_tells_until_when_a_certificate_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
    async with tls_site("good.pem") as url:
        result = await probe(url)

    assert result.is_success
    assert result.certificate_expires_at == datetime(2120, 1, 1, tzinfo=UTC)
    assert result.phases["tls"] > 0


async def test_an_expired_certificate_is_named_with_its_date(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
    async with tls_site("expired.pem") as url:
        result = await probe(url)
        unverified = await probe(url, verify_tls=False)

    assert result.message == "certificate expired on 2024-02-29"
    assert result.certificate_expires_at == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert unverified.is_success


async def test_an_unknown_authority_and_another_name_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with tls_site("good.pem") as url:
        stranger = await probe(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "authority.pem"))
        misnamed = await probe(url.replace("localhost", "127.0.0.2"))

    assert stranger.message == "certificate's issuer is not trusted"
    assert misnamed.message == "certificate is for another address"


async def test_plain_http_behind_https_is_a_failed_handshake() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serve(answer) as port:
        result = await probe(f"https://127.0.0.1:{port}/")

    assert result.message == "TLS handshake failed"


async def test_a_handshake_that_is_never_answered_times_out_and_is_closed() -> None:
    closed = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never_answer(reader, writer)
        closed.set()

    async with serve(swallow) as port:
        result = await probe(f"https://127.0.0.1:{port}/", timeout=timedelta(milliseconds=200))
        async with asyncio.timeout(5):
            await closed.wait()

    assert result.message == "no complete answer within 200ms"
