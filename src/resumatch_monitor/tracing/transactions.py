"""Sentry's transaction: a segment and its spans in one item."""

from typing import Any

from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, list_of_pairs
from resumatch_monitor.tracing.attributes import (
    put_attribute,
    read_attributes,
    read_measurements,
    take_text,
)
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.drafts import Draft, DraftItem
from resumatch_monitor.tracing.model import SpanLink, SpanStatus
from resumatch_monitor.tracing.naming import kind_of_op, status_of_text
from resumatch_monitor.tracing.times import read_microseconds

_TAGS_MAX = 50
_USER_MAX = 200


def read_transaction(payload: dict[str, Any], limits: SpanLimits) -> DraftItem:
    """Read a transaction; an unreadable span of it is left out and counted."""
    item = DraftItem(user=read_user(as_dict(payload.get("user"))))
    root = _read_root(payload, limits)
    if root is None:
        item.refuse("malformed")
        return item
    item.drafts.append(root)
    spans = as_list(payload.get("spans"))
    for raw in spans[: limits.spans_per_segment]:
        draft = read_v1_span(as_dict(raw), limits, trace_id=root.trace_id)
        if draft is None:
            item.refuse("malformed")
            continue
        draft.is_segment = False
        draft.segment_id, draft.segment_name = root.span_id, root.name
        draft.release, draft.environment = root.release, root.environment
        item.drafts.append(draft)
    if len(spans) > limits.spans_per_segment:
        item.refuse("too_many", len(spans) - limits.spans_per_segment)
    return item


def read_v1_span(raw: dict[str, Any], limits: SpanLimits, *, trace_id: str = "") -> Draft | None:
    """Read a span as it is in a transaction or in an item of its own; None if it is none.

    Args:
        raw: The JSON object.
        limits: What is cut.
        trace_id: Of the transaction that it is in.
    """
    own_trace_id = trace_id or read_trace_id(raw.get("trace_id"))
    span_id = read_span_id(raw.get("span_id"))
    start = read_microseconds(raw.get("start_timestamp"))
    if not own_trace_id or not span_id or start is None:
        return None
    attributes = read_attributes(raw.get("data"), limits)
    for name, value in list_of_pairs(raw.get("tags"))[:_TAGS_MAX]:
        # Python's SDK repeats the status as a tag.
        if name != "status":
            put_attribute(attributes, f"tag.{name}", value, limits)
    attributes.update(read_measurements(raw.get("measurements")))
    op = as_text(raw.get("op")) or take_text(attributes, "sentry.op")
    attributes.pop("sentry.op", None)
    status_text = as_text(raw.get("status"))
    end = read_microseconds(raw.get("timestamp"))
    return Draft(
        trace_id=own_trace_id,
        span_id=span_id,
        parent_span_id=read_span_id(raw.get("parent_span_id")),
        name=as_text(raw.get("description")) or take_text(attributes, "sentry.name") or op,
        op=op,
        kind=kind_of_op(op),
        status=status_of_text(status_text, attributes),
        status_text="" if status_text == "ok" else status_text,
        started_us=start,
        ended_us=start if end is None else end,
        is_segment=raw.get("is_segment") is True,
        segment_id=read_span_id(raw.get("segment_id")),
        attributes=attributes,
        links=read_links(raw.get("links"), limits),
    )


def read_links(value: object, limits: SpanLimits) -> tuple[SpanLink, ...]:
    """Read the links of a span of Sentry's."""
    links: list[SpanLink] = []
    for raw in as_list(value)[: limits.links_per_span]:
        link = as_dict(raw)
        trace_id = read_trace_id(link.get("trace_id"))
        span_id = read_span_id(link.get("span_id"))
        if trace_id and span_id:
            links.append(SpanLink(trace_id, span_id))
    return tuple(links)


def read_user(user: dict[str, Any]) -> str:
    """Return what tells a user apart without being an address of theirs; empty if nothing does."""
    for key in ("id", "username"):
        value = as_text(user.get(key))
        if value and "@" not in value:
            return f"{key}:{value[:_USER_MAX]}"
    return ""


def _read_root(payload: dict[str, Any], limits: SpanLimits) -> Draft | None:
    contexts = as_dict(payload.get("contexts"))
    trace = as_dict(contexts.get("trace"))
    root = read_v1_span(
        {
            **trace,
            "start_timestamp": payload.get("start_timestamp"),
            "timestamp": payload.get("timestamp"),
            "description": None,
            "measurements": payload.get("measurements"),
        },
        limits,
    )
    if root is None:
        return None
    root.name = as_text(payload.get("transaction")) or as_text(trace.get("description")) or root.op
    root.is_segment, root.segment_id, root.segment_name = True, root.span_id, root.name
    root.release = as_text(payload.get("release"))
    root.environment = as_text(payload.get("environment"))
    _add_circumstances(root, payload, contexts, limits)
    if root.status is SpanStatus.UNSET:
        root.status = status_of_text(root.status_text, root.attributes)
    return root


def _add_circumstances(
    root: Draft, payload: dict[str, Any], contexts: dict[str, Any], limits: SpanLimits
) -> None:
    """Add what the event says around its trace, under the names that streamed spans have."""
    request = as_dict(payload.get("request"))
    sdk = as_dict(payload.get("sdk"))
    found = {
        "http.request.method": request.get("method"),
        "url.full": request.get("url"),
        "http.response.status_code": as_dict(contexts.get("response")).get("status_code"),
        "server.address": payload.get("server_name"),
        "user.id": as_dict(payload.get("user")).get("id"),
        "sentry.platform": payload.get("platform"),
        "sentry.sdk.name": sdk.get("name"),
        "sentry.sdk.version": sdk.get("version"),
        "sentry.dist": payload.get("dist"),
        "sentry.span.source": as_dict(payload.get("transaction_info")).get("source"),
    }
    for name, value in found.items():
        put_attribute(root.attributes, name, value, limits)
    for name, value in list_of_pairs(payload.get("tags"))[:_TAGS_MAX]:
        put_attribute(root.attributes, f"tag.{name}", value, limits)
