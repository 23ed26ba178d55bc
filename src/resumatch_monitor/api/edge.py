"""What every request passes: a request id, security headers, and the monitor's own counters."""

import time
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resumatch_monitor.api.errors import install_error_handlers
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def build_app(*, routers: Sequence[APIRouter], ids: Ids, telemetry: Telemetry) -> FastAPI:
    """Return the application with `routers`, asked in that order."""
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
                headers.append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._requests.labels(_method(scope["method"]), route, str(status)).inc()
            self._duration.labels(route).observe(time.perf_counter() - started)


def _method(method: str) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return method if method in known else "OTHER"
