"""The server at the other end: its addresses, credentials and answers to writes."""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.network import explain_connection_error, mask_url, scrub

_WRITE_PATH = "/api/v1/write"
_WRITE_HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_LONGEST_MESSAGE_BYTES = 4096
_LARGEST_METRICS_BYTES = 4 * 1024 * 1024
_START_TIMES = (b"process_start_time_seconds ", b"vm_app_start_timestamp ")
_LONGEST_PAUSE = timedelta(minutes=5)
# Not about the samples: they are good once the server, or the configuration, is.
_RETRIED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
# What a proxy answers when there is nobody behind it.
_AWAY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How the server is reached.

    Attributes:
        url: The base of `/api/v1/query`, without a slash at the end.
        write_url: Where samples are sent.
        headers: Sent with every request; they may be secrets.
        timeout: How long a request may take.
        verify: How https addresses are trusted.
        secrets: Texts that must not be told to anybody.
    """

    url: str
    write_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: timedelta
    verify: ssl.SSLContext | bool = True
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def identity_url(self) -> str | None:
        """Where the server that takes the samples tells when it was started, if it does."""
        if self.write_url.endswith(_WRITE_PATH):
            return self.write_url.removesuffix(_WRITE_PATH) + "/metrics"
        return None


class ServerAwayError(Exception):
    """There is no answer: the server is away, or the network. The message holds no secret."""


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What the server said to a request.

    Attributes:
        message: The beginning of its answer, in one line.
        retry_after: How long it asks to wait.
    """

    status: int
    message: str
    retry_after: timedelta | None

    @property
    def is_taken(self) -> bool:
        """Whether the samples are stored."""
        return self.status // 100 == HTTPStatus.OK // 100

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return (
            self.status in _RETRIED
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status < HTTPStatus.BAD_REQUEST
        )

    def __str__(self) -> str:
        said = f": {self.message}" if self.message else ""
        return f"HTTP {self.status}{said}"


class RemoteServer:
    """Writes to the server, and asks when it was started."""

    def __init__(self, config: ServerConfig, *, client: httpx.AsyncClient, clock: Clock) -> None:
        self._config = config
        self._client = client
        self._clock = clock

    @property
    def name(self) -> str:
        """The address for writes, fit to be shown."""
        return mask_url(self._config.write_url)

    async def write(self, body: bytes) -> WriteAnswer:
        """Send a compressed message.

        Raises:
            ServerAwayError: If there is no answer.
        """
        headers = {**_WRITE_HEADERS, **self._config.headers}
        async with self._send("POST", self._config.write_url, headers, body) as response:
            answer = WriteAnswer(
                response.status_code,
                self._clean(await _read_start(response)),
                _parse_retry_after(response.headers.get("retry-after", ""), self._clock.now()),
            )
        if answer.status in _AWAY:
            raise ServerAwayError(str(answer))
        return answer

    async def identify(self) -> str | None:
        """Return when the server was started, as it writes it; None if it does not tell.

        Raises:
            ServerAwayError: If there is no answer.
        """
        url = self._config.identity_url
        if url is None:
            return None
        async with self._send("GET", url, self._config.headers) as response:
            if response.status_code != HTTPStatus.OK:
                return None
            return await _find_start_time(response)

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncGenerator[httpx.Response]:
        try:
            async with self._client.stream(
                method,
                url,
                headers=dict(headers),
                content=body,
                timeout=self._config.timeout.total_seconds(),
            ) as response:
                # It has no business setting cookies.
                self._client.cookies.clear()
                yield response
        except httpx.TimeoutException as error:
            raise ServerAwayError("no answer in time") from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise ServerAwayError(
                explain_connection_error(error) or f"connection failed: {type(error).__name__}"
            ) from error

    def _clean(self, text: str) -> str:
        return scrub(" ".join(text.split()), self._config.secrets)


async def _read_start(response: httpx.Response) -> str:
    parts = bytearray()
    async for chunk in response.aiter_bytes(_LONGEST_MESSAGE_BYTES):
        parts += chunk
        if len(parts) >= _LONGEST_MESSAGE_BYTES:
            break
    return bytes(parts[:_LONGEST_MESSAGE_BYTES]).decode(errors="replace")


async def _find_start_time(response: httpx.Response) -> str | None:
    rest = b""
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        found = next((line for line in lines if line.startswith(_START_TIMES)), None)
        if found is not None:
            return found.decode(errors="replace").strip()
        if size > _LARGEST_METRICS_BYTES:
            break
    return None


def _parse_retry_after(text: str, now: datetime) -> timedelta | None:
    """Return what a `Retry-After` header says: seconds, or a date; bounded."""
    text = text.strip()
    if not text:
        return None
    if text.isdecimal():
        pause = timedelta(seconds=min(int(text[:9]), 10**6))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        pause = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta(0)), _LONGEST_PAUSE)
