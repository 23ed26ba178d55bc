"""Segments that had time to become whole and that nobody has observed."""

from collections.abc import Callable

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.storage.traces.part import Part
from resumatch_monitor.tracing.store import SettledSegment, StoredTrace
from resumatch_monitor.tracing.tree import TraceIndex


def read_settled(
    part: Part,
    *,
    before_ms: int,
    limit: int,
    find_trace: Callable[[str], StoredTrace],
    spans_per_segment: int,
) -> list[SettledSegment]:
    """Return the oldest of a part's unobserved segments whose root arrived before a moment.

    Raises:
        PartGoneError: If the part is gone.
    """
    with part.read() as reader:
        rows = reader.connection.execute(
            "SELECT s.id, s.trace_id, s.span_id, s.received_ms, user.text FROM segments s"
            " JOIN texts user ON user.id = s.user_id"
            " WHERE s.is_observed = 0 AND s.has_root = 1 AND s.received_ms <= ?"
            " ORDER BY s.received_ms LIMIT ?",
            (before_ms, limit),
        ).fetchall()
    settled: list[SettledSegment] = []
    traces: dict[str, TraceIndex] = {}
    for row_id, trace_bytes, span_bytes, received_ms, user in rows:
        trace_id = trace_bytes.hex()
        if trace_id not in traces:
            traces[trace_id] = TraceIndex(find_trace(trace_id).spans)
        root = traces[trace_id].find(span_bytes.hex())
        if root is None:
            # Its payload is damaged, or beyond what is read of a trace.
            settled.append(SettledSegment((part.name.number, row_id), None))
            continue
        segment = traces[trace_id].collect_segment(
            root,
            received_at=from_milliseconds(received_ms),
            user=user,
            limit=spans_per_segment,
        )
        settled.append(SettledSegment((part.name.number, row_id), segment))
    return settled
