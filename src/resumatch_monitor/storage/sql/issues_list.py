"""Lists of issues, paged by key, and what lists share with single issues."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from resumatch_monitor.errortracking.issues import (
    Issue,
    IssuePage,
    IssueQuery,
    IssueSort,
    IssueStatus,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUE_HOURS, ISSUES

_SPARKLINE_HOURS = 24
_PROJECTS_MAX = 100
_SORT_COLUMNS = {
    IssueSort.LAST_SEEN: ISSUES.c.last_seen_at,
    IssueSort.FIRST_SEEN: ISSUES.c.first_seen_at,
    IssueSort.EVENTS: ISSUES.c.event_count,
    IssueSort.USERS: ISSUES.c.user_count,
}

ISSUE_COLUMNS = (
    *(column for column in ISSUES.c if column.name != "explanation"),
    ERROR_PROJECTS.c.slug,
)
"""What `read_issue` needs."""


def list_issues(
    connection: Connection, query: IssueQuery, after: tuple[int, int] | None, now: datetime
) -> IssuePage:
    parts = index_ranges(connection, query)
    if not parts:
        return IssuePage([], 0, None)
    column = _SORT_COLUMNS[query.sort]
    # The same index in each part gives its first rows; only those are put together.
    selects = [_first_rows(part, query, after) for part in parts]
    merged = union_all(*selects).subquery()
    keys = connection.execute(
        select(merged.c.id, merged.c.rank)
        .order_by(merged.c.rank.desc(), merged.c.id.desc())
        .limit(query.limit + 1)
    ).all()
    total = count_issues(connection, parts, query)
    shown = keys[: query.limit]
    rows = connection.execute(
        select(*ISSUE_COLUMNS)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .where(ISSUES.c.id.in_([key.id for key in shown]))
        .order_by(column.desc(), ISSUES.c.id.desc())
    ).all()
    sparklines = read_sparklines(connection, [key.id for key in shown], now)
    items = [read_issue(row, sparklines[row.id]) for row in rows]
    next_cursor = None
    if len(keys) > query.limit:
        last = shown[-1]
        next_cursor = encode_cursor(query.sort.value, _rank_number(last.rank), last.id)
    return IssuePage(items, total, next_cursor)


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


def _first_rows(
    part: tuple[int, str], query: IssueQuery, after: tuple[int, int] | None
) -> Select[Any, Any]:
    column = _SORT_COLUMNS[query.sort]
    statement = select(ISSUES.c.id, column.label("rank")).where(
        ISSUES.c.project_id == part[0], ISSUES.c.status == part[1]
    )
    if query.text:
        statement = statement.where(_matches(query.text))
    if after is not None:
        # As the number it is in the table: compared in a row value, a parameter does not take
        # the column's type.
        rank = literal(after[0], BigInteger)
        statement = statement.where(tuple_(column, ISSUES.c.id) < tuple_(rank, after[1]))
    limited = (
        statement.order_by(column.desc(), ISSUES.c.id.desc()).limit(query.limit + 1).subquery()
    )
    return select(limited.c.id, limited.c.rank)


def count_issues(
    connection: Connection, parts: Sequence[tuple[int, str]], query: IssueQuery
) -> int:
    total = 0
    for project, status in parts:
        statement = select(func.count()).where(
            ISSUES.c.project_id == project, ISSUES.c.status == status
        )
        if query.text:
            statement = statement.where(_matches(query.text))
        total += connection.execute(statement).scalar_one()
    return total


def _matches(text: str) -> Any:
    words = text.lower().split()[:10]
    conditions = [ISSUES.c.search_text.contains(word, autoescape=True) for word in words]
    combined: Any = conditions[0] if conditions else ISSUES.c.id.is_not(None)
    for condition in conditions[1:]:
        combined &= condition
    return combined


def read_sparklines(
    connection: Connection, issue_ids: Sequence[int], now: datetime
) -> dict[int, tuple[int, ...]]:
    current = now.replace(minute=0, second=0, microsecond=0)
    first = current - timedelta(hours=_SPARKLINE_HOURS - 1)
    lines = {issue_id: [0] * _SPARKLINE_HOURS for issue_id in issue_ids}
    rows = connection.execute(
        select(ISSUE_HOURS).where(
            ISSUE_HOURS.c.issue_id.in_(issue_ids), ISSUE_HOURS.c.hour >= first
        )
    )
    for row in rows:
        index = int((row.hour - first) / timedelta(hours=1))
        if index < _SPARKLINE_HOURS:
            lines[row.issue_id][index] += row.event_count
    return {issue_id: tuple(line) for issue_id, line in lines.items()}


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
    )
