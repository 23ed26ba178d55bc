"""Makes a record storable that is not as it should be, so that it cannot hold up the others."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from resumatch_monitor.logs.record import LogRecord

_TEXTS = (
    "severity_text", "body", "service", "environment", "release", "host", "logger", "source",
    "record_id",
)  # fmt: skip
_HIGHEST_SEVERITY = 24
_LARGEST_INTEGER = 2**63


def clean_records(records: Sequence[LogRecord]) -> list[LogRecord]:
    """Return records of which each can be stored.

    Half a surrogate pair becomes a question mark, an id that is none is left out, and numbers that
    are too large are kept as texts.
    """
    return [_clean_record(record) for record in records]


def _clean_record(record: LogRecord) -> LogRecord:
    texts = {name: _clean_text(getattr(record, name)) for name in _TEXTS}
    return replace(
        record,
        **texts,
        timestamp_us=_clean_time(record.timestamp_us),
        observed_us=_clean_time(record.observed_us),
        severity=record.severity if 0 <= record.severity <= _HIGHEST_SEVERITY else 0,
        trace_id=_clean_id(record.trace_id, 32),
        span_id=_clean_id(record.span_id, 16),
        attributes={
            _clean_text(name): _clean_value(value) for name, value in record.attributes.items()
        },
    )


def _clean_text(text: object) -> str:
    return str(text).encode(errors="replace").decode()


def _clean_id(text: str, digits: int) -> str:
    return text if re.fullmatch(f"[0-9a-f]{{{digits}}}", text) else ""


def _clean_time(microseconds: int) -> int:
    return min(max(int(microseconds), 0), _LARGEST_INTEGER - 1)


def _clean_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_LARGEST_INTEGER <= value < _LARGEST_INTEGER else str(value)
    if isinstance(value, list | tuple):
        return [_clean_value(each) for each in cast("Sequence[Any]", value)]
    return _clean_text(value)
