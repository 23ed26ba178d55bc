"""Traces as the API shows them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.tracing.beside import TraceError, TraceLog
from resumatch_monitor.tracing.model import Span, SpanStatus
from resumatch_monitor.tracing.store import DurationSample, SegmentSummary
from resumatch_monitor.tracing.tree import Node, Tree

_STEPS_PER_DECADE = 6
_QUANTILES = {"p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}
_STATUS_WORDS = {SpanStatus.UNSET: "unset", SpanStatus.OK: "ok", SpanStatus.ERROR: "error"}


def render_segment(segment: SegmentSummary) -> dict[str, Any]:
    """Return SEGMENT of docs/http-api.md."""
    return {
        "trace_id": segment.trace_id,
        "span_id": segment.span_id,
        "project_id": segment.project_id,
        "service": segment.service,
        "environment": segment.environment,
        "release": segment.release,
        "name": segment.name,
        "op": segment.op,
        "status": "error" if segment.is_error else "ok",
        "started_at": _render_moment(segment.started_us),
        "duration_seconds": segment.duration_us / 1e6,
        "user": segment.user or None,
        "span_count": segment.span_count,
        "error_count": segment.error_count,
        "has_root": segment.has_root,
        "is_trace_root": segment.is_trace_root,
    }


def render_durations(sample: DurationSample) -> dict[str, Any]:
    """Return the distribution of durations: buckets a sixth of a decade wide, and quantiles."""
    ordered = sorted(sample.durations_us)
    counts: dict[int, list[int]] = {}
    for duration in ordered:
        counts.setdefault(_bucket_of(duration), [0, 0])[0] += 1
    for duration in sample.failed:
        counts.setdefault(_bucket_of(duration), [0, 0])[1] += 1
    buckets = range(min(counts), max(counts) + 1) if counts else ()
    return {
        "buckets": [
            {
                "from_seconds": _edge(bucket),
                "to_seconds": _edge(bucket + 1),
                "count": counts.get(bucket, [0, 0])[0],
                "error_count": counts.get(bucket, [0, 0])[1],
            }
            for bucket in buckets
        ],
        "count": len(ordered),
        "error_count": len(sample.failed),
        "is_cut": sample.is_cut,
        **{
            f"{name}_seconds": _quantile(ordered, quantile) for name, quantile in _QUANTILES.items()
        },
    }


def render_trace(
    trace_id: str,
    tree: Tree,
    errors: Sequence[TraceError],
    logs: Sequence[TraceLog],
    *,
    is_cut: bool,
) -> dict[str, Any]:
    """Return TRACE of docs/http-api.md."""
    spans = [node.span for node in tree.nodes]
    start_us = tree.started_us or min((error.at_us for error in errors), default=0)
    return {
        "trace_id": trace_id,
        "started_at": _render_moment(start_us),
        "duration_seconds": (tree.ended_us - tree.started_us) / 1e6,
        "span_count": len(spans),
        "error_count": sum(span.is_error for span in spans),
        "is_cut": is_cut,
        "missing_parents": list(tree.missing_parents),
        "services": _render_services(spans),
        "spans": [_render_node(node, start_us) for node in tree.nodes],
        "errors": [_render_error(error, start_us) for error in errors],
        "logs": [_render_log(log, start_us) for log in logs],
    }


def render_span(span: Span) -> dict[str, Any]:
    """Return SPAN of docs/http-api.md: everything about one span."""
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id or None,
        "project_id": span.project_id,
        "service": span.service,
        "environment": span.environment,
        "release": span.release,
        "name": span.name,
        "op": span.op,
        "kind": span.kind,
        "status": _STATUS_WORDS[span.status],
        "status_text": span.status_text,
        "started_at": _render_moment(span.started_us),
        "duration_seconds": span.duration_us / 1e6,
        "is_segment": span.is_segment,
        "segment_id": span.segment_id or None,
        "attributes": dict(span.attributes),
        "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
        "events": [
            {
                "name": event.name,
                "at": _render_moment(event.at_us),
                "offset_seconds": (event.at_us - span.started_us) / 1e6,
                "attributes": dict(event.attributes),
            }
            for event in span.events
        ],
    }


def _render_node(node: Node, start_us: int) -> dict[str, Any]:
    span = node.span
    return {
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id or None,
        "depth": node.depth,
        "child_count": node.child_count,
        "service": span.service,
        "name": span.name,
        "op": span.op,
        "status": _STATUS_WORDS[span.status],
        "start_seconds": (span.started_us - start_us) / 1e6,
        "duration_seconds": span.duration_us / 1e6,
        "self_seconds": node.self_us / 1e6,
        "is_segment": span.is_segment,
        "is_orphan": node.is_orphan,
        "is_critical": node.is_critical,
    }


def _render_services(spans: Sequence[Span]) -> list[dict[str, Any]]:
    services: dict[tuple[str, int], list[int]] = {}
    for span in spans:
        counts = services.setdefault((span.service, span.project_id), [0, 0])
        counts[0] += 1
        counts[1] += span.is_error
    return [
        {"service": service, "project_id": project_id, "span_count": count, "error_count": failed}
        for (service, project_id), (count, failed) in services.items()
    ]


def _render_error(error: TraceError, start_us: int) -> dict[str, Any]:
    return {
        "issue_id": str(error.issue_id),
        "event_id": error.event_id,
        "project_id": error.project_id,
        "span_id": error.span_id or None,
        "at": _render_moment(error.at_us),
        "offset_seconds": (error.at_us - start_us) / 1e6,
        "title": error.title,
        "message": error.message,
        "level": error.level,
    }


def _render_log(log: TraceLog, start_us: int) -> dict[str, Any]:
    return {
        "span_id": log.span_id or None,
        "at": _render_moment(log.at_us),
        "offset_seconds": (log.at_us - start_us) / 1e6,
        "severity": log.severity,
        "message": log.message,
        "attributes": dict(log.attributes),
    }


def _render_moment(microseconds: int) -> str:
    return isoformat(datetime.fromtimestamp(microseconds / 1e6, UTC))


def _bucket_of(duration_us: int) -> int:
    return math.floor(math.log10(max(1, duration_us)) * _STEPS_PER_DECADE + 1e-9)


def _edge(bucket: int) -> float:
    return round(10 ** (bucket / _STEPS_PER_DECADE)) / 1e6


def _quantile(ordered: Sequence[int], quantile: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] / 1e6
