"""Fetches what a target or a discovery endpoint answers, trusting nothing in it."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import httpx

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.kit.network import scrub
from resumatch_monitor.metrics.access import Access, AccessError, AccessProvider
from resumatch_monitor.metrics.targets import Target

_MOST_REDIRECTS = 5
_STEP_BYTES = 1024 * 1024


class FetchError(Exception):
    """There was no usable answer; the message says why and holds no secret.

    Attributes:
        exceeded_limit: The configuration key of the limit that the answer is over; or empty.
    """

    def __init__(self, message: str, *, exceeded_limit: str = "") -> None:
        super().__init__(message)
        self.exceeded_limit = exceeded_limit


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, decoded.

    Attributes:
        secrets: What must not be shown, although the answer may echo it.
    """

    body: bytes
    content_type: str
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for, and what may come back.

    Attributes:
        who: What answers, for messages: `the target`.
        largest_body: In bytes, unpacked.
        limit_name: The configuration key of `largest_body`.
    """

    url: str
    headers: Mapping[str, str]
    timeout: timedelta
    largest_body: int
    limit_name: str
    who: str = "the target"
    follow_redirects: bool = True


async def fetch_target(access: AccessProvider, target: Target) -> Fetched:
    """Fetch the target's exposition within its time-out and size limit.

    Raises:
        FetchError: If that is not possible.
    """
    config = target.config
    question = Question(
        url=target.url,
        headers={
            "Accept": target.pool.accept,
            "Accept-Encoding": "gzip" if config.enable_compression else "identity",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{target.timeout.total_seconds():g}",
        },
        timeout=target.timeout,
        largest_body=target.pool.limits.body_bytes,
        limit_name="body_size_limit",
        follow_redirects=config.follow_redirects,
    )
    return await fetch(access, question)


async def fetch(provider: AccessProvider, question: Question) -> Fetched:
    """Ask, and return the whole answer.

    Raises:
        FetchError: If there is none in time, or none that can be used.
    """
    secrets: frozenset[str] = frozenset()
    seconds = question.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            access = await provider.get()
            secrets = access.secrets
            return await _fetch(access, question)
    except AccessError as error:
        raise FetchError(str(error)) from None
    except FetchError as error:
        raise FetchError(scrub(str(error), secrets), exceeded_limit=error.exceeded_limit) from None
    except (TimeoutError, httpx.TimeoutException):
        took = format_duration(question.timeout)
        raise FetchError(f"{question.who} did not answer in full within {took}") from None
    except httpx.ConnectError as error:
        raise FetchError(scrub(f"cannot connect: {error}", secrets)) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        message = f"the answer is not usable HTTP: {error or type(error).__name__}"
        raise FetchError(scrub(message, secrets)) from None


async def _fetch(access: Access, question: Question) -> Fetched:
    client = access.client
    request = client.build_request(
        "GET",
        question.url,
        headers={**question.headers, **access.headers},
        timeout=question.timeout.total_seconds(),
        extensions=dict(access.extensions),
    )
    for _ in range(_MOST_REDIRECTS + 1):
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            # A target has no business setting cookies, for others least of all.
            client.cookies.clear()
            if response.next_request is None or not question.follow_redirects:
                return await _read(response, question, access.secrets)
            request = response.next_request
        finally:
            await response.aclose()
    raise FetchError(f"{question.who} redirects more than {_MOST_REDIRECTS} times")


async def _read(response: httpx.Response, question: Question, secrets: frozenset[str]) -> Fetched:
    if response.status_code != HTTPStatus.OK:
        raise FetchError(f"{question.who} answered HTTP {response.status_code}")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    parts: list[bytes] = []
    size = 0
    async with aclosing(_decoded(response, encoding)) as chunks:
        async for part in chunks:
            size += len(part)
            if size > question.largest_body:
                raise FetchError(
                    f"the answer is larger than the {question.largest_body} bytes of"
                    f" {question.limit_name}",
                    exceeded_limit=question.limit_name,
                )
            parts.append(part)
    return Fetched(b"".join(parts), response.headers.get("content-type", ""), secrets)


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
