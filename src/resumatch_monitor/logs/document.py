"""Reads a record out of a JSON object: ECS, OpenTelemetry, structlog, pino, winston, Bunyan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.logs.attributes import (
    LONGEST_BODY,
    bound_attributes,
    cut_text,
    flatten,
)
from resumatch_monitor.logs.record import STACK_TRACE, LogRecord, parse_severity
from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id

ORIGINAL_TIME = "event.original_time"
"""The attribute that holds what a record said about its time, where that cannot be."""

_LONGEST_FIELD = 512
_FUTURE = timedelta(hours=1)
_TIMES = ("@timestamp", "timestamp", "time", "ts", "datetime", "date", "asctime", "eventTime")
_LEVELS = (
    "log.level", "level", "severity", "severity_text", "severityText", "levelname", "lvl",
    "loglevel", "SeverityText",
)  # fmt: skip
_BODIES = ("message", "msg", "body", "event", "log", "text", "short_message", "MESSAGE")
_SERVICES = ("service.name", "service", "app", "application", "service_name", "appname")
_ENVIRONMENTS = (
    "service.environment", "deployment.environment.name", "deployment.environment",
    "sentry.environment", "environment", "env",
)  # fmt: skip
_RELEASES = ("service.version", "sentry.release", "release", "version")
_HOSTS = ("host.name", "hostname", "host", "server.address")
_LOGGERS = ("log.logger", "logger.name", "logger", "logger_name")
_TRACES = ("trace.id", "trace_id", "traceId", "traceid", "dd.trace_id")
_SPANS = ("span.id", "span_id", "spanId", "spanid", "dd.span_id")
_STACKS = ("error.stack_trace", "exception.stacktrace", "err.stack", "stack_trace", "stack",
           "exception", "exc_info")  # fmt: skip
# pino's and Bunyan's levels: https://getpino.io/#/docs/api?id=level-string
_PINO_LEVELS = ((60, 21), (50, 17), (40, 13), (30, 9), (20, 5), (10, 1))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a record has where it does not say itself; and how old one may be.

    Attributes:
        oldest: A record that claims to be older is taken to be of its arrival.
    """

    observed_at: datetime
    source: str
    service: str = ""
    environment: str = ""
    release: str = ""
    host: str = ""
    oldest: timedelta = timedelta(days=365)


def read_document(
    document: Mapping[str, Any], defaults: Defaults, record_id: str = ""
) -> LogRecord:
    """Return the record that a JSON object is.

    What has a place of its own in a record is taken from the object; everything else becomes an
    attribute, under its dotted name. Any object is some record.
    """
    flat = flatten(document)
    stated, when = _take_time(flat, defaults)
    text, severity = _take_level(flat)
    trace_id, span_id = _take_id(flat, _TRACES, read_trace_id), _take_id(flat, _SPANS, read_span_id)
    stack = _take_text(flat, _STACKS)
    record = LogRecord(
        timestamp_us=when,
        observed_us=to_milliseconds(defaults.observed_at) * 1000,
        severity=severity,
        severity_text=text[:_LONGEST_FIELD],
        body=cut_text(_take_body(flat), LONGEST_BODY),
        service=_take_field(flat, _SERVICES) or defaults.service,
        environment=_take_field(flat, _ENVIRONMENTS) or defaults.environment,
        release=_take_field(flat, _RELEASES) or defaults.release,
        host=_take_field(flat, _HOSTS) or defaults.host,
        logger=_take_field(flat, _LOGGERS),
        trace_id=trace_id,
        span_id=span_id,
        source=defaults.source,
        record_id=record_id[:_LONGEST_FIELD],
    )
    flat.pop("ecs.version", None)
    attributes = bound_attributes(flat)
    if stack:
        attributes[STACK_TRACE] = cut_text(stack, LONGEST_BODY)
    if stated is not None:
        attributes[ORIGINAL_TIME] = stated
    return replace(record, attributes=attributes)


def settle_time(stated: datetime | None, defaults: Defaults) -> tuple[datetime, str | None]:
    """Return when something was said, and what was stated if that cannot be.

    A clock that is years off would put a record where nobody looks for it.
    """
    observed_at = defaults.observed_at
    if stated is None:
        return observed_at, None
    if observed_at - defaults.oldest <= stated <= observed_at + _FUTURE:
        return stated, None
    return observed_at, stated.isoformat()


def to_microseconds(moment: datetime) -> int:
    """Return `moment` as whole microseconds since the epoch."""
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _take_time(flat: dict[str, Any], defaults: Defaults) -> tuple[str | None, int]:
    for name in _TIMES:
        if name in flat:
            stated = parse_timestamp(flat[name])
            if stated is not None:
                del flat[name]
                when, original = settle_time(stated, defaults)
                return original, to_microseconds(when)
    return None, to_microseconds(defaults.observed_at)


def _take_level(flat: dict[str, Any]) -> tuple[str, int]:
    number = flat.pop("severity_number", None) or flat.pop("severityNumber", None)
    for name in _LEVELS:
        value = flat.get(name)
        if isinstance(value, str):
            severity = parse_severity(value)
            if severity:
                del flat[name]
                return value, _as_severity(number) or severity
        elif isinstance(value, int) and not isinstance(value, bool) and name == "level":
            del flat[name]
            return "", next((found for least, found in _PINO_LEVELS if value >= least), 0)
    return "", _as_severity(number)


def _as_severity(number: Any) -> int:
    is_one = isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 24
    return number if is_one else 0


def _take_body(flat: dict[str, Any]) -> str:
    for name in _BODIES:
        value = flat.get(name)
        if isinstance(value, str):
            del flat[name]
            return value
    return ""


def _take_text(flat: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = flat.get(name)
        if isinstance(value, str) and value:
            del flat[name]
            return value
    return ""


def _take_field(flat: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = flat.get(name)
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_FIELD:
            del flat[name]
            return value
    return ""


def _take_id(flat: dict[str, Any], names: tuple[str, ...], read: Callable[[object], str]) -> str:
    for name in names:
        if name in flat:
            found = read(flat[name])
            if found:
                del flat[name]
                return found
    return ""
