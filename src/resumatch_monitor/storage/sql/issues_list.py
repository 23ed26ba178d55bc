"""Lists of issues, paged by key, and what lists share with single issues."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
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
    if query.text:
        keys, total = _search(connection, parts, query, after)
    else:
        keys = _merge_ranges(connection, parts, query, after)
        total = count_issues(connection, parts)
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


def _merge_ranges(
    connection: Connection,
    parts: Sequence[tuple[int, str]],
    query: IssueQuery,
    after: tuple[int, int] | None,
) -> Sequence[Any]:
    """Return the first keys: each range's first rows come from the index, then are merged."""
    column = _SORT_COLUMNS[query.sort]
    selects: list[Select[Any, Any]] = []
    for project, status in parts:
        statement = select(ISSUES.c.id, column.label("rank")).where(
            ISSUES.c.project_id == project, ISSUES.c.status == status
        )
        if after is not None:
            statement = statement.where(_comes_after(column, after))
        limited = (
            statement.order_by(column.desc(), ISSUES.c.id.desc()).limit(query.limit + 1).subquery()
        )
        selects.append(select(limited.c.id, limited.c.rank))
    merged = union_all(*selects).subquery()
    return connection.execute(
        select(merged.c.id, merged.c.rank)
        .order_by(merged.c.rank.desc(), merged.c.id.desc())
        .limit(query.limit + 1)
    ).all()


def _search(
    connection: Connection,
    parts: Sequence[tuple[int, str]],
    query: IssueQuery,
    after: tuple[int, int] | None,
) -> tuple[Sequence[Any], int]:
    """Return the first keys that match, and how many do."""
    column = _SORT_COLUMNS[query.sort]
    # The sum keeps the index out: a search reads every row, and in the table's own order that
    # is several times as fast.
    project = ISSUES.c.project_id + literal(0)
    matching = (
        project.in_({part[0] for part in parts}),
        ISSUES.c.status.in_({part[1] for part in parts}),
        _matches(query.text),
    )
    found = (
        select(ISSUES.c.id, column.label("rank"), func.count().over().label("total"))
        .where(*matching)
        .subquery()
    )
    statement = select(found.c.id, found.c.rank, found.c.total)
    if after is not None:
        rank = literal(after[0], BigInteger)
        statement = statement.where(tuple_(found.c.rank, found.c.id) < tuple_(rank, after[1]))
    keys = connection.execute(
        statement.order_by(found.c.rank.desc(), found.c.id.desc()).limit(query.limit + 1)
    ).all()
    if keys:
        return keys, keys[0].total
    counted = connection.execute(select(func.count()).where(*matching)) if after else None
    return keys, 0 if counted is None else counted.scalar_one()


def _comes_after(column: ColumnElement[Any], after: tuple[int, int]) -> ColumnElement[bool]:
    # As the number it is in the table: compared in a row value, a parameter does not take the
    # column's type.
    return tuple_(column, ISSUES.c.id) < tuple_(literal(after[0], BigInteger), after[1])


def count_issues(connection: Connection, parts: Sequence[tuple[int, str]]) -> int:
    """Return how many issues the ranges have."""
    return sum(
        connection.execute(
            select(func.count()).where(ISSUES.c.project_id == project, ISSUES.c.status == status)
        ).scalar_one()
        for project, status in parts
    )


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
        stored_count=row.stored_count,
        resolution=row.resolution,
        resolution_release=row.resolution_release,
        resolution_commit=row.resolution_commit,
        archive=row.archive,
        is_escalating=row.is_escalating,
        assignee=row.assignee,
        priority=row.priority,
        revision=row.revision,
    )
