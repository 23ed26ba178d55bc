"""What kind of work a span is: Sentry's op, OpenTelemetry's kind, and a status from either."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from resumatch_monitor.tracing.model import SpanKind, SpanStatus

# Who named a span, as SDKs write it into `transaction_info.source` or an attribute.
SOURCES = ("sentry.span.source", "sentry.source", "sentry.segment.name.source")
# https://develop.sentry.dev/sdk/telemetry/traces/span-operations/
_KIND_OF_OP = (
    ("http.server", SpanKind.SERVER),
    ("rpc.server", SpanKind.SERVER),
    ("grpc.server", SpanKind.SERVER),
    ("websocket.server", SpanKind.SERVER),
    ("function.", SpanKind.SERVER),
    ("http.client", SpanKind.CLIENT),
    ("rpc.client", SpanKind.CLIENT),
    ("grpc.client", SpanKind.CLIENT),
    ("db", SpanKind.CLIENT),
    ("cache", SpanKind.CLIENT),
    ("queue.publish", SpanKind.PRODUCER),
    ("queue.submit", SpanKind.PRODUCER),
    ("queue.", SpanKind.CONSUMER),
)
# Sentry's words for what is the caller's fault or nobody's: a 404 is no error of the server's.
_NO_ERRORS = frozenset(
    """
    unset cancelled unknown invalid_argument not_found already_exists permission_denied
    unauthenticated out_of_range failed_precondition
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
_LOWEST_ERROR = 500
_HIGHEST_ERROR = 599


@lru_cache(maxsize=1_024)
def kind_of_op(op: str) -> SpanKind:
    """Return the kind that Sentry's `op` implies."""
    for prefix, kind in _KIND_OF_OP:
        if op.startswith(prefix):
            return kind
    return SpanKind.INTERNAL


def op_of_kind(kind: SpanKind, attributes: Mapping[str, Any]) -> str:
    """Return Sentry's op for a span of OpenTelemetry; empty if nothing tells."""
    if system := attributes.get("db.system.name"):
        return "db.redis" if system == "redis" else "db"
    if "http.request.method" in attributes:
        return "http.server" if kind is SpanKind.SERVER else "http.client"
    if "rpc.system" in attributes:
        return "rpc.server" if kind is SpanKind.SERVER else "rpc.client"
    if "messaging.system" in attributes:
        return "queue.publish" if kind is SpanKind.PRODUCER else "queue.process"
    if "faas.trigger" in attributes or "faas.invocation_id" in attributes:
        return "function"
    return "" if kind is SpanKind.INTERNAL else str(kind)


def status_of_text(text: str, attributes: Mapping[str, Any]) -> SpanStatus:
    """Return what Sentry's word for a status means; a response's code counts where none is."""
    if text == "ok":
        return SpanStatus.OK
    if text and text not in _NO_ERRORS:
        return SpanStatus.ERROR
    code = attributes.get("http.response.status_code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code[:4])
    is_error = isinstance(code, int) and _LOWEST_ERROR <= code <= _HIGHEST_ERROR
    return SpanStatus.ERROR if is_error else SpanStatus.UNSET


def name_page(name: str, op: str, attributes: Mapping[str, Any]) -> str:
    """Return what a root is called: a page without a router, which SDKs name alike, by its path."""
    if op not in ("pageload", "navigation") or "/" in name:
        return name
    source = next((attributes[key] for key in SOURCES if key in attributes), "url")
    path = attributes.get("url.path")
    is_path = source == "url" and isinstance(path, str) and path.startswith("/")
    return str(path) if is_path else name
