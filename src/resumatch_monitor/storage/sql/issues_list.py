"""Lists of issues, paged by key, and what lists share with single issues."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, select

from resumatch_monitor.errortracking.issues import (
    Issue,
    IssuePage,
    IssueQuery,
    IssueStatus,
    MatchingIssues,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_find import find_keys
from resumatch_monitor.storage.sql.issues_search_bounds import bounded_time
from resumatch_monitor.storage.sql.issues_search_plan import plan_search, read_context
from resumatch_monitor.storage.sql.issues_sparklines import (
    read_daily_sparklines,
    read_sparklines,
)
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUES

_PROJECTS_MAX = 100

ISSUE_COLUMNS = (
    *(column for column in ISSUES.c if column.name != "explanation"),
    ERROR_PROJECTS.c.slug,
)
"""What `read_issue` needs."""
_SELECT_ISSUES = (
    select(*ISSUE_COLUMNS)
    .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
    .where(ISSUES.c.id.in_(bindparam("ids", expanding=True)))
)


def list_issues(
    connection: Connection, query: IssueQuery, after: tuple[int, int] | None, now: datetime
) -> IssuePage:
    """Return a page of a list.

    Raises:
        SearchTooSlowError: If what is searched would take too long.
    """
    with bounded_time(connection):
        plan = plan_search(connection, query, read_context(connection, query, now))
        found = find_keys(connection, plan, query, after, now)
    shown = found.keys[: query.limit]
    ids = [key.id for key in shown]
    rows = connection.execute(_SELECT_ISSUES, {"ids": ids}).all()
    by_id = {row.id: row for row in rows}
    lines = (
        read_sparklines(connection, ids, now)
        if query.trend_days == 1
        else read_daily_sparklines(connection, ids, now, query.trend_days)
    )
    items = [read_issue(by_id[each], lines[each]) for each in ids if each in by_id]
    next_cursor = None
    if len(found.keys) > query.limit:
        last = shown[-1]
        next_cursor = encode_cursor(query.sort.value, _rank_number(last.rank), last.id)
    return IssuePage(items, found.total, next_cursor, found.is_total_exact)


def find_matching(connection: Connection, query: IssueQuery, now: datetime) -> MatchingIssues:
    """Return the ids of the first issues of a list, up to the query's limit."""
    with bounded_time(connection):
        plan = plan_search(connection, query, read_context(connection, query, now))
        found = find_keys(connection, plan, query, None, now)
    ids = [key.id for key in found.keys[: query.limit]]
    return MatchingIssues(ids, found.total, found.is_total_exact)


def index_ranges(connection: Connection, query: IssueQuery) -> list[tuple[int, str]]:
    """Return the projects and statuses that the query spans; each pair is one index range."""
    if query.project_id is not None:
        projects: Sequence[int] = [query.project_id]
    else:
        projects = connection.scalars(
            select(ERROR_PROJECTS.c.project_id)
            .order_by(ERROR_PROJECTS.c.project_id)
            .limit(_PROJECTS_MAX)
        ).all()
    statuses = list(IssueStatus) if query.status is None else [query.status]
    return [(project, status.value) for project in projects for status in statuses]


def _rank_number(rank: datetime | int) -> int:
    return to_milliseconds(rank) if isinstance(rank, datetime) else rank


def encode_cursor(kind: str, rank: int, number: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([kind, rank, number])).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: str) -> tuple[int, int] | None:
    if not cursor:
        return None
    try:
        parts: Any = orjson.loads(base64.urlsafe_b64decode(cursor[:400] + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        parts = None
    match parts:
        case [str(found), int(rank), int(number)] if found == kind:
            return rank, number
        case _:
            raise ValueError("The cursor does not belong to this list and order.")


def read_issue(row: Row[Any], sparkline: tuple[int, ...] = ()) -> Issue:
    """Make an issue of a row that has `ISSUE_COLUMNS`."""
    return Issue(
        id=row.id,
        number=row.number,
        project_id=row.project_id,
        project_slug=row.slug,
        type=row.type,
        value=row.value,
        culprit=row.culprit,
        level=row.level,
        platform=row.platform,
        status=IssueStatus(row.status),
        is_regressed=row.is_regressed,
        is_handled=row.is_handled,
        is_synthetic=row.is_synthetic,
        event_count=row.event_count,
        user_count=row.user_count,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        first_release=row.first_release,
        last_release=row.last_release,
        resolved_at=row.resolved_at,
        sparkline=sparkline,
        stored_count=row.stored_count,
        resolution=row.resolution,
        resolution_release=row.resolution_release,
        resolution_commit=row.resolution_commit,
        archive=row.archive,
        is_escalating=row.is_escalating,
        assignee=row.assignee,
        priority=row.priority,
        revision=row.revision,
        grouping_version=row.grouping_version,
    )
