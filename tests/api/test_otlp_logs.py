"""`POST /v1/logs`, as OpenTelemetry's SDKs use it."""

import gzip
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.otlp import build_router
from resumatch_monitor.logs.otlp_receiver import OtlpLogReceiver
from tests.support.clock import FakeClock
from tests.support.log_doors import LogDoors, open_log_doors
from tests.support.push import open_stack
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

LIMIT = 256 * 1024
MOST = 3
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def doors(tmp_path: Path, clock: FakeClock) -> Iterator[LogDoors]:
    with open_log_doors(tmp_path, clock=clock) as doors:
        yield doors


@pytest.fixture
async def client(
    doors: LogDoors, tmp_path: Path, clock: FakeClock
) -> AsyncGenerator[httpx.AsyncClient]:
    logs = OtlpLogReceiver(receiver=doors.receiver, metrics=doors.metrics, most_records=MOST)
    with open_stack(tmp_path / "metrics", clock=clock) as stack:
        router = build_router(
            metrics=stack.otlp,
            traces=stack.otlp,
            logs=logs,
            bodies=BodyReader(max_bytes=LIMIT),
            guard=make_guard(),
        )
        async with serve(router, token=BOB) as client:
            yield client


def make_json(*records: dict[str, Any], resource: dict[str, str] | None = None) -> bytes:
    """Return what the JavaScript SDK would send: ids are hexadecimal, whole numbers texts."""
    attributes = [
        {"key": key, "value": {"stringValue": value}} for key, value in (resource or {}).items()
    ]
    scope_logs = {"scope": {"name": "shop.cart"}, "logRecords": records}
    return orjson.dumps(
        {"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [scope_logs]}]}
    )


def make_text(text: str, **more: Any) -> dict[str, Any]:
    return {"timeUnixNano": "1767614399123456789", "body": {"stringValue": text}, **more}


async def test_a_record_has_all_that_was_said(client: httpx.AsyncClient, doors: LogDoors) -> None:
    attributes = [
        {"key": "exception.type", "value": {"stringValue": "KeyError"}},
        {"key": "exception.stacktrace", "value": {"stringValue": "Traceback …"}},
        {"key": "code.line.number", "value": {"intValue": "7"}},
        {"key": "ratio", "value": {"doubleValue": 0.5}},
        {"key": "tags", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        {
            "key": "user",
            "value": {"kvlistValue": {"values": [{"key": "id", "value": {"intValue": "3"}}]}},
        },
    ]
    record = make_text(
        "it failed",
        severityNumber=18,
        severityText="ERROR2",
        traceId=TRACE,
        spanId=SPAN,
        attributes=attributes,
    )
    resource = {
        "service.name": "shop",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
        "host.name": "web-1",
        "cloud.region": "fra",
    }

    answer = await client.post(
        "/v1/logs", content=make_json(record, resource=resource), headers=JSON
    )

    assert (answer.status_code, answer.json()) == (200, {})
    kept = await doors.record()
    assert kept.timestamp_us == 1_767_614_399_123_456
    assert (kept.severity, kept.body, kept.source) == (18, "it failed", "otlp")
    assert kept.severity_text == "ERROR2"
    assert (kept.service, kept.release) == ("shop", "1.2")
    assert (kept.environment, kept.host, kept.logger) == ("staging", "web-1", "shop.cart")
    assert (kept.trace_id, kept.span_id) == (TRACE, SPAN)
    assert kept.stack_trace == "Traceback …"
    assert kept.attributes["exception.type"] == "KeyError"
    assert kept.attributes["code.line.number"] == 7
    assert kept.attributes["ratio"] == 0.5
    assert kept.attributes["tags"] == ["a"]
    assert kept.attributes["user.id"] == 3
    assert kept.attributes["cloud.region"] == "fra"


async def test_protobuf_is_kept_as_it_came(client: httpx.AsyncClient, doors: LogDoors) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    # Its bytes have a line break in them.
    record.body.string_value = "two\nlines"
    record.observed_time_unix_nano = 1_767_614_399_000_000_000
    record.severity_text = "WARN"

    answer = await client.post(
        "/v1/logs",
        content=gzip.compress(request.SerializeToString()),
        headers={**PROTOBUF, "Content-Encoding": "gzip"},
    )

    assert (answer.status_code, answer.content) == (200, b"")
    kept = await doors.record()
    assert (kept.body, kept.severity, kept.severity_text) == ("two\nlines", 13, "WARN")
    assert kept.timestamp_us == 1_767_614_399_000_000


def _map(**members: Any) -> dict[str, Any]:
    return {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in members.items()]}}


@pytest.mark.parametrize(
    ("body", "attributes", "said", "kept"),
    [
        (_map(msg={"stringValue": "hi"}, n={"intValue": "1"}), [], "hi", {"n": 1}),
        (_map(n={"intValue": "1"}), [], '{"n":1}', {"n": 1}),
        ({"arrayValue": {"values": [{"intValue": "1"}]}}, [], "[1]", {}),
        ({"intValue": "5"}, [], "5", {}),
        ({}, [], "", {}),
        (
            {"stringValue": "mine"},
            [{"key": "message", "value": {"stringValue": "other"}}],
            "mine",
            {"attributes.message": "other"},
        ),
    ],
)
async def test_a_body_is_of_any_kind(
    client: httpx.AsyncClient,
    doors: LogDoors,
    body: Any,
    attributes: Any,
    said: str,
    kept: dict[str, Any],
) -> None:
    record = {"body": body, "attributes": attributes}
    answer = await client.post("/v1/logs", content=make_json(record), headers=JSON)
    assert answer.status_code == 200
    found = await doors.record()
    assert (found.body, found.attributes) == (said, kept)


async def test_of_too_many_the_rest_is_refused_and_counted(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    records = [make_text(str(n), traceId="no id") for n in range(MOST + 2)]
    answer = await client.post("/v1/logs", content=make_json(*records), headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "2"

    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(MOST + 1):
        scope.log_records.add()
    answer = await client.post("/v1/logs", content=request.SerializeToString(), headers=PROTOBUF)
    told = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_log_records == 1
    assert "first 3" in told.error_message

    kept = await doors.records()
    assert [each.body for each in kept] == ["0", "1", "2", "", "", ""]
    assert kept[0].trace_id == ""


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"nonsense", PROTOBUF, 400),
        (b"[]", JSON, 400),
        (b"{", JSON, 400),
        (b'{"resourceLogs": 5}', JSON, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * (LIMIT + 1), JSON, 413),
    ],
)
async def test_what_is_no_request_is_refused(
    client: httpx.AsyncClient, doors: LogDoors, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post("/v1/logs", content=body, headers=headers)
    assert answer.status_code == status
    assert not doors.spool.pending


async def test_a_full_disk_makes_senders_come_again(
    client: httpx.AsyncClient, doors: LogDoors
) -> None:
    doors.disk.is_full = True
    answer = await client.post("/v1/logs", content=make_json(make_text("x")), headers=JSON)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_only_editors_may_send(client: httpx.AsyncClient) -> None:
    headers = {**JSON, "Authorization": f"Bearer {CHARLIE}"}
    answer = await client.post("/v1/logs", content=make_json(make_text("x")), headers=headers)
    assert answer.status_code == 403
