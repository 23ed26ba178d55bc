"""Builders of log records, and a place in the spool."""

from typing import Any

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.logs.record import LogRecord

START_US = 1_767_614_400_000_000
"""2026-01-05 12:00 UTC."""


def make_record(body: str = "request finished", **over: Any) -> LogRecord:
    """Return a record with what a test does not care about filled in."""
    values: dict[str, Any] = {
        "timestamp_us": START_US,
        "observed_us": START_US,
        "severity": 9,
        "severity_text": "info",
        "body": body,
        "service": "api",
        "environment": "production",
        "source": "elastic",
    }
    return LogRecord(**{**values, **over})


def place(offset: int) -> Position:
    """Return a place in a spool."""
    return Position(1, offset)
