"""What surrounds every request: its id, its log line, whose it is."""

import hmac
import time

import sentry_sdk
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from resumatch.backend import privacy, tracing
from resumatch.backend.logs import RequestLog
from resumatch.backend.metrics import Metrics

SYNTHETIC = "resumatch.synthetic"
REQUEST_ID = "resumatch.request_id"
_NO_ROUTE = "none"
_PRIVATE_HEADERS = frozenset({b"authorization", b"cookie", b"x-monitor-synthetic"})
_QUIET_PATHS = frozenset({"/health", "/metrics"})


def route_of(scope: Scope) -> str:
    """Return the template of the route that took a request."""
    return getattr(scope.get("route"), "path", _NO_ROUTE)


class RequestContextMiddleware:
    """Names the request, marks the monitor's own ones and logs how it ended.

    Plain ASGI: Starlette's BaseHTTPMiddleware would cost a task and two queues a request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        synthetic_token: str,
        request_log: RequestLog | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._synthetic_token = synthetic_token.encode()
        self._request_log = request_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        self._enter(scope)
        header = (b"x-request-id", scope[REQUEST_ID].encode())
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if self._request_log and (status >= 500 or scope["path"] not in _QUIET_PATHS):
                self._request_log.write(
                    method=scope["method"],
                    route=route_of(scope),
                    status=status,
                    seconds=time.perf_counter() - started,
                )

    def _enter(self, scope: Scope) -> None:
        privacy.start_request()
        request_id = synthetic = traceparent = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value
            elif name == b"x-monitor-synthetic":
                synthetic = value
            elif name == b"traceparent":
                traceparent = value
            if name in _PRIVATE_HEADERS:
                privacy.remember(value.decode("latin-1"))
        scope[REQUEST_ID] = tracing.request_id_from(request_id)
        scope[SYNTHETIC] = is_synthetic = bool(self._synthetic_token) and hmac.compare_digest(
            synthetic, self._synthetic_token
        )
        tracing.continue_trace(traceparent)
        clear_contextvars()
        if is_synthetic:
            bind_contextvars(request_id=scope[REQUEST_ID], synthetic=True)
            self._metrics.synthetic_requests.inc()
            sentry_sdk.set_tag("synthetic", "true")
        else:
            bind_contextvars(request_id=scope[REQUEST_ID])
