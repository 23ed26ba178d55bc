"""Bodies of OTLP requests of every signal, in protobuf and in JSON."""

import base64
from typing import Any, TypeVar, cast

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError

_IDS = frozenset({"traceId", "trace_id", "spanId", "span_id", "parentSpanId", "parent_span_id"})
_LONGEST_SHOWN = 200

M = TypeVar("M", bound=Message)


def parse_protobuf(body: bytes, kind: type[M]) -> M:
    """Parse a body in protobuf as a message of `kind`.

    Raises:
        MalformedOtlpError: If it is malformed.
    """
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise MalformedOtlpError(f"the body is not an {kind.__name__}") from error


def parse_json(body: bytes, kind: type[M], *, drops_bad_ids: bool = False) -> M:
    """Parse a body in OTLP's JSON, in which ids are hexadecimal, as a message of `kind`.

    Args:
        body: As it came, unpacked.
        kind: `ExportMetricsServiceRequest` or the like.
        drops_bad_ids: Whether an id that is not hexadecimal is left empty, for what has it to be
            refused alone.

    Raises:
        MalformedOtlpError: If it is malformed.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedOtlpError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise MalformedOtlpError("the body is not a JSON object")
    _convert_ids(cast("dict[str, Any]", document), drops_bad_ids=drops_bad_ids)
    request = kind()
    try:
        json_format.ParseDict(cast("dict[str, Any]", document), request, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        shown = " ".join(str(error).split())[:_LONGEST_SHOWN]
        raise MalformedOtlpError(f"the body is not an {kind.__name__}: {shown}") from error
    return request


def _convert_ids(document: dict[str, Any], *, drops_bad_ids: bool) -> None:
    """Turn ids into what protobuf's own JSON has for bytes, in place."""
    waiting: list[Any] = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(cast("list[Any]", each))
        elif isinstance(each, dict):
            found = cast("dict[str, Any]", each)
            for name, value in found.items():
                if name not in _IDS or not isinstance(value, str):
                    waiting.append(value)
                    continue
                converted = _to_base64(value)
                if converted is None and not drops_bad_ids:
                    raise MalformedOtlpError(f"{name} {value[:40]!r} is not hexadecimal")
                found[name] = converted or ""


def _to_base64(text: str) -> str | None:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError:
        return None
