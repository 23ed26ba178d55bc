"""Rows of performance's tables as what they mean."""

from typing import Any

import orjson
from sqlalchemy import ColumnElement, func, select

from resumatch_monitor.errortracking.issues import render_short_id
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUES
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_FINDINGS,
)
from resumatch_monitor.tracing.performance.model import FindingKind
from resumatch_monitor.tracing.performance.store import Example, Finding, FindingIssue


def join_sketches(sketch: ColumnElement[bytes]) -> ColumnElement[str]:
    """Return the sketches of a group behind one another, for `read_sketches`.

    One row a group comes out of the database, and not one a step: for each row that the driver
    steps to, it gives the interpreter up and waits to get it back.
    """
    # As digits: there is no function that joins bytes.
    return func.group_concat(func.hex(sketch), "")


def read_sketches(joined: str) -> bytes:
    """Return the sketches that `join_sketches` put together: bins, as of one."""
    return bytes.fromhex(joined)


def join_numbers(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a column's numbers in a group, for `read_numbers`; all such are in one order."""
    return func.json_group_array(column)


def read_numbers(joined: str) -> list[Any]:
    """Return the numbers that `join_numbers` put together."""
    return orjson.loads(joined)


def join_findings() -> AnySelect:
    """Return a query for findings with their endpoints and issues."""
    endpoint, issue = PERFORMANCE_ENDPOINTS.c, ISSUES.c
    return (
        select(
            PERFORMANCE_FINDINGS,
            endpoint.name.label("endpoint"),
            endpoint.op,
            endpoint.environment,
            issue.number.label("issue_number"),
            issue.status.label("issue_status"),
            issue.is_regressed.label("issue_is_regressed"),
            issue.regression_count.label("issue_times_back"),
            ERROR_PROJECTS.c.slug.label("issue_slug"),
        )
        .join(PERFORMANCE_ENDPOINTS, endpoint.id == PERFORMANCE_FINDINGS.c.endpoint_id)
        .outerjoin(ISSUES, issue.id == PERFORMANCE_FINDINGS.c.issue_id)
        .outerjoin(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == issue.project_id)
    )


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
        issue=_read_issue(row),
    )


def _read_issue(row: AnyRow) -> FindingIssue | None:
    if row.issue_number is None:
        return None
    return FindingIssue(
        id=row.issue_id,
        short_id=render_short_id(row.issue_slug, row.issue_number),
        status=row.issue_status,
        is_regressed=row.issue_is_regressed,
        times_back=row.issue_times_back,
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
