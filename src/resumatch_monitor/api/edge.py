"""What every request passes: a request id, security headers, bounds, the monitor's own counters."""

import asyncio
import codecs
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import orjson
from fastapi import APIRouter, FastAPI, Request
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resumatch_monitor.api.errors import install_error_handlers, render_error
from resumatch_monitor.api.lanes import Handler, ProjectLanes
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
LARGEST_BODY_BYTES = 2 * 1024 * 1024
BODY_TIMEOUT_SECONDS = 20.0
_UNBOUNDED_ENDINGS = (
    "/envelope",
    "/envelope/",
    "/store",
    "/store/",
    "/security",
    "/security/",
    "/tunnel",
    "/tunnel/",
    "/api/v1/write",
    "/v1/metrics",
    "/v1/traces",
    "/v1/logs",
    "/_bulk",
    "/loki/api/v1/push",
    "/api/monitor/logs/ingest",
    "/drain/vercel",
    "/chunk-upload/",
    "/files/",
)
"""Of paths whose handlers bound their bodies themselves."""
_HOOKS_PATH = "/api/monitor/hooks/"
"""Begins the paths that look at who sends a body before they look into it."""
_API_PATH = "/api/monitor/"
_INGEST_PATH = "/api/monitor/logs/ingest"
"""Takes lines of JSON, and calls them JSON where its sender does."""
_LOADED_PATHS = (_API_PATH, "/api/v2/", "/act/")
"""Begin the paths that answer from, or change, what is loaded at the start."""
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def build_app(
    *,
    routers: Sequence[APIRouter],
    ids: Ids,
    telemetry: Telemetry,
    is_ready: Callable[[], bool] = lambda: True,
    lanes: Mapping[str, Handler] | None = None,
) -> FastAPI:
    """Return the application with `routers`, asked in that order, once `is_ready`.

    Args:
        routers: The routes.
        ids: For requests.
        telemetry: Where requests are counted.
        is_ready: Whether everything is loaded.
        lanes: Handlers of some of those routes, by how their paths end, which are asked first.
    """
    app = FastAPI(
        title="ResuMatch Monitor",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    install_error_handlers(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(StrictJson)
    app.add_middleware(BodyBounds)
    app.add_middleware(ReadyGate, is_ready=is_ready)
    app.add_middleware(ProjectLanes, handlers=lanes or {})
    app.add_middleware(RequestEnvelope, ids=ids, telemetry=telemetry)
    return app


class RequestEnvelope:
    """ASGI middleware around every request."""

    def __init__(self, app: ASGIApp, *, ids: Ids, telemetry: Telemetry) -> None:
        self._app = app
        self._ids = ids
        self._requests = Counter(
            "resumatch_monitor_http_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=telemetry.registry,
        )
        self._duration = Histogram(
            "resumatch_monitor_http_request_duration_seconds",
            "From the first byte of a request's head to the last of its answer.",
            ["route"],
            buckets=(0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30),
            registry=telemetry.registry,
        )
        self._meters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._ids.uuid()
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                headers.extend(_HEADERS)
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                headers.append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            requests, duration = self._meter(_method(scope["method"]), route, status)
            requests.inc()
            duration.observe(time.perf_counter() - started)

    def _meter(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        # As many as there are series, which these two keep for good anyway.
        key = (method, route, status)
        found = self._meters.get(key)
        if found is None:
            requests = self._requests.labels(method, route, str(status))
            found = self._meters[key] = (requests, self._duration.labels(route))
        return found


class ReadyGate:
    """ASGI middleware that lets nobody look at, or change, what is only half loaded.

    What is merely taken in, events and samples, passes: for most senders a refusal is a loss.
    """

    def __init__(self, app: ASGIApp, *, is_ready: Callable[[], bool]) -> None:
        self._app = app
        self._is_ready = is_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_held = scope["type"] == "http" and scope["path"].startswith(_LOADED_PATHS)
        if not is_held or self._is_ready():
            await self._app(scope, receive, send)
            return
        answer = render_error(
            Request(scope),
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not_ready",
            "The monitor is starting or stopping.",
            {"Retry-After": "1", "Connection": "close"},
        )
        await answer(scope, receive, send)


class BodyBounds:
    """ASGI middleware that bounds a body in size and time before anybody has asked who sends it.

    FastAPI reads a body before it asks the guards.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_UNBOUNDED_ENDINGS):
            await self._app(scope, receive, send)
            return
        size = 0
        is_whole = False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BODY_TIMEOUT_SECONDS

        async def receive_bounded() -> Message:
            nonlocal size, is_whole
            if is_whole:
                # What follows is only whether the client has gone away.
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(
                    HTTPStatus.REQUEST_TIMEOUT,
                    "The body took too long to arrive.",
                    {"Connection": "close"},
                ) from None
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if size > LARGEST_BODY_BYTES:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The body is larger than the {LARGEST_BODY_BYTES} bytes that are accepted.",
                    {"Connection": "close"},
                )
            return message

        await self._app(scope, receive_bounded, send)


class StrictJson:
    """ASGI middleware that lets no JSON through that is none by RFC 8259.

    Python's own parser, which FastAPI uses, takes half of a surrogate pair, NaN, other encodings
    than UTF-8 and any depth; what comes of that can be neither stored nor answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        chunks: list[bytes] = []

        async def receive_strictly() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                chunks.append(message.get("body", b""))
                if not message.get("more_body", False):
                    _check_json(b"".join(chunks))
                    chunks.clear()
            return message

        await self._app(scope, receive_strictly, send)


def _is_json(scope: Scope) -> bool:
    path: str = scope["path"]
    # Others' protocols refuse in words of their own.
    if not path.startswith(_API_PATH) or path.startswith((_HOOKS_PATH, _INGEST_PATH)):
        return False
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _check_json(body: bytes) -> None:
    text = body.removeprefix(codecs.BOM_UTF8)
    if not text:
        return
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"The body cannot be read as JSON: {error}."
        ) from None


def _method(method: str) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return method if method in known else "OTHER"
