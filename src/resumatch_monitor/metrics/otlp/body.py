"""Bodies of OTLP requests, in protobuf and in JSON."""

import base64
from typing import Any, cast

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError

_IDS = frozenset({"traceId", "trace_id", "spanId", "span_id"})
_LONGEST_SHOWN = 200


def parse_protobuf(body: bytes) -> ExportMetricsServiceRequest:
    """Parse a body in protobuf.

    Raises:
        MalformedOtlpError: If it is malformed.
    """
    try:
        return ExportMetricsServiceRequest.FromString(body)
    except DecodeError as error:
        raise MalformedOtlpError("the body is not an ExportMetricsServiceRequest") from error


def parse_json(body: bytes) -> ExportMetricsServiceRequest:
    """Parse a body in OTLP's JSON, in which ids are hexadecimal.

    Raises:
        MalformedOtlpError: If it is malformed.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedOtlpError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedOtlpError("the body is not a JSON object")
    _convert_ids(cast("dict[str, Any]", document))
    request = ExportMetricsServiceRequest()
    try:
        json_format.ParseDict(cast("dict[str, Any]", document), request, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        shown = " ".join(str(error).split())[:_LONGEST_SHOWN]
        raise MalformedOtlpError(
            f"the body is not an ExportMetricsServiceRequest: {shown}"
        ) from error
    return request


def _convert_ids(document: dict[str, Any]) -> None:
    """Turn ids into what protobuf's own JSON has for bytes, in place."""
    waiting: list[Any] = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(cast("list[Any]", each))
        elif isinstance(each, dict):
            found = cast("dict[str, Any]", each)
            for name, value in found.items():
                if name in _IDS and isinstance(value, str):
                    found[name] = _to_base64(name, value)
                else:
                    waiting.append(value)


def _to_base64(name: str, text: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError:
        raise MalformedOtlpError(f"{name} {text[:40]!r} is not hexadecimal") from None
