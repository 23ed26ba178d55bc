"""OpenTelemetry's spans, from the bodies of `/v1/traces`."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from resumatch_monitor.metrics.otlp.body import parse_json, parse_protobuf
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.tracing.attributes import put_attribute, take_text
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.drafts import Draft, DraftItem
from resumatch_monitor.tracing.model import SpanEvent, SpanKind, SpanLink, SpanStatus
from resumatch_monitor.tracing.naming import op_of_kind

_DEEPEST = 8
_KINDS = (
    *(SpanKind.INTERNAL, SpanKind.INTERNAL, SpanKind.SERVER),
    *(SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER),
)
_STATUSES = (SpanStatus.UNSET, SpanStatus.OK, SpanStatus.ERROR)
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_ENTRY_KINDS = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
_ON_ROOTS = ("service.", "host.name", "cloud.", "k8s.", "telemetry.sdk.", "process.runtime.")


def parse_request(body: bytes, *, is_json: bool) -> ExportTraceServiceRequest:
    """Parse a body; an id that is none is left empty, and its span is refused alone.

    Raises:
        MalformedOtlpError: If it is malformed.
    """
    if is_json:
        return parse_json(body, ExportTraceServiceRequest, drops_bad_ids=True)
    return parse_protobuf(body, ExportTraceServiceRequest)


def drop_surplus(request: ExportTraceServiceRequest, most: int) -> int:
    """Leave the first `most` spans in a request; return how many were dropped."""
    left, dropped = most, 0
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            surplus = max(0, len(scope.spans) - left)
            if surplus:
                dropped += surplus
                del scope.spans[len(scope.spans) - surplus :]
            left -= len(scope.spans)
    return dropped


def count_spans(request: ExportTraceServiceRequest) -> tuple[int, int]:
    """Return how many spans a request has, and how many of them have no ids and so no place."""
    count = bad = 0
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            count += len(scope.spans)
            bad += sum(len(span.trace_id) != 16 or len(span.span_id) != 8 for span in scope.spans)
    return count, bad


def read_otlp(request: ExportTraceServiceRequest, limits: SpanLimits) -> DraftItem:
    """Read the spans of a request; those without ids, or too many, are left out and counted."""
    item = DraftItem()
    # The door drops them; an earlier version's did not.
    if surplus := drop_surplus(request, limits.spans_per_request):
        item.refuse("too_many", surplus)
    for resource in request.resource_spans:
        _read_resource(item, resource, limits)
    return item


def _read_resource(item: DraftItem, resource: ResourceSpans, limits: SpanLimits) -> None:
    common = _read_attributes(resource.resource.attributes, limits)
    service = take_text(common, "service.name")
    release = take_text(common, "service.version")
    environment = take_text(common, "deployment.environment.name")
    on_roots = {name: common[name] for name in common if name.startswith(_ON_ROOTS)}
    for scope in resource.scope_spans:
        for raw in scope.spans:
            draft = _read_span(raw, limits)
            if draft is None:
                item.refuse("malformed")
                continue
            draft.service, draft.release, draft.environment = service, release, environment
            if scope.scope.name:
                put_attribute(draft.attributes, "otel.scope.name", scope.scope.name, limits)
            if draft.is_segment:
                for name, value in on_roots.items():
                    put_attribute(draft.attributes, name, value, limits)
            item.drafts.append(draft)


def _read_span(raw: OtlpSpan, limits: SpanLimits) -> Draft | None:
    trace_id, span_id = read_trace_id(raw.trace_id.hex()), read_span_id(raw.span_id.hex())
    if not trace_id or not span_id:
        return None
    kind = _KINDS[raw.kind] if 0 <= raw.kind < len(_KINDS) else SpanKind.INTERNAL
    code = raw.status.code
    status = _STATUSES[code] if 0 <= code < len(_STATUSES) else SpanStatus.UNSET
    parent = read_span_id(raw.parent_span_id.hex())
    attributes = _read_attributes(raw.attributes, limits)
    op = take_text(attributes, "sentry.op") or op_of_kind(kind, attributes)
    is_segment = _is_segment(raw.flags, kind, parent)
    return Draft(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=raw.name or op,
        op=op,
        kind=kind,
        status=status,
        status_text=raw.status.message if status is SpanStatus.ERROR else "",
        started_us=raw.start_time_unix_nano // 1_000,
        ended_us=raw.end_time_unix_nano // 1_000 or raw.start_time_unix_nano // 1_000,
        is_segment=is_segment,
        segment_id=span_id if is_segment else "",
        attributes=attributes,
        links=_read_links(raw.links, limits),
        events=[
            SpanEvent(
                event.name,
                event.time_unix_nano // 1_000,
                _read_attributes(event.attributes, limits),
            )
            for event in list(raw.events)[: limits.events_per_span]
        ],
    )


def _is_segment(flags: int, kind: SpanKind, parent: str) -> bool:
    """Tell whether a span is where its trace enters a service."""
    if not parent:
        return True
    if flags & _HAS_IS_REMOTE:
        return bool(flags & _IS_REMOTE)
    return kind in _ENTRY_KINDS


def _read_links(links: Iterable[OtlpSpan.Link], limits: SpanLimits) -> tuple[SpanLink, ...]:
    read: list[SpanLink] = []
    for link in list(links)[: limits.links_per_span]:
        trace_id, span_id = read_trace_id(link.trace_id.hex()), read_span_id(link.span_id.hex())
        if trace_id and span_id:
            read.append(SpanLink(trace_id, span_id))
    return tuple(read)


def _read_attributes(pairs: Sequence[KeyValue], limits: SpanLimits) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in pairs:
        put_attribute(attributes, pair.key, _to_plain(pair.value, 0), limits)
    return attributes


def _to_plain(value: AnyValue, depth: int) -> object:
    which = value.WhichOneof("value")
    if which is None or depth > _DEEPEST:
        return None
    if which == "array_value":
        return [_to_plain(each, depth + 1) for each in value.array_value.values]
    if which == "kvlist_value":
        return {each.key: _to_plain(each.value, depth + 1) for each in value.kvlist_value.values}
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return cast("Mapping[str, object] | object", getattr(value, which))
