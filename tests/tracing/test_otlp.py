"""OpenTelemetry's own exporter is understood, in protobuf and in JSON."""

import base64
from typing import Any, cast

import orjson
import pytest
from google.protobuf import json_format
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.values import as_dict, as_list
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.otlp import count_spans, drop_surplus, parse_request, read_otlp
from resumatch_monitor.tracing.reading import OTLP_HEADER, SpanReader
from tests.tracing.items import NOW

REMOTE = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _export() -> Any:
    """Return what the SDK exports of a request that another service made."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource(
            {
                "service.name": "web",
                "service.version": "9",
                "deployment.environment.name": "production",
                "host.name": "web-1",
            }
        )
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    context = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    with tracer.start_as_current_span(
        "GET /users/{id}",
        context=context,
        kind=SpanKind.SERVER,
        attributes={"http.request.method": "GET", "http.response.status_code": 500},
    ) as root:
        with tracer.start_as_current_span(
            "SELECT users",
            kind=SpanKind.CLIENT,
            attributes={"db.system": "postgresql", "db.statement": "SELECT 'x'", "ids": [1, 2]},
            links=[trace.Link(SpanContext(0x1, 0x2, is_remote=True))],
        ):
            pass
        root.record_exception(ValueError("no such user bob@example.com"))
        root.set_status(Status(StatusCode.ERROR, "failed"))
    return encode_spans(exporter.get_finished_spans())


def _to_json(request: Any) -> bytes:
    """Return a request as OTLP's JSON has it: hexadecimal ids, numbers for enumerations."""
    document = json_format.MessageToDict(request, use_integers_for_enums=True)

    def mend(value: Any) -> Any:
        if isinstance(value, list):
            return [mend(each) for each in as_list(cast("object", value))]
        if not isinstance(value, dict):
            return value
        value = as_dict(cast("object", value))
        return {
            name: base64.b64decode(each).hex()
            if name in ("traceId", "spanId", "parentSpanId")
            else mend(each)
            for name, each in value.items()
        }

    return orjson.dumps(mend(document))


@pytest.mark.parametrize("is_json", [False, True])
def test_what_the_sdk_exports_is_read(reader: SpanReader, is_json: bool) -> None:
    request = _export()
    body = _to_json(request) if is_json else request.SerializeToString()
    parsed = parse_request(body, is_json=is_json)
    assert parsed == request
    record = ItemRecord(
        kind=ItemKind.SPAN,
        project_id=0,
        item_id="1" * 32,
        received_at=NOW,
        payload=parsed.SerializeToString(),
        headers={OTLP_HEADER: "protobuf"},
    )
    child, root = reader.read(record).spans
    assert (root.trace_id, root.parent_span_id) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert (root.is_segment, child.is_segment, child.parent_span_id) == (True, False, root.span_id)
    assert (root.project_id, root.service, root.release, root.environment) == (
        1,
        "web",
        "9",
        "production",
    )
    assert (root.op, child.op, child.statement) == ("http.server", "db", "SELECT ?")
    assert (root.status, root.status_text) == (SpanStatus.ERROR, "failed")
    assert child.attributes["ids"] == [1, 2]
    assert root.attributes["host.name"] == "web-1"
    assert "host.name" not in child.attributes
    assert child.links[0].span_id == f"{2:016x}"
    (event,) = root.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "ValueError"
    assert "bob@example.com" not in repr(root)


def test_spans_without_ids_are_counted_and_the_others_taken() -> None:
    request = _export()
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].span_id = b""
    assert count_spans(request) == (2, 1)
    item = read_otlp(request, SpanLimits())
    assert len(item.drafts) == 1
    assert item.refused == {"malformed": 1}


@pytest.mark.parametrize("most", [0, 1, 3, 9])
def test_the_first_spans_of_a_request_are_kept(most: int) -> None:
    request, more = _export(), _export()
    request.resource_spans.extend(more.resource_spans)

    dropped = drop_surplus(request, most)

    assert dropped == max(0, 4 - most)
    assert count_spans(request)[0] == min(4, most)
    item = read_otlp(more, SpanLimits(spans_per_request=1))
    assert (len(item.drafts), item.refused) == (1, {"too_many": 1})


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"nonsense", b'{"resourceSpans": 7}', b'{"resourceSpans":[{"scopeSpans":"x"}]}'],
)
def test_what_is_no_json_request_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedOtlpError):
        parse_request(body, is_json=True)


def test_what_is_no_protobuf_is_refused() -> None:
    with pytest.raises(MalformedOtlpError):
        parse_request(b"\xff\xff\xff", is_json=False)


def test_an_id_that_is_not_hexadecimal_costs_its_span_alone() -> None:
    body = _to_json(_export()).replace(b"0000000000000abc", b"zzzzzzzzzzzzzzzz", 1)
    count, bad = count_spans(parse_request(body, is_json=True))
    assert (count, bad) == (2, 1)
