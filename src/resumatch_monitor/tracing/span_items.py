"""Sentry's span items: v2, as SDKs stream them, and v1, as browsers send single ones."""

from typing import Any

from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, is_list
from resumatch_monitor.tracing.attributes import read_attributes, take_text, text_of
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.drafts import Draft, DraftItem
from resumatch_monitor.tracing.model import SpanKind, SpanStatus
from resumatch_monitor.tracing.naming import kind_of_op, name_page, status_of_text
from resumatch_monitor.tracing.times import read_microseconds
from resumatch_monitor.tracing.transactions import read_links, read_user, read_v1_span

_SPANS_MAX = 5_000


def read_span_item(payload: dict[str, Any], limits: SpanLimits) -> DraftItem:
    """Read an item of type `span`; an unreadable span of it is left out and counted."""
    item = DraftItem()
    if is_list(payload.get("items")):
        spans = as_list(payload["items"])
        for raw in spans[:_SPANS_MAX]:
            _add(item, _read_v2_span(as_dict(raw), limits))
        if len(spans) > _SPANS_MAX:
            item.refuse("too_many", len(spans) - _SPANS_MAX)
    else:
        draft = read_v1_span(payload, limits)
        if draft is not None:
            _take_circumstances(draft)
        _add(item, draft)
    item.user = next((user for user in map(_user_of, item.drafts) if user), "")
    return item


def _add(item: DraftItem, draft: Draft | None) -> None:
    if draft is None:
        item.refuse("malformed")
    else:
        item.drafts.append(draft)


def _read_v2_span(raw: dict[str, Any], limits: SpanLimits) -> Draft | None:
    trace_id, span_id = read_trace_id(raw.get("trace_id")), read_span_id(raw.get("span_id"))
    start = read_microseconds(raw.get("start_timestamp"))
    if not trace_id or not span_id or start is None:
        return None
    attributes = read_attributes(raw.get("attributes"), limits)
    op = take_text(attributes, "sentry.op")
    status = as_text(raw.get("status"))
    detail = take_text(attributes, "sentry.status.message", "sentry.status_message")
    end = read_microseconds(raw.get("end_timestamp"))
    is_error = status == "error"
    draft = Draft(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=read_span_id(raw.get("parent_span_id")),
        name=as_text(raw.get("name")) or text_of(attributes, "sentry.description") or op,
        op=op,
        kind=_read_kind(raw, op),
        status=SpanStatus.ERROR if is_error else status_of_text(status, attributes),
        status_text=detail or ("error" if is_error else ""),
        started_us=start,
        ended_us=start if end is None else end,
        is_segment=raw.get("is_segment") is True,
        attributes=attributes,
        links=read_links(raw.get("links"), limits),
    )
    if draft.is_segment:
        draft.name = name_page(draft.name, op, attributes)
    _take_circumstances(draft)
    return draft


def _take_circumstances(draft: Draft) -> None:
    """Move what has a field of its own out of the attributes."""
    attributes = draft.attributes
    stated = read_span_id(take_text(attributes, "sentry.segment.id", "sentry.segment_id"))
    name = take_text(attributes, "sentry.segment.name", "sentry.transaction", "transaction")
    draft.segment_id = draft.segment_id or stated
    draft.segment_name = name
    draft.release = take_text(attributes, "sentry.release", "release")
    draft.environment = take_text(attributes, "sentry.environment", "environment")
    draft.service = take_text(attributes, "service.name")
    if draft.is_segment:
        draft.segment_id, draft.segment_name = draft.span_id, draft.name


def _read_kind(raw: dict[str, Any], op: str) -> SpanKind:
    try:
        return SpanKind(as_text(raw.get("kind")))
    except ValueError:
        return kind_of_op(op)


def _user_of(draft: Draft) -> str:
    attributes = draft.attributes
    return read_user({"id": attributes.get("user.id"), "username": attributes.get("user.name")})
