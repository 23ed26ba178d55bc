"""`POST /v1/traces`, as OpenTelemetry's own exporter uses it."""

import asyncio
import gzip
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import APIRouter
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.otlp import build_router
from resumatch_monitor.api.server import build_server
from resumatch_monitor.kit.clock import Clock, SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.tracing.config import SpanLimits, TracingConfig
from resumatch_monitor.tracing.store import SegmentQuery
from tests.api.test_otlp import Status
from tests.support.push import open_stack
from tests.support.tracing import TraceStack, open_trace_stack
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def traces(tmp_path: Path) -> AsyncGenerator[TraceStack]:
    async with open_trace_stack(tmp_path, clock=SystemClock()) as stack:
        yield stack


@pytest.fixture
async def router(traces: TraceStack, tmp_path: Path) -> AsyncGenerator[APIRouter]:
    with open_stack(tmp_path / "metrics", clock=SystemClock()) as stack:
        yield build_router(
            metrics=stack.otlp,
            traces=traces.receiver,
            logs=stack.otlp,
            bodies=BodyReader(max_bytes=LIMIT),
            guard=make_guard(),
        )


@pytest.fixture
async def client(router: APIRouter) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(router, token=BOB) as client:
        yield client


def make_request() -> ExportTraceServiceRequest:
    """Return what the SDK would send of a span in another."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    return encode_spans(kept.get_finished_spans())


async def test_what_is_answered_with_200_is_kept(
    client: httpx.AsyncClient, traces: TraceStack
) -> None:
    answer = await client.post(
        "/v1/traces",
        content=gzip.compress(make_request().SerializeToString()),
        headers={**PROTOBUF, "Content-Encoding": "gzip"},
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    await traces.digest_all()
    (segment,) = (await traces.store.search(SegmentQuery())).items
    assert (segment.name, segment.service, segment.span_count) == ("outer", "shop", 2)


async def test_spans_without_ids_are_refused_and_the_others_kept(
    client: httpx.AsyncClient, traces: TraceStack
) -> None:
    request = make_request()
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    answer = await client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_spans == 1
    assert "no trace id" in partial.error_message
    await traces.digest_all()
    assert len((await traces.store.search(SegmentQuery())).items) == 1


@pytest.mark.parametrize("is_json", [False, True])
async def test_what_a_request_has_too_much_is_refused_and_the_rest_kept(
    tmp_path: Path, clock: Clock, is_json: bool
) -> None:
    config = TracingConfig(limits=SpanLimits(spans_per_request=3))
    request = make_request()
    for _ in range(2):
        request.resource_spans.extend(make_request().resource_spans)
    body = request.SerializeToString()
    if is_json:
        ids = {"traceId": "a" * 32, "spanId": "b" * 16}
        spans = [{**ids, "name": f"span {number}"} for number in range(6)]
        body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    async with open_trace_stack(tmp_path, clock=clock, config=config) as traces:
        partial = await traces.receiver.take(body, is_json=is_json)
        await traces.digest_all()

        assert partial.rejected == 3
        assert "of 6 spans the first 3 are taken" in partial.message
        assert (
            traces.telemetry.registry.get_sample_value(
                "resumatch_monitor_ingest_rejected_total", {"signal": "traces", "reason": "refused"}
            )
            == 3
        )


async def test_json_is_answered_in_json(client: httpx.AsyncClient) -> None:
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]})
    answer = await client.post("/v1/traces", content=body, headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


async def test_an_exporter_is_asked_to_come_again_when_too_much_waits(
    tmp_path: Path, clock: Clock
) -> None:
    with open_stack(tmp_path / "metrics", clock=clock) as metrics:
        async with (
            open_trace_stack(tmp_path, clock=clock, free_bytes=lambda _: 0) as traces,
            serve(
                build_router(
                    metrics=metrics.otlp,
                    traces=traces.receiver,
                    logs=metrics.otlp,
                    bodies=BodyReader(max_bytes=LIMIT),
                    guard=make_guard(),
                ),
                token=BOB,
            ) as client,
        ):
            answer = await client.post(
                "/v1/traces", content=make_request().SerializeToString(), headers=PROTOBUF
            )
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert Status.FromString(answer.content).code == 8


async def test_what_is_no_request_is_refused_for_good(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/traces", content=b"\xff\xff", headers=PROTOBUF)
    assert answer.status_code == 400
    assert "ExportTraceServiceRequest" in Status.FromString(answer.content).message


async def test_only_editors_may_send(router: APIRouter) -> None:
    for token, status in ((None, 401), (CHARLIE, 403)):
        async with serve(router, token=token) as client:
            assert (await client.post("/v1/traces", headers=PROTOBUF)).status_code == status


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_real_exporter_is_understood(
    router: APIRouter, traces: TraceStack, compression: Compression
) -> None:
    app = build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with provider.get_tracer("tests").start_as_current_span("outer"):
        pass
    server = build_server(app, host="127.0.0.1", port=0)
    stop = asyncio.Event()
    await server.listen()
    serving = asyncio.create_task(server.serve_until(stop))
    exporter = OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{server.port}/v1/traces",
        headers={"Authorization": f"Bearer {BOB}"},
        compression=compression,
    )
    result = await asyncio.to_thread(exporter.export, kept.get_finished_spans())
    exporter.shutdown()
    stop.set()
    await serving
    assert result is SpanExportResult.SUCCESS
    await traces.digest_all()
    (segment,) = (await traces.store.search(SegmentQuery())).items
    assert segment.name == "outer"
