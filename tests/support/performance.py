"""Segments, and what counts them, that tests make up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from resumatch_monitor.tracing.model import Segment, Span, SpanKind
from resumatch_monitor.tracing.performance.config import FindingsConfig
from resumatch_monitor.tracing.performance.facts import read_facts
from resumatch_monitor.tracing.performance.model import Facts
from resumatch_monitor.tracing.performance.statements import StatementReader
from tests.support.spans import START_US, make_span, span_id_of, trace_id_of

MILLISECOND = 1_000


def make_segment(
    number: int = 1,
    *children: Span,
    milliseconds: float = 100,
    minute: float = 0,
    **fields: Any,
) -> Segment:
    """Return the segment `number`, an HTTP request `minute` minutes after the start.

    Args:
        number: Also that of its trace.
        children: Spans of it, as `make_query` makes them.
        milliseconds: How long it took.
        minute: When it began.
        fields: What its root has instead of what is usual.
    """
    started_us = START_US + round(minute * 60e6)
    usual: dict[str, Any] = {"name": "GET /users/{id}", "op": "http.server", **fields}
    root = make_span(
        1,
        kind=SpanKind.SERVER,
        trace_id=trace_id_of(number),
        started_us=started_us,
        duration_us=round(milliseconds * MILLISECOND),
        **usual,
    )
    at = datetime.fromtimestamp(started_us / 1e6, UTC) + timedelta(seconds=1)
    return Segment(root, children, at)


def make_query(
    number: int, text: str, *, at: float = 0, milliseconds: float = 10, **fields: Any
) -> Span:
    """Return the span of a query `at` milliseconds after the start."""
    attributes = {"db.system.name": "postgresql", "db.query.text": text}
    return _make_call(number, at, milliseconds, name=text, op="db", attributes=attributes, **fields)


def make_request(number: int, url: str, *, at: float = 0, milliseconds: float = 10) -> Span:
    """Return the span of a request `at` milliseconds after the start."""
    attributes = {"url.full": url, "http.request.method": "GET"}
    return _make_call(
        number, at, milliseconds, name=f"GET {url}", op="http.client", attributes=attributes
    )


def _make_call(number: int, at: float, milliseconds: float, **fields: Any) -> Span:
    return make_span(
        number,
        parent=1,
        segment_id=span_id_of(1),
        started_us=START_US + round(at * MILLISECOND),
        duration_us=round(milliseconds * MILLISECOND),
        **fields,
    )


def make_facts(segment: Segment, config: FindingsConfig | None = None) -> Facts:
    """Return what is counted of a segment."""
    reader = StatementReader(monotonic=lambda: 0.0)
    return read_facts(segment, reader, config or FindingsConfig())
