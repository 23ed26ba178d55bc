"""Rows of performance's tables as what they mean."""

from sqlalchemy import select

from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_FINDINGS,
)
from resumatch_monitor.tracing.performance.model import FindingKind
from resumatch_monitor.tracing.performance.store import Example, Finding


def join_findings() -> AnySelect:
    """Return a query for findings with their endpoints."""
    endpoint = PERFORMANCE_ENDPOINTS.c
    return select(
        PERFORMANCE_FINDINGS,
        endpoint.name.label("endpoint"),
        endpoint.op,
        endpoint.environment,
    ).join(PERFORMANCE_ENDPOINTS, endpoint.id == PERFORMANCE_FINDINGS.c.endpoint_id)


def read_finding(row: AnyRow, examples: tuple[Example, ...] = ()) -> Finding:
    """Return a row of `join_findings`, with its examples."""
    return Finding(
        id=row.id,
        project_id=row.project_id,
        endpoint=row.endpoint,
        op=row.op,
        environment=row.environment,
        kind=FindingKind(row.kind),
        title=row.title,
        count=row.requests,
        most_repeats=row.most_repeats,
        longest_us=row.longest_us,
        total_us=row.total_us,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        examples=examples,
    )


def read_example(row: AnyRow) -> Example:
    """Return a row of the examples."""
    return Example(
        trace_id=row.trace_id.hex(),
        span_id=row.span_id.hex(),
        name=row.name,
        duration_us=row.duration_us,
        at=row.at,
        is_failed=row.is_failed,
    )
