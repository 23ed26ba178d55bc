"""Spans and items that tests make up."""

from datetime import UTC, datetime
from typing import Any

from resumatch_monitor.tracing.model import Span, SpanKind, SpanStatus
from resumatch_monitor.tracing.store import DigestedItem

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000


def trace_id_of(number: int) -> str:
    """Return the id of the trace `number`."""
    return f"{number:032x}"


def span_id_of(number: int) -> str:
    """Return the id of the span `number`."""
    return f"{number:016x}"


def make_span(number: int = 1, parent: int = 0, **fields: Any) -> Span:
    """Return span `number` of trace 1, a child of `parent`; `fields` replace what it has."""
    values: dict[str, Any] = {
        "trace_id": trace_id_of(1),
        "span_id": span_id_of(number),
        "parent_span_id": span_id_of(parent) if parent else "",
        "project_id": 1,
        "service": "api",
        "environment": "production",
        "release": "api@1",
        "name": f"work {number}",
        "op": "function",
        "kind": SpanKind.INTERNAL,
        "status": SpanStatus.UNSET,
        "status_text": "",
        "started_us": START_US,
        "duration_us": 1_000,
        "is_segment": parent == 0,
    }
    return Span(**{**values, **fields})


def make_item(number: int, *spans: Span, user: str = "", at: datetime = START) -> DigestedItem:
    """Return item `number` with `spans`."""
    return DigestedItem(f"{number:032x}", at, spans, user)
