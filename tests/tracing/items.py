"""Records as the door leaves them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from resumatch_monitor.sentry.items import ItemKind, ItemRecord

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
NOW_S = NOW.timestamp()
RETENTION = timedelta(days=30)
TRACE_ID = "4140c6d1d8e84a4ab2a3c7f9e2b1a0c3"
ROOT_ID = "b02b587752e98175"
CHILD_ID = "828090b169500f6c"


def make_record(
    kind: ItemKind, payload: Any, *, sent_at: datetime | None = None, project_id: int = 1
) -> ItemRecord:
    """Return a record of project 1 that arrived at `NOW`."""
    data = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return ItemRecord(
        kind=kind,
        project_id=project_id,
        item_id="1" * 32,
        received_at=NOW,
        payload=data,
        sent_at=sent_at,
    )


def make_transaction(**fields: Any) -> dict[str, Any]:
    """Return a transaction that took the last second before `NOW`, with one span."""
    transaction: dict[str, Any] = {
        "type": "transaction",
        "transaction": "/users/{id}",
        "contexts": {"trace": {"trace_id": TRACE_ID, "span_id": ROOT_ID, "op": "http.server"}},
        "start_timestamp": NOW_S - 1,
        "timestamp": NOW_S,
        "release": "web@9",
        "environment": "production",
        "spans": [make_v1_span()],
    }
    return {**transaction, **fields}


def make_v1_span(**fields: Any) -> dict[str, Any]:
    """Return a span as it is in a transaction."""
    span = {
        "trace_id": TRACE_ID,
        "span_id": CHILD_ID,
        "parent_span_id": ROOT_ID,
        "op": "db",
        "description": "SELECT * FROM users WHERE id = %s",
        "start_timestamp": NOW_S - 0.75,
        "timestamp": NOW_S - 0.5,
        "data": {"db.system": "postgresql"},
    }
    return {**span, **fields}


def make_v2_span(span_id: str = ROOT_ID, parent: str = "", **fields: Any) -> dict[str, Any]:
    """Return a span as SDKs stream it."""
    span: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": span_id,
        "name": "GET /users/{id}",
        "status": "ok",
        "is_segment": not parent,
        "start_timestamp": NOW_S - 1,
        "end_timestamp": NOW_S,
        "attributes": typed(
            **{
                "sentry.op": "http.server",
                "sentry.segment.id": ROOT_ID,
                "sentry.segment.name": "GET /users/{id}",
                "sentry.release": "web@9",
                "sentry.environment": "production",
                "http.response.status_code": 200,
            }
        ),
    }
    if parent:
        span["parent_span_id"] = parent
    return {**span, **fields}


def make_v2_item(*spans: Any) -> dict[str, Any]:
    """Return the payload of an item of streamed spans."""
    return {"version": 2, "items": list(spans)}


def typed(**values: Any) -> dict[str, Any]:
    """Return attributes as protocol version 2 has them."""
    names = (("string", str), ("boolean", bool), ("integer", int), ("double", float))
    return {
        key: {
            "value": value,
            "type": next((name for name, kind in names if isinstance(value, kind)), "array"),
        }
        for key, value in values.items()
    }
