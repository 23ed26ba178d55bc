"""Fetches a target's exposition with Prometheus' own request, trusting nothing in the answer."""

import asyncio
import base64
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.config import ScrapeConfig
from resumatch_monitor.metrics.targets import Target

ACCEPT = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_MOST_REDIRECTS = 5
_STEP_BYTES = 1024 * 1024


class FetchError(Exception):
    """A target gave no usable answer; the message says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, decoded."""

    body: bytes
    content_type: str


async def fetch(client: httpx.AsyncClient, target: Target) -> Fetched:
    """Fetch the target's exposition within its time-out and size limit.

    Raises:
        FetchError: If that is not possible.
    """
    seconds = target.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            return await _fetch(client, target)
    except (TimeoutError, httpx.TimeoutException):
        took = format_duration(target.timeout)
        raise FetchError(f"the target did not answer in full within {took}") from None
    except httpx.ConnectError as error:
        raise FetchError(f"cannot connect: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise FetchError(
            f"the answer is not usable HTTP: {error or type(error).__name__}"
        ) from error


async def _fetch(client: httpx.AsyncClient, target: Target) -> Fetched:
    request = client.build_request(
        "GET", target.url, headers=build_headers(target), timeout=target.timeout.total_seconds()
    )
    for _ in range(_MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            # A target has no business setting cookies, for others least of all.
            client.cookies.clear()
            if response.next_request is None:
                return await _read(response, target.config.body_size_limit_bytes)
            request = response.next_request
        finally:
            await response.aclose()
    raise FetchError(f"the target redirects more than {_MOST_REDIRECTS} times")


def build_headers(target: Target) -> dict[str, str]:
    """Return what Prometheus sends, and the configured credentials."""
    seconds = target.timeout.total_seconds()
    return {
        "Accept": ACCEPT,
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{seconds:g}",
        **_authorization(target.config),
    }


def _authorization(config: ScrapeConfig) -> Mapping[str, str]:
    if config.authorization is not None:
        credentials = config.authorization.credentials.get_secret_value()
        return {"Authorization": f"{config.authorization.type} {credentials}"}
    if config.basic_auth is not None:
        password = config.basic_auth.password.get_secret_value()
        pair = f"{config.basic_auth.username}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


async def _read(response: httpx.Response, limit: int) -> Fetched:
    if response.status_code != HTTPStatus.OK:
        raise FetchError(f"the target answered HTTP {response.status_code}")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    parts: list[bytes] = []
    size = 0
    async with aclosing(_decoded(response, encoding)) as chunks:
        async for part in chunks:
            size += len(part)
            if size > limit:
                raise FetchError(
                    f"the answer is larger than the {limit} bytes of body_size_limit_bytes"
                )
            parts.append(part)
    return Fetched(b"".join(parts), response.headers.get("content-type", ""))


async def _decoded(response: httpx.Response, encoding: str) -> AsyncGenerator[bytes]:
    if encoding in ("", "identity"):
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip"):
        raise FetchError(f"the answer has the content encoding {encoding[:50]!r}, not gzip")
    inflater = zlib.decompressobj(31)
    try:
        async for chunk in response.aiter_raw():
            rest = chunk
            while rest:
                if inflater.eof:
                    inflater = zlib.decompressobj(31)
                # In steps, so that a bomb is noticed before it has gone off.
                yield inflater.decompress(rest, _STEP_BYTES)
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    except zlib.error as error:
        raise FetchError(f"the answer is not valid gzip: {error}") from error
    if not inflater.eof:
        raise FetchError("the answer's gzip data is cut off")
