"""What a log record is, whatever protocol brought it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STACK_TRACE = "error.stack_trace"
"""The attribute that holds a stack trace; it is searched together with the body."""

_SEVERITY_NAMES = ("trace", "debug", "info", "warning", "error", "fatal")
_SEVERITIES = {
    "trace": 1, "verbose": 1, "silly": 1, "finest": 1, "finer": 2,
    "debug": 5, "fine": 5, "config": 7,
    "info": 9, "information": 9, "informational": 9, "log": 9, "http": 9, "default": 9,
    "notice": 10,
    "warn": 13, "warning": 13,
    "err": 17, "error": 17, "eror": 17, "exception": 17, "failure": 17,
    "critical": 18, "crit": 18, "severe": 18,
    "alert": 19,
    "fatal": 21, "emerg": 21, "emergency": 21, "panic": 21, "off": 21,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One thing that was said, in the data model of OpenTelemetry's logs.

    Attributes:
        timestamp_us: When it was said by the application's clock; microseconds since the epoch.
        observed_us: When the monitor took it in.
        severity: OpenTelemetry's number, 1 to 24; 0 if nobody said.
        severity_text: The word that the application used.
        body: The message.
        service: Who said it; this and what follows is empty where nobody said.
        trace_id: 32 hexadecimal digits in lower case, or nothing.
        span_id: 16 of them, or nothing.
        record_id: What the sender calls it; a record with an id that is there already is not kept
            again. Empty where the protocol has none.
        source: The door through which it came: `elastic`, `otlp`, `loki`, `file` and so on.
        attributes: Everything else by its dotted name: texts, numbers, booleans, lists of these.
    """

    timestamp_us: int
    observed_us: int
    severity: int = 0
    severity_text: str = ""
    body: str = ""
    service: str = ""
    environment: str = ""
    release: str = ""
    host: str = ""
    logger: str = ""
    trace_id: str = ""
    span_id: str = ""
    source: str = ""
    record_id: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def stack_trace(self) -> str:
        """The stack trace that came with it, or nothing."""
        value = self.attributes.get(STACK_TRACE)
        return value if isinstance(value, str) else ""


def parse_severity(word: str) -> int:
    """Return OpenTelemetry's number for what an application calls a level; 0 if it is unknown."""
    return _SEVERITIES.get(word.strip().lower(), 0)


def name_severity(number: int) -> str:
    """Return the name of the range that a number lies in; empty for 0.

    https://opentelemetry.io/docs/specs/otel/logs/data-model/, "Displaying Severity".
    """
    if number <= 0:
        return ""
    return _SEVERITY_NAMES[min(len(_SEVERITY_NAMES) - 1, (number - 1) // 4)]


def severity_range(name: str) -> tuple[int, int] | None:
    """Return the lowest and the highest number of a level's range; None for a word that is none."""
    number = parse_severity(name)
    if number == 0:
        return None
    lowest = (number - 1) // 4 * 4 + 1
    return lowest, lowest + 3
