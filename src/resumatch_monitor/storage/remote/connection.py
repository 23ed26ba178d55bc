"""How the server is reached: addresses, credentials, and why there is no answer."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from resumatch_monitor.kit.network import explain_connection_error, mask_url, scrub
from resumatch_monitor.metrics.access import AccessError, AccessProvider

_WRITE_PATH = "/api/v1/write"


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where the server is.

    Attributes:
        url: The base of `/api/v1/query`, without a slash at the end.
        write_url: Where samples are sent.
        headers: Sent with every request beside the credentials; they may be secrets.
        timeout: How long a request may take.
    """

    url: str
    write_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: timedelta

    @property
    def identity_url(self) -> str | None:
        """Where the server that takes the samples tells when it was started, if it does."""
        if self.write_url.endswith(_WRITE_PATH):
            return self.write_url.removesuffix(_WRITE_PATH) + "/metrics"
        return None


class ServerAwayError(Exception):
    """There is no answer: the server is away, or the network. The message holds no secret."""


class Response:
    """An answer that begins; its texts are fit to be shown once they went through `clean`."""

    def __init__(self, response: httpx.Response, secrets: frozenset[str]) -> None:
        self._response = response
        self._secrets = secrets
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def read(self, limit: int) -> bytes:
        """Return the body, unpacked, and no more of it than what has passed `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self._response.aiter_bytes():
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                break
        return b"".join(parts)

    def clean(self, text: str) -> str:
        """Return `text` in one line and without secrets."""
        return scrub(" ".join(text.split()), self._secrets)


class Connection:
    """Sends requests with the configured credentials."""

    def __init__(
        self,
        config: ServerConfig,
        access: AccessProvider,
        *,
        own_client: httpx.AsyncClient | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            config: Where the server is.
            access: Gives clients and credentials.
            own_client: Closed with the connection.
        """
        self.config = config
        self._access = access
        self._own_client = own_client

    @property
    def name(self) -> str:
        """The address for queries, fit to be shown."""
        return mask_url(self.config.url)

    async def aclose(self) -> None:
        """Close what is the connection's own."""
        await self._access.aclose()
        if self._own_client is not None:
            await self._own_client.aclose()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - passed on to the client
    ) -> AsyncGenerator[Response]:
        """Send a request; `timeout` stands for the configured one.

        Raises:
            ServerAwayError: If there is no answer, or it breaks off.
        """
        try:
            access = await self._access.get()
            secrets = access.secrets | frozenset(self.config.headers.values())
            request = access.client.build_request(
                method,
                url,
                headers={**(headers or {}), **self.config.headers, **access.headers},
                content=content,
                timeout=(timeout or self.config.timeout).total_seconds(),
                extensions=dict(access.extensions),
            )
            response = await access.client.send(request, stream=True, follow_redirects=False)
            # It has no business setting cookies.
            access.client.cookies.clear()
            try:
                yield Response(response, secrets)
            finally:
                await response.aclose()
        except AccessError as error:
            raise ServerAwayError(str(error)) from None
        except httpx.TimeoutException as error:
            raise ServerAwayError("no answer in time") from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            raise ServerAwayError(
                explain_connection_error(error) or f"connection failed: {type(error).__name__}"
            ) from error
