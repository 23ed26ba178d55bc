import asyncio
import gzip
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import APIRouter
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.otlp import build_router
from resumatch_monitor.api.server import build_server
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from tests.support.clock import FakeClock
from tests.support.push import PushStack, open_stack
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 64 * 1024
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
TARGET = {"job": "shop/api", "instance": "pod-1"}


@pytest.fixture
def stack(tmp_path: Path, clock: FakeClock) -> Iterator[PushStack]:
    with open_stack(tmp_path, clock=clock) as stack:
        yield stack


def make_router(stack: PushStack, *, inflight_max_bytes: int = 10 * LIMIT) -> APIRouter:
    bodies = BodyReader(max_bytes=LIMIT, inflight_max_bytes=inflight_max_bytes)
    return build_router(
        metrics=stack.otlp,
        traces=stack.otlp,
        logs=stack.otlp,
        bodies=bodies,
        guard=make_guard(),
    )


@pytest.fixture
async def client(stack: PushStack) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(make_router(stack), token=BOB) as client:
        yield client


def make_request(stack: PushStack, *, value: float = 1.0, time_ms: int | None = None) -> Any:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="g")
    at_ms = stack.now_ms if time_ms is None else time_ms
    metric.gauge.data_points.add(as_double=value, time_unix_nano=at_ms * 1_000_000)
    return request


def _build_status() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="s.proto", package="google.rpc", syntax="proto3")
    message = file.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=5, label=1)
    message.field.add(name="message", number=2, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))


Status: Any = _build_status()


async def test_answers_as_it_was_asked(client: httpx.AsyncClient, stack: PushStack) -> None:
    body = make_request(stack).SerializeToString()

    answer = await client.post("/v1/metrics", content=body, headers=PROTOBUF)
    packed = {**PROTOBUF, "Content-Encoding": "gzip"}
    again = await client.post("/v1/metrics", content=gzip.compress(body), headers=packed)

    for each in (answer, again):
        assert (each.status_code, each.content) == (200, b"")
        assert each.headers["content-type"] == "application/x-protobuf"
    assert stack.samples("g") == {Labels.of(__name__="g"): {stack.now_ms: 1.0}}
    assert stack.own_metric("ingest_pending", signal="metrics") == 0


async def test_takes_json_in_pieces(client: httpx.AsyncClient, stack: PushStack) -> None:
    body = orjson.dumps(
        {
            "resourceMetrics": [
                {
                    "scopeMetrics": [
                        {
                            "metrics": [
                                {
                                    "name": "g",
                                    "gauge": {
                                        "dataPoints": [
                                            {
                                                "timeUnixNano": str(stack.now_ms * 1_000_000),
                                                "asInt": 3,
                                            }
                                        ]
                                    },
                                }
                            ]
                        }
                    ]
                }
            ]
        }
    )

    async def pieces() -> AsyncIterator[bytes]:
        for first in range(0, len(body), 50):
            yield body[first : first + 50]

    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = await client.post("/v1/metrics", content=pieces(), headers=headers)

    assert (answer.status_code, answer.json()) == (200, {})
    assert stack.samples("g") == {Labels.of(__name__="g"): {stack.now_ms: 3.0}}


async def test_says_which_points_are_refused(client: httpx.AsyncClient, stack: PushStack) -> None:
    await client.post(
        "/v1/metrics", content=make_request(stack).SerializeToString(), headers=PROTOBUF
    )
    body = make_request(stack, value=2.0).SerializeToString()

    answer = await client.post("/v1/metrics", content=body, headers=PROTOBUF)

    assert answer.status_code == 200
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_data_points == 1
    assert "another value at that time" in partial.error_message


async def test_says_which_points_are_refused_in_json(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    body = orjson.dumps(
        {
            "resourceMetrics": [
                {"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {"dataPoints": [{}]}}]}]}
            ]
        }
    )

    answer = await client.post("/v1/metrics", content=body, headers=JSON)

    assert answer.json() == {
        "partialSuccess": {
            "rejectedDataPoints": "1",
            "errorMessage": "'g': the point has no time",
        }
    }


async def test_asks_to_send_again_when_it_is_full(
    client: httpx.AsyncClient, stack: PushStack
) -> None:
    stack.disk.is_full = True
    body = make_request(stack).SerializeToString()

    answer = await client.post("/v1/metrics", content=body, headers=PROTOBUF)

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    status = Status.FromString(answer.content)
    assert status.code == 14
    assert "bytes of disk are free" in status.message


async def test_asks_to_send_again_when_too_much_comes_at_once(stack: PushStack) -> None:
    body = make_request(stack).SerializeToString()
    async with serve(make_router(stack, inflight_max_bytes=5), token=BOB) as client:
        answer = await client.post("/v1/metrics", content=body, headers=PROTOBUF)

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert Status.FromString(answer.content).code == 8


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\x0a\xff", PROTOBUF, 400),
        (b"{", JSON, 400),
        (b"", {"Content-Type": "text/plain"}, 415),
        (b"", {}, 415),
        (b"x", {**PROTOBUF, "Content-Encoding": "lzw"}, 415),
        (b"x", {**PROTOBUF, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(LIMIT + 1), mtime=0), {**JSON, "Content-Encoding": "gzip"}, 413),
        (bytes(LIMIT + 1), PROTOBUF, 413),
    ],
)
async def test_bad_bodies_are_refused_for_good(
    client: httpx.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/v1/metrics", content=body, headers=headers)

    assert answer.status_code == status
    if answer.headers["content-type"] == "application/json":
        said = answer.json()["message"]
    else:
        said = Status.FromString(answer.content).message
    assert said


async def test_only_editors_may_write(stack: PushStack) -> None:
    for token, status in ((None, 401), (CHARLIE, 403)):
        async with serve(make_router(stack), token=token) as client:
            answer = await client.post("/v1/metrics", content=b"", headers=PROTOBUF)
            assert answer.status_code == status


@asynccontextmanager
async def listen(stack: PushStack) -> AsyncGenerator[str]:
    app = build_app(routers=[make_router(stack)], ids=RandomIds(), telemetry=Telemetry())
    server = build_server(app, host="127.0.0.1", port=0)
    stop = asyncio.Event()
    await server.listen()
    serving = asyncio.create_task(server.serve_until(stop))
    yield f"http://127.0.0.1:{server.port}/v1/metrics"
    stop.set()
    await serving


def export_with_the_real_sdk(url: str, *, is_delta: bool, compression: Compression) -> None:
    temporality = (
        dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA) if is_delta else None
    )
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(
            endpoint=url,
            headers={"Authorization": f"Bearer {BOB}"},
            compression=compression,
            preferred_temporality=temporality,
        ),
        export_interval_millis=10**7,
    )
    resource = Resource(
        {
            "service.name": "api",
            "service.namespace": "shop",
            "service.instance.id": "pod-1",
            "host.name": "h1",
        }
    )
    provider = MeterProvider(metric_readers=[reader], resource=resource)
    meter = provider.get_meter("test")
    requests = meter.create_counter("http.requests", unit="{request}", description="Requests.")
    latency = meter.create_histogram(
        "http.latency", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1]
    )
    temperature = meter.create_gauge("room.temperature", unit="Cel")
    for _ in range(3):
        requests.add(2, {"http.route": "/a"})
        latency.record(0.5, {"http.route": "/a"})
        temperature.set(21.5)
        assert provider.force_flush()
    provider.shutdown()


@pytest.mark.parametrize("is_delta", [False, True])
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_real_sdk_is_understood(
    tmp_path: Path, *, is_delta: bool, compression: Compression, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        open_stack(tmp_path, clock=SystemClock()) as stack,
        caplog.at_level(logging.WARNING, "opentelemetry"),
    ):
        async with listen(stack) as url:
            await asyncio.to_thread(
                export_with_the_real_sdk, url, is_delta=is_delta, compression=compression
            )

        # The provider's end is a last export, which has deltas of nothing or the same once more.
        counted = stack.samples("http_requests_total")
        route = {**TARGET, "http_route": "/a"}
        [(labels, samples)] = counted.items()
        assert labels == Labels.of(route, __name__="http_requests_total")
        assert list(samples.values())[:3] == [2.0, 4.0, 6.0]
        buckets = stack.samples("http_latency_seconds_bucket")
        assert {each["le"]: list(found.values())[:3] for each, found in buckets.items()} == {
            "0.1": [0.0, 0.0, 0.0],
            "1": [1.0, 2.0, 3.0],
            "+Inf": [1.0, 2.0, 3.0],
        }
        [sums] = stack.samples("http_latency_seconds_sum").values()
        assert list(sums.values())[:3] == [0.5, 1.0, 1.5]
        [degrees] = stack.samples("room_temperature_celsius").values()
        assert set(degrees.values()) == {21.5}
        [info] = stack.samples("target_info")
        assert info["host_name"] == "h1"
        assert stack.metadata.read("http_requests_total")[0]["help"] == "Requests."
    assert [each.message for each in caplog.records] == []
