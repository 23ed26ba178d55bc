"""The queries and requests in a segment."""

import hashlib
from urllib.parse import urlsplit

from resumatch_monitor.tracing.model import Segment, Span
from resumatch_monitor.tracing.performance.model import Call, CallKind
from resumatch_monitor.tracing.performance.statements import StatementReader
from resumatch_monitor.tracing.performance.templating import template_path

_HOST_MAX = 200
_METHOD_MAX = 10
_HTTP_OPS = ("http.client", "http.fetch", "http.xhr")


def read_calls(segment: Segment, statements: StatementReader) -> list[Call]:
    """Return the queries and requests to other servers, in order of their start."""
    calls: list[Call] = []
    for span in segment.spans:
        # Sentry has `db.sql.query`, and `db.redis` and `cache.get` for the same call to Redis.
        if span.op.split(".")[0] == "db" and span.statement:
            call = _read_query(span, statements)
            # Drivers ping with a comment or a semicolon: nothing that anybody could look up.
            if call.text:
                calls.append(call)
        elif span.op in _HTTP_OPS and (call := _read_request(span)) is not None:
            calls.append(call)
    return calls


def _read_query(span: Span, statements: StatementReader) -> Call:
    system = span.attributes.get("db.system.name")
    system = system[:40].casefold() if isinstance(system, str) else ""
    if not system and span.op == "db.redis":
        system = "redis"
    statement = statements.read(span.statement, system)
    return Call(
        CallKind.DATABASE,
        statement.digest,
        statement.text,
        statement.operation,
        system,
        statement.tables,
        span.span_id,
        span.parent_span_id,
        span.started_us,
        span.duration_us,
        span.is_error,
    )


def _read_request(span: Span) -> Call | None:
    url = span.attributes.get("url.full")
    method, _, address = span.name.partition(" ")
    if not isinstance(url, str) or "://" not in url:
        url = address if "://" in address else span.name
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "")[:_HOST_MAX]
        if parts.port not in (None, 80, 443):
            host = f"{host}:{parts.port}"
    except ValueError:
        return None
    if not host:
        return None
    said = span.attributes.get("http.request.method")
    method = said if isinstance(said, str) and said else (method if address else "GET")
    method = method[:_METHOD_MAX].upper()
    path = template_path(parts.path or "/", is_raw=True)[:500]
    text = f"{method} {host}{path}"
    return Call(
        CallKind.HTTP,
        hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest(),
        text,
        method,
        host,
        (),
        span.span_id,
        span.parent_span_id,
        span.started_us,
        span.duration_us,
        span.is_error,
    )
