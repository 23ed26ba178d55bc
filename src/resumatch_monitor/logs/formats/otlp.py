"""OpenTelemetry's log records.

https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

import base64
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import orjson

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults, read_document
from resumatch_monitor.logs.record import LogRecord

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OtlpRecord

OTLP = "otlp"
"""A chunk of this format is one `ExportLogsServiceRequest` in protobuf."""

_DEEPEST = 16
_MESSAGE = "message"
_WORD = "severity_text"
_LONGEST_WORD = 50
_BODIES = ("message", "msg", "body", "text")


def read_otlp(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of a request."""
    # Protobuf and the messages' classes take five mebibytes and a fifth of a second; many a
    # monitor is never sent any.
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceRequest,
    )

    request = ExportLogsServiceRequest.FromString(chunk.payload)
    for resource in request.resource_logs:
        of_resource = _read_attributes(resource.resource.attributes, 0)
        for scope in resource.scope_logs:
            common = {**of_resource, **_read_attributes(scope.scope.attributes, 0)}
            if scope.scope.name:
                common.setdefault("logger.name", scope.scope.name)
            for record in scope.log_records:
                yield _keep_word(read_document(_make_document(record, common), defaults))


def drop_surplus(request: "ExportLogsServiceRequest", most: int) -> tuple[int, int]:
    """Leave the first `most` records in a request; return how many there are, and were dropped."""
    left, dropped = most, 0
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            surplus = max(0, len(scope.log_records) - left)
            if surplus:
                dropped += surplus
                del scope.log_records[len(scope.log_records) - surplus :]
            left -= len(scope.log_records)
    return most - left, dropped


def _make_document(record: "OtlpRecord", common: dict[str, Any]) -> dict[str, Any]:
    document = {**common, **_read_attributes(record.attributes, 0)}
    _put_body(document, _to_plain(record.body, 0))
    document["@timestamp"] = _to_microseconds(record)
    if record.severity_number:
        document["severity_number"] = record.severity_number
    if record.severity_text:
        document[_WORD] = record.severity_text
    if record.trace_id:
        document["trace_id"] = record.trace_id.hex()
    if record.span_id:
        document["span_id"] = record.span_id.hex()
    if record.event_name:
        document["event.name"] = record.event_name
    stack = document.pop("exception.stacktrace", None)
    if stack is not None:
        document["error.stack_trace"] = stack
    return document


def _to_microseconds(record: "OtlpRecord") -> int | None:
    return (record.time_unix_nano or record.observed_time_unix_nano) // 1_000 or None


def _keep_word(record: LogRecord) -> LogRecord:
    """Return a record with the word for its severity also where only the number is understood."""
    word = record.attributes.get(_WORD)
    if not record.severity or not isinstance(word, str):
        return record
    others = {name: value for name, value in record.attributes.items() if name != _WORD}
    return replace(record, severity_text=word[:_LONGEST_WORD], attributes=others)


def _put_body(document: dict[str, Any], body: Any) -> None:
    """Put what was said into a document; a map's members are attributes like any others."""
    if isinstance(body, dict):
        said = cast("dict[str, Any]", body)
        document.update(said)
        if not any(isinstance(said.get(name), str) for name in _BODIES):
            document[_MESSAGE] = _render(said)
    elif body is not None:
        other = document.pop(_MESSAGE, None)
        if other is not None:
            document["attributes.message"] = other
        document[_MESSAGE] = body if isinstance(body, str) else _render(body)


def _render(value: Any) -> str:
    # Protobuf has whole numbers of 64 bits and no others, so this cannot fail.
    return orjson.dumps(value).decode()


def _read_attributes(pairs: "Iterable[KeyValue]", depth: int) -> dict[str, Any]:
    return {pair.key: _to_plain(pair.value, depth) for pair in pairs}


def _to_plain(value: "AnyValue", depth: int) -> Any:
    which = value.WhichOneof("value")
    if which is None or depth > _DEEPEST:
        return None
    if which == "array_value":
        return [_to_plain(each, depth + 1) for each in value.array_value.values]
    if which == "kvlist_value":
        return _read_attributes(value.kvlist_value.values, depth + 1)
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, which)
