"""The HTTP probe: one request over a fresh connection, redirects followed by hand."""

import re
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

import anyio
import httpcore
import httpx
from typing_extensions import override

from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.kit.http import USER_AGENT, GuardedBackend
from resumatch_monitor.kit.network import (
    CERTIFICATE_EXPIRED,
    explain_connection_error,
    find_url_secrets,
    find_verify_code,
    mask_url,
)
from resumatch_monitor.probes.certificate import read_expiry
from resumatch_monitor.probes.config import HTTPProbeConfig
from resumatch_monitor.probes.probe import Notes, ProbeFailedError
from resumatch_monitor.probes.tools import ProbeTools

PHASES = ("resolve", "connect", "tls", "processing", "transfer")

_LONGEST_REDIRECT_CHAIN = 5
_LARGEST_BODY_BYTES = 1024 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GOOD = range(200, 400)
_CHARSET = re.compile(r"charset=\"?([\w.:-]+)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HTTPProbe:
    """Asks for a URL and judges the answer's status and body."""

    def __init__(self, config: HTTPProbeConfig, tools: ProbeTools) -> None:
        self._config = config
        self._tools = tools
        self._keyword = config.keyword
        self._timeout_seconds = config.timeout.total_seconds()
        self.target = mask_url(config.url)
        header_values = {value.get_secret_value() for value in config.headers.values()}
        self.secrets: Collection[str] = find_url_secrets(config.url) | header_values

    async def attempt(self, notes: Notes) -> str:
        try:
            url = httpx.URL(self._config.url)
        except httpx.InvalidURL:
            raise ProbeFailedError("the URL cannot be read") from None
        method: str = self._config.method
        origin = _origin_of(url)
        for _ in range(_LONGEST_REDIRECT_CHAIN + 1):
            headers = self._build_headers(url, is_same_origin=_origin_of(url) == origin)
            exchange = _Exchange(url, method, headers, notes)
            location = await self._send(exchange)
            if location is None:
                return _render_status(notes.status_code)
            url = _follow(url, location)
            method = _method_after_redirect(method, notes.status_code)
        raise ProbeFailedError(f"more than {_LONGEST_REDIRECT_CHAIN} redirects")

    def _build_headers(self, url: httpx.URL, *, is_same_origin: bool) -> list[tuple[bytes, bytes]]:
        headers: dict[str, str] = {
            "host": url.netloc.decode("ascii"),
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "close",
        }
        # What a person configured is for the host they named, not for wherever it points.
        if is_same_origin:
            if url.username or url.password:
                headers["authorization"] = _basic(url)
            configured = self._config.headers.items()
            headers |= {name.lower(): value.get_secret_value() for name, value in configured}
        if self._config.method == "POST":
            headers["content-length"] = "0"
        return [(name.encode(), value.encode()) for name, value in headers.items()]

    async def _send(self, exchange: "_Exchange") -> str | None:
        """Make one request; return where it redirects to, None when its answer is the last."""
        backend = _TrackingBackend(self._tools.allowed_hosts, on_phase=exchange.notes.add_phase)
        try:
            async with httpcore.AsyncConnectionPool(
                ssl_context=self._tools.ssl_context(verify=self._config.verify_tls),
                network_backend=backend,
                max_connections=1,
            ) as pool:
                return await self._exchange(pool, exchange)
        except (httpcore.NetworkError, httpx.ConnectError) as error:
            if find_verify_code(error) == CERTIFICATE_EXPIRED:
                raise await self._explain_expired(backend, exchange) from None
            message = explain_connection_error(error) or "the connection failed"
            raise ProbeFailedError(message) from None
        except httpcore.LocalProtocolError:
            raise ProbeFailedError("the request is not valid HTTP; see its headers") from None
        except httpcore.RemoteProtocolError as error:
            if "disconnected" in str(error):
                raise ProbeFailedError("connection closed without an answer") from None
            raise ProbeFailedError("the answer is not valid HTTP") from None
        except httpcore.TimeoutException:
            raise ProbeFailedError("connection timed out") from None
        finally:
            await backend.close_all()

    async def _exchange(
        self, pool: httpcore.AsyncConnectionPool, exchange: "_Exchange"
    ) -> str | None:
        async with pool.stream(
            exchange.method,
            _to_core(exchange.url),
            headers=exchange.headers,
            extensions={
                "timeout": {"connect": self._timeout_seconds},
                "trace": _trace_phases(exchange.notes),
            },
        ) as response:
            notes = exchange.notes
            notes.status_code = response.status
            extensions = cast("Any", response).extensions
            _note_certificate(extensions.get("network_stream"), notes)
            headers = {
                name.lower().decode("latin-1"): value.decode("latin-1")
                for name, value in response.headers
            }
            location = headers.get("location")
            if location is not None and self._is_followed(response.status):
                return location
            self._judge_status(response.status)
            started = time.monotonic()
            body = await _read_body(response)
            notes.add_phase("transfer", time.monotonic() - started)
            self._judge_body(body, headers)
            return None

    def _is_followed(self, status: int) -> bool:
        return (
            self._config.follow_redirects
            and status in _REDIRECTS
            and status not in self._config.expected_status
        )

    def _judge_status(self, status: int) -> None:
        expected = self._config.expected_status
        if status in expected or (not expected and status in _GOOD):
            return
        message = _render_status(status)
        if expected:
            message += f" where {' or '.join(map(str, expected))} was expected"
        raise ProbeFailedError(message)

    def _judge_body(self, body: bytes, headers: Mapping[str, str]) -> None:
        if not self._keyword:
            return
        text = _decode_body(body, headers)
        if self._keyword in text:
            return
        where = " in the first MiB" if len(body) >= _LARGEST_BODY_BYTES else ""
        raise ProbeFailedError(f"keyword not found{where}")

    async def _explain_expired(
        self, backend: GuardedBackend, exchange: "_Exchange"
    ) -> ProbeFailedError:
        host, port = exchange.url.raw_host.decode("ascii"), _port_of(exchange.url)
        stream = await backend.connect_tcp(host, port, self._timeout_seconds)
        try:
            stream = await stream.start_tls(self._tools.ssl_context(verify=False), host)
            _note_certificate(stream, exchange.notes)
        finally:
            await stream.aclose()
        expiry = exchange.notes.certificate_expires_at
        when = f" on {isoformat(expiry)[:10]}" if expiry else ""
        return ProbeFailedError(f"certificate expired{when}")


class _TrackingBackend(GuardedBackend):
    """Knows what it opened.

    httpcore forgets a connection whose TLS handshake is cancelled, as a time-out does.
    """

    def __init__(
        self, allowed_hosts: Collection[str], *, on_phase: Callable[[str, float], None]
    ) -> None:
        super().__init__(allowed_hosts, on_phase=on_phase)
        self._opened: list[httpcore.AsyncNetworkStream] = []

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        self._opened.append(stream)
        return stream

    async def close_all(self) -> None:
        """Close what is open, at once."""
        with anyio.CancelScope(shield=True):
            while self._opened:
                await self._opened.pop().aclose()


class _Exchange:
    """One request of an attempt."""

    __slots__ = ("headers", "method", "notes", "url")

    def __init__(
        self, url: httpx.URL, method: str, headers: list[tuple[bytes, bytes]], notes: Notes
    ) -> None:
        self.url = url
        self.method = method
        self.headers = headers
        self.notes = notes


def _trace_phases(notes: Notes) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    started: dict[str, float] = {}

    async def trace(event: str, _info: Mapping[str, Any]) -> None:
        match event:
            case "connection.start_tls.started":
                started["tls"] = time.monotonic()
            case "connection.start_tls.complete":
                notes.add_phase("tls", time.monotonic() - started["tls"])
            case "http11.send_request_headers.started":
                started["processing"] = time.monotonic()
            case "http11.receive_response_headers.complete":
                notes.add_phase("processing", time.monotonic() - started["processing"])
            case _:
                pass

    return trace


def _note_certificate(stream: httpcore.AsyncNetworkStream | None, notes: Notes) -> None:
    ssl_object = stream.get_extra_info("ssl_object") if stream is not None else None
    if isinstance(ssl_object, (ssl.SSLObject, ssl.SSLSocket)):
        der = ssl_object.getpeercert(binary_form=True)
        notes.certificate_expires_at = read_expiry(der) if der else None


async def _read_body(response: httpcore.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) >= _LARGEST_BODY_BYTES:
            break
    return bytes(body[:_LARGEST_BODY_BYTES])


def _decode_body(body: bytes, headers: Mapping[str, str]) -> str:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"gzip", "x-gzip", "deflate"}:
        # Asked for uncompressed, answered compressed all the same: never inflate without a limit.
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, _LARGEST_BODY_BYTES)
        except zlib.error:
            raise ProbeFailedError("the body's compression is broken") from None
    elif encoding not in {"identity", ""}:
        raise ProbeFailedError("the body came compressed though this was not asked for")
    match = _CHARSET.search(headers.get("content-type", ""))
    try:
        return body.decode(match[1] if match else "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _follow(url: httpx.URL, location: str) -> httpx.URL:
    try:
        following = url.join(location)
    except httpx.InvalidURL:
        raise ProbeFailedError("redirected to an address that cannot be read") from None
    if following.scheme not in _DEFAULT_PORTS or not following.host:
        raise ProbeFailedError("redirected to something that is not http or https")
    return following


def _method_after_redirect(method: str, status: int | None) -> str:
    if method == "POST" and status in {301, 302, 303}:
        return "GET"
    return method


def _render_status(status: int | None) -> str:
    if status is None:
        return ""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _basic(url: httpx.URL) -> str:
    request = next(httpx.BasicAuth(url.username, url.password).auth_flow(httpx.Request("GET", url)))
    return request.headers["authorization"]


def _origin_of(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, _port_of(url)


def _port_of(url: httpx.URL) -> int:
    return url.port or _DEFAULT_PORTS.get(url.scheme, 0)


def _to_core(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
