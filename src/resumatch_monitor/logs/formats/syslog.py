"""Syslog: its head, and what applications write into its messages."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import orjson

from resumatch_monitor.logs.attributes import bound_attributes
from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import (
    ORIGINAL_TIME,
    Defaults,
    read_document,
    settle_time,
    to_microseconds,
)
from resumatch_monitor.logs.formats.lines import parse_fields, read_text, zone_of
from resumatch_monitor.logs.record import LogRecord, parse_severity
from resumatch_monitor.logs.syslog.message import SyslogMessage, parse_message

SYSLOG = "syslog"
"""Lines of this format are texts in JSON: messages, which may hold line breaks."""

_UNTHOUGHT = frozenset(("info", "notice"))
# `logger` sends it with every message.
_LEFT_OUT = frozenset(("timeQuality",))


def read_messages(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of messages.

    The hints are `timezone`, and `service_from`: `hostname` where that names the service.
    """
    zone = zone_of(chunk.hints)
    is_host_service = chunk.hints.get("service_from") == "hostname"
    for line in chunk.payload.split(b"\n"):
        if line:
            message = parse_message(orjson.loads(line), received_at=defaults.observed_at, zone=zone)
            name = message.hostname if is_host_service else message.app_name
            yield _read_message(
                message,
                replace(
                    defaults,
                    service=defaults.service or name,
                    host=message.hostname or defaults.host,
                ),
            )


def _read_message(message: SyslogMessage, defaults: Defaults) -> LogRecord:
    document = parse_fields(message.text)
    if document is None:
        record, is_dated = read_text(message.text, defaults), False
    else:
        record = read_document(document, defaults)
        is_dated = record.timestamp_us != record.observed_us
    attributes = {**record.attributes, **bound_attributes(_attributes(message))}
    if message.stated_at is not None and not is_dated:
        when, original = settle_time(message.stated_at, defaults)
        record = replace(record, timestamp_us=to_microseconds(when))
        if original is not None:
            attributes.setdefault(ORIGINAL_TIME, original)
    if _is_priority_better(record, message, is_text=document is None):
        severity = message.severity
        record = replace(record, severity=parse_severity(severity), severity_text=severity)
    return replace(record, attributes=attributes)


def _is_priority_better(record: LogRecord, message: SyslogMessage, *, is_text: bool) -> bool:
    """Tell whether the head's severity counts, not that of the message.

    What an application states counts. A guess counts against what is sent when nobody thought
    about it.
    """
    if not message.severity or not record.severity:
        return bool(message.severity)
    return is_text and message.severity not in _UNTHOUGHT


def _attributes(message: SyslogMessage) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "log.syslog.facility.name": message.facility,
        "log.syslog.appname": message.app_name,
        "log.syslog.procid": message.process_id,
        "log.syslog.msgid": message.message_id,
    }
    for element, parameters in message.structured.items():
        if element not in _LEFT_OUT:
            for name, value in parameters.items():
                attributes[f"log.syslog.structured_data.{element}.{name}"] = value
    return {name: value for name, value in attributes.items() if value != ""}


def encode_message(text: str) -> bytes:
    """Return a message as `read_messages` knows it; none of it is a line break."""
    return orjson.dumps(text)
