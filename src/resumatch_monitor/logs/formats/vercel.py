"""Records of Vercel's log drains.

https://vercel.com/docs/drains/reference/logs
"""

from collections.abc import Generator, Mapping
from typing import Any, cast

import orjson

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults, read_document
from resumatch_monitor.logs.formats.objects import read_object
from resumatch_monitor.logs.record import LogRecord, parse_severity

VERCEL = "vercel"
"""Lines of this format are objects."""

_PREFIX = "vercel."
_OWN = {
    "host": "url.domain",
    "path": "url.path",
    "requestId": "http.request.id",
    "statusCode": "http.response.status_code",
    "traceId": "trace_id",
    "trace.id": "trace_id",
    "spanId": "span_id",
    "span.id": "span_id",
    "environment": "environment",
    "branch": "vcs.branch",
}
_OF_PROXY = {
    "method": "http.request.method",
    "scheme": "url.scheme",
    "host": "url.domain",
    "path": "url.original",
    "referer": "http.request.referrer",
    "statusCode": "http.response.status_code",
    "clientIp": "client.ip",
    "region": "cloud.region",
}
_CRASHED = -1
_SERVER_ERROR = 500
_TAKEN = frozenset({"id", "message", "timestamp", "level", "proxy", *_OWN})


def read_vercel(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of lines that the door looked at."""
    for line in chunk.payload.split(b"\n"):
        if line:
            entry: dict[str, Any] = orjson.loads(line)
            record_id = entry.get("id")
            yield read_document(
                _make_document(entry),
                defaults,
                record_id if isinstance(record_id, str) else "",
            )


def _make_document(entry: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    proxy = entry.get("proxy")
    if isinstance(proxy, dict):
        _put_proxy(document, cast("dict[str, Any]", proxy))
    for name, target in _OWN.items():
        if entry.get(name) is not None:
            document[target] = entry[name]
    document.update({_PREFIX + name: entry[name] for name in entry if name not in _TAKEN})
    status = document.get("http.response.status_code")
    message = entry.get("message")
    said = read_object(message) if isinstance(message, str) else None
    if said is not None:
        document.update(said)
    else:
        document["message"] = message or _describe(document)
    document["@timestamp"] = entry.get("timestamp")
    level = entry.get("level")
    # What the application said of itself counts more than what Vercel makes of its stream.
    if not _has_level(document):
        document["level"] = level or ("error" if _has_failed(status) else "info")
    return document


def _put_proxy(document: dict[str, Any], proxy: Mapping[str, Any]) -> None:
    for name, value in proxy.items():
        if name == "userAgent":
            agents: Any = value
            document["user_agent.original"] = (
                " ".join(map(str, cast("list[Any]", agents)))
                if isinstance(agents, list)
                else agents
            )
        elif name != "timestamp":
            document[_OF_PROXY.get(name, f"{_PREFIX}proxy.{name}")] = value


def _describe(document: Mapping[str, Any]) -> str:
    """Say what a request was that nobody wrote a line about."""
    names = ("http.request.method", "url.original", "http.response.status_code")
    values = [document.get(name) for name in names]
    if values[1] is None:
        values[1] = document.get("url.path")
    return " ".join(str(each) for each in values if each is not None)


def _has_failed(status: Any) -> bool:
    is_number = isinstance(status, int) and not isinstance(status, bool)
    return is_number and (status == _CRASHED or status >= _SERVER_ERROR)


def _has_level(document: Mapping[str, Any]) -> bool:
    level = document.get("level")
    return isinstance(level, int) or (isinstance(level, str) and parse_severity(level) > 0)
