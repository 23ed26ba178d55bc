"""Lines of text: JSON objects, logfmt, or what people read."""

from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Any, cast

import orjson

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.zones import find_zone
from resumatch_monitor.logs.attributes import LONGEST_BODY, cut_text
from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import (
    ORIGINAL_TIME,
    Defaults,
    read_document,
    settle_time,
    to_microseconds,
)
from resumatch_monitor.logs.formats.guessing import find_level, find_time
from resumatch_monitor.logs.formats.logfmt import parse_logfmt
from resumatch_monitor.logs.record import STACK_TRACE, LogRecord, parse_severity

LINES = "lines"
"""Lines of this format are arrays of an id and a text, which may hold line breaks."""

_TRACES = ("Traceback (most recent call last)", "Caused by: ", "\n    at ", "\n\tat ", "\nat ")
_TRACE_BEGINS = ("Traceback (", "Caused by: ", "at ", "...", "  + Exception Group Traceback")
_ERROR = 17


def encode_line(record_id: str, text: str) -> bytes:
    """Return a record as `read_lines` knows it; none of it is a line break."""
    return orjson.dumps([record_id, text])


def read_lines(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of a file's lines.

    The hints are `path`, `timezone` for times without one, and `format`: `text` for lines that
    are never looked into.
    """
    hints = chunk.hints
    path = str(hints.get("path", ""))
    zone = zone_of(hints)
    is_text = hints.get("format") == "text"
    for line in chunk.payload.split(b"\n"):
        if not line:
            continue
        record_id, text = orjson.loads(line)
        document = None if is_text else parse_fields(text)
        if document is None:
            record = read_text(text, defaults, zone=zone, record_id=record_id)
        else:
            record = read_document(document, defaults, record_id)
        if path:
            record = replace(record, attributes={**record.attributes, "log.file.path": path})
        yield record


def zone_of(hints: Mapping[str, Any]) -> tzinfo:
    """Return the zone that a door's hints name."""
    name = str(hints.get("timezone", "UTC"))
    return UTC if name == "UTC" else find_zone(name)


def parse_fields(text: str) -> dict[str, Any] | None:
    """Return the fields of a JSON object or of logfmt; None for a text that is neither."""
    if text.startswith("{"):
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        return cast("dict[str, Any]", document) if isinstance(document, dict) else None
    if "\n" in text or "=" not in text:
        return None
    pairs = parse_logfmt(text)
    return None if pairs is None else dict(pairs)


def read_text(
    text: str, defaults: Defaults, *, zone: tzinfo = UTC, record_id: str = ""
) -> LogRecord:
    """Return the record of a text; its time and level are guessed, a stack trace is set apart."""
    body, stack = _split_trace(text)
    stated = find_time(body, zone)
    when, original = settle_time(stated, defaults)
    level = find_level(body)
    severity = parse_severity(level)
    attributes: dict[str, Any] = {}
    if stack:
        attributes[STACK_TRACE] = cut_text(stack, LONGEST_BODY)
        severity = max(severity, _ERROR)
    if original is not None:
        attributes[ORIGINAL_TIME] = original
    return LogRecord(
        timestamp_us=to_microseconds(when),
        observed_us=to_milliseconds(defaults.observed_at) * 1000,
        severity=severity,
        severity_text=level,
        body=cut_text(body, LONGEST_BODY),
        service=defaults.service,
        environment=defaults.environment,
        release=defaults.release,
        host=defaults.host,
        source=defaults.source,
        record_id=record_id,
        attributes=attributes,
    )


def _split_trace(text: str) -> tuple[str, str]:
    if "\n" not in text or not any(each in text for each in _TRACES):
        return text, ""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if line.lstrip().startswith(_TRACE_BEGINS):
            # A trace without a line before it is told by what was raised: its last line.
            if index:
                return "\n".join(lines[:index]), "\n".join(lines[index:])
            return lines[-1], text
    return text, ""
