"""Log items of Sentry's SDKs.

https://develop.sentry.dev/sdk/telemetry/logs/
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import orjson

from resumatch_monitor.logs.attributes import LONGEST_BODY, bound_attributes, cut_text
from resumatch_monitor.logs.chunk import SENTRY, LogChunk
from resumatch_monitor.logs.document import ORIGINAL_TIME, Defaults, settle_time, to_microseconds
from resumatch_monitor.logs.record import LogRecord, parse_severity
from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.sentry.values import as_dict, as_list, as_text

_LONGEST_FIELD = 512
_PARENT_SPAN = "sentry.trace.parent_span_id"


def read_items(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of a log item's payload."""
    for item in as_list(as_dict(orjson.loads(chunk.payload)).get("items")):
        fields = as_dict(item)
        if fields:
            yield _read_item(fields, defaults)


def _read_item(item: dict[str, Any], defaults: Defaults) -> LogRecord:
    attributes = {
        name: as_dict(each).get("value") if "value" in as_dict(each) else each
        for name, each in as_dict(item.get("attributes")).items()
    }
    when, original = settle_time(parse_timestamp(item.get("timestamp")), defaults)
    level = as_text(item.get("level"))
    number = item.get("severity_number")
    span_id = read_span_id(item.get("span_id")) or read_span_id(attributes.pop(_PARENT_SPAN, None))
    record = LogRecord(
        timestamp_us=to_microseconds(when),
        observed_us=to_microseconds(defaults.observed_at),
        severity=number if isinstance(number, int) and 1 <= number <= 24 else parse_severity(level),
        severity_text=level[:50],
        body=cut_text(as_text(item.get("body")), LONGEST_BODY),
        trace_id=read_trace_id(item.get("trace_id")),
        span_id=span_id,
        source=SENTRY,
        service=_take(attributes, "service.name") or defaults.service,
        environment=_take(attributes, "sentry.environment") or defaults.environment,
        release=_take(attributes, "sentry.release") or defaults.release,
        host=_take(attributes, "server.address") or defaults.host,
        logger=_take(attributes, "logger.name"),
    )
    if original is not None:
        attributes[ORIGINAL_TIME] = original
    kept = {name: value for name, value in attributes.items() if value is not None}
    return replace(record, attributes=bound_attributes(kept))


def _take(attributes: dict[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str):
        return ""
    del attributes[name]
    return value[:_LONGEST_FIELD]
