"""How Elasticsearch answers: its header, its errors, its documents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import Response

from resumatch_monitor.api.logs_render import render_time
from resumatch_monitor.logs.fields import FIELD_NAMES
from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.logs.store import StoredRecord

# Every client since 7.14 refuses a server that does not send it, whatever else it says.
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}

ECS_NAMES = {
    "message": "message",
    "severity": "log.level",
    "service": "service.name",
    "environment": "service.environment",
    "release": "service.version",
    "host": "host.name",
    "logger": "log.logger",
    "source": "event.module",
    "trace_id": "trace.id",
    "span_id": "span.id",
}
"""What the record's own fields are called in documents."""


def answer(body: Any, status: int = 200) -> Response:
    """Return a body as Elasticsearch's clients expect it."""
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers=PRODUCT
    )


def render_error(kind: str, reason: str, status: int = 400) -> dict[str, Any]:
    """Return an error in Elasticsearch's form."""
    error = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [error], **error}, "status": status}


def render_document(record: LogRecord) -> dict[str, Any]:
    """Return a record as a document with ECS names, which are dotted."""
    own = {name: getattr(record, name) for name in ECS_NAMES if name in FIELD_NAMES - {"message"}}
    own["severity"] = name_severity(record.severity)
    shown = {ECS_NAMES[name]: value for name, value in own.items() if value}
    return {
        "@timestamp": render_time(record.timestamp_us),
        "message": record.body,
        **shown,
        **record.attributes,
    }


def render_hit(stored: StoredRecord, index: str, source: Any) -> dict[str, Any]:
    """Return a record as a hit; with what the next page goes on after, the place as a text."""
    document = render_document(stored.record)
    hit: dict[str, Any] = {
        "_index": index,
        "_id": str(stored.seq),
        "_score": None,
        "sort": [stored.record.timestamp_us // 1_000, str(stored.seq)],
    }
    if source is not False:
        hit["_source"] = document if source is True else _choose(document, source)
    return hit


def infer_types(records: Iterable[LogRecord]) -> dict[str, str]:
    """Return the type of each field that records have, in Elasticsearch's words."""
    types = dict.fromkeys(ECS_NAMES.values(), "keyword")
    types |= {"@timestamp": "date", "message": "text"}
    for record in records:
        for name, value in record.attributes.items():
            types.setdefault(name, _name_type(value))
    return types


def _choose(document: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    exact = {name for name in names if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return {
        name: value
        for name, value in document.items()
        if name in exact or (prefixes and name.startswith(prefixes))
    }


def _name_type(value: Any) -> str:
    if isinstance(value, list):
        return _name_type(value[0]) if value else "keyword"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    return "double" if isinstance(value, float) else "keyword"
