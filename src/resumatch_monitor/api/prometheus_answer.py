"""How Prometheus' API answers: its envelope, its errors, gzip, and answers sent in pieces."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import orjson
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from resumatch_monitor.api.prometheus_json import render_success
from resumatch_monitor.api.prometheus_params import (
    Params,
    PrometheusError,
    bad_data,
    read_params,
)
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.promql.value import (
    ExecutionError,
    QueryError,
    QueryTimeoutError,
    QueryTooLongError,
    StoreUnavailableError,
    UnsupportedError,
)

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
_WHOLE_BYTES = 1024 * 1024
"""An answer up to this size is sent as a whole, with its length."""
_GZIP_MIN_BYTES = 4 * 1024
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31
_MOST_CELLS_HELD = 40_000_000
"""Values of answers that are on their way to clients, 8 bytes each."""
_SEND_TIMEOUT_SECONDS = 60.0
_JSON = "application/json"

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Body:
    """An answer whose end need not be rendered yet.

    Attributes:
        start: The first pieces.
        rest: Renders the others, one at a time; None if `start` is all.
        cells: How many values are kept in memory until `rest` has ended.
        media_type: What it is.
    """

    start: bytes
    rest: Iterator[bytes] | None = None
    cells: int = 0
    media_type: str = _JSON


Handler = Callable[[Params], Awaitable["bytes | Body | Response"]]


def begin_body(pieces: Iterator[bytes], *, cells: int, media_type: str = _JSON) -> Body:
    """Render pieces until they are all or large enough to be sent one by one."""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > _WHOLE_BYTES:
            return Body(b"".join(parts), pieces, cells, media_type)
    return Body(b"".join(parts), media_type=media_type)


def render_data(data: object, warnings: Sequence[str] = ()) -> bytes:
    """Render `data` as a successful answer."""
    return render_success(orjson.dumps(data), warnings=warnings)


class Endpoint:
    """Adds routes that answer in Prometheus' envelope, whatever happens."""

    def __init__(
        self,
        router: APIRouter,
        *,
        clock: Clock,
        send_timeout_seconds: float = _SEND_TIMEOUT_SECONDS,
    ) -> None:
        """Add nothing yet.

        Args:
            router: Gets the routes.
            clock: What the time is where a request names none.
            send_timeout_seconds: How long a client may take none of a large answer.
        """
        self._router = router
        self._clock = clock
        self._send_timeout_seconds = send_timeout_seconds
        self._cells_held = 0

    def add(
        self,
        path: str,
        handler: Handler,
        *,
        methods: Sequence[str] = ("GET", "HEAD"),
        is_long: bool = False,
        has_plain_errors: bool = False,
    ) -> None:
        """Serve `path`.

        Args:
            path: Below the router's prefix.
            handler: Makes the answer or raises `PrometheusError` or `QueryError`.
            methods: What may be asked; POST and PUT may bring a form.
            is_long: Whether to give up when the client goes away.
            has_plain_errors: Whether errors are sentences, not JSON.
        """

        async def endpoint(request: Request) -> Response:
            try:
                return await self._answer(request, handler, is_long=is_long)
            except PrometheusError as error:
                return _render_plainly(error) if has_plain_errors else _render_error(error)

        self._router.add_api_route(path, endpoint, methods=list(methods), name=path)

    async def _answer(self, request: Request, handler: Handler, *, is_long: bool) -> Response:
        try:
            params = await read_params(request, clock=self._clock)
            answering = handler(params)
            made = await (_while_connected(request, answering) if is_long else answering)
            return made if isinstance(made, Response) else await self._respond(request, made)
        except QueryError as error:
            raise _translate(error) from error
        except (PrometheusError, HTTPException):
            raise
        except Exception as error:
            logger.exception("Request %s %s failed", request.method, request.url.path)
            raise PrometheusError(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal",
                "The monitor failed to answer; its own log has the details.",
            ) from error

    async def _respond(self, request: Request, made: bytes | Body) -> Response:
        body = made if isinstance(made, Body) else Body(made)
        is_gzip = len(body.start) >= _GZIP_MIN_BYTES and _accepts_gzip(request.headers)
        headers = {"Content-Type": body.media_type, "Vary": "Accept-Encoding"}
        if is_gzip:
            headers["Content-Encoding"] = "gzip"
        if body.rest is None:
            whole = await asyncio.to_thread(_gzip, body.start) if is_gzip else body.start
            return Response(whole, headers=headers)
        self._hold(body.cells)
        pieces = _join(body.start, body.rest)
        return _StreamedAnswer(
            _gzip_pieces(pieces) if is_gzip else pieces,
            headers=headers,
            timeout_seconds=self._send_timeout_seconds,
            on_end=lambda: self._release(body.cells),
        )

    def _hold(self, cells: int) -> None:
        if self._cells_held and self._cells_held + cells > _MOST_CELLS_HELD:
            raise PrometheusError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "unavailable",
                "too many large answers are on their way to clients; try again in a while",
            )
        self._cells_held += cells

    def _release(self, cells: int) -> None:
        self._cells_held -= cells


class _StreamedAnswer(StreamingResponse):
    """Sends pieces, each made in a thread once the one before it is on its way."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        *,
        headers: Mapping[str, str],
        timeout_seconds: float,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(_pull(pieces), headers=headers)
        self._timeout_seconds = timeout_seconds
        self._on_end = on_end

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._timeout_seconds):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            # The server closes a connection whose answer does not end.
            logger.warning("A client stopped reading the answer of %s", scope["path"])
        finally:
            self._on_end()


async def _pull(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _join(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


async def _while_connected(request: Request, answering: Awaitable[ResultT]) -> ResultT:
    """Return the answer, or give it up when nobody waits for it any more."""
    answer = asyncio.ensure_future(answering)
    departure = asyncio.ensure_future(_wait_for_departure(request))
    try:
        await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise PrometheusError(
                CLIENT_CLOSED_REQUEST, "canceled", "query was canceled in expression evaluation"
            )
        return answer.result()
    finally:
        for task in (answer, departure):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _wait_for_departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _translate(error: QueryError) -> PrometheusError:
    if isinstance(error, QueryTimeoutError):
        return PrometheusError(HTTPStatus.SERVICE_UNAVAILABLE, "timeout", str(error))
    if isinstance(error, StoreUnavailableError):
        return PrometheusError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", str(error))
    is_ill_formed = isinstance(error, QueryTooLongError)
    if isinstance(error, ExecutionError | UnsupportedError) and not is_ill_formed:
        return PrometheusError(HTTPStatus.UNPROCESSABLE_ENTITY, "execution", str(error))
    return bad_data(f'invalid parameter "query": {error}')


def _render_error(error: PrometheusError) -> Response:
    body = {"status": "error", "errorType": error.kind, "error": error.message}
    return Response(orjson.dumps(body), status_code=error.status, media_type=_JSON)


def _render_plainly(error: PrometheusError) -> Response:
    return PlainTextResponse(f"{error.message}\n", status_code=error.status)


def _accepts_gzip(headers: Mapping[str, str]) -> bool:
    for part in headers.get("accept-encoding", "").split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            weight = parameters.replace(" ", "").lower()
            return weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _gzip(data: bytes) -> bytes:
    return zlib.compress(data, _GZIP_LEVEL, _GZIP_WINDOW)


def _gzip_pieces(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
    for piece in pieces:
        packed = packer.compress(piece)
        if packed:
            yield packed
    yield packer.flush()
