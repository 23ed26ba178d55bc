"""Lists of issues, paged by key, and what lists share with single issues."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
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
    MatchingIssues,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_search_plan import (
    COUNTED_MAX,
    SearchPlan,
    bounded_time,
    plan_search,
    read_context,
)
from resumatch_monitor.storage.sql.issues_trend import rank_by_trend, seed_conditions
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
    with bounded_time(connection):
        plan = plan_search(connection, query, read_context(connection, query, now))
        found = _find(connection, plan, query, after, now) if plan.parts else _NOTHING
    shown = found.keys[: query.limit]
    ids = [key.id for key in shown]
    rows = connection.execute(
        select(*ISSUE_COLUMNS)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .where(ISSUES.c.id.in_(ids))
    )
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
        found = _find(connection, plan, query, None, now) if plan.parts else _NOTHING
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


@dataclass(frozen=True, slots=True)
class _Found:
    """The first keys of a list, each with `id` and `rank`, and how many there are in all."""

    keys: Sequence[Any]
    total: int
    is_total_exact: bool = True


_NOTHING = _Found([], 0)


def _find(
    connection: Connection,
    plan: SearchPlan,
    query: IssueQuery,
    after: tuple[int, int] | None,
    now: datetime,
) -> _Found:
    if query.sort is IssueSort.TREND:
        ranked = rank_by_trend(connection, plan, now)
        keys = [key for key in ranked if after is None or (key.rank, key.id) < after]
        return _Found(keys[: query.limit + 1], len(ranked))
    if plan.seed is not None:
        return _find_in_seed(connection, plan, query, after)
    keys = _merge_ranges(connection, plan, query, after)
    if plan.condition is None:
        return _Found(keys, count_issues(connection, plan.parts))
    total = _count_matching(connection, plan)
    return _Found(keys, min(total, COUNTED_MAX), total <= COUNTED_MAX)


def _merge_ranges(
    connection: Connection,
    plan: SearchPlan,
    query: IssueQuery,
    after: tuple[int, int] | None,
) -> Sequence[Any]:
    """Return the first keys: each range's first rows come from the index, then are merged."""
    column = _SORT_COLUMNS[query.sort]
    selects: list[Select[Any, Any]] = []
    for project, status in plan.parts:
        statement = select(ISSUES.c.id, column.label("rank")).where(
            ISSUES.c.project_id == project, ISSUES.c.status == status
        )
        if plan.condition is not None:
            statement = statement.where(plan.condition)
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


def _find_in_seed(
    connection: Connection,
    plan: SearchPlan,
    query: IssueQuery,
    after: tuple[int, int] | None,
) -> _Found:
    column = _SORT_COLUMNS[query.sort]
    matching = select(ISSUES.c.id, column.label("rank")).where(*seed_conditions(plan))
    found = matching.cte("found")
    total = select(func.count()).select_from(found).scalar_subquery()
    statement = select(found.c.id, found.c.rank, total.label("total"))
    if after is not None:
        rank = literal(after[0], BigInteger)
        statement = statement.where(tuple_(found.c.rank, found.c.id) < tuple_(rank, after[1]))
    keys = connection.execute(
        statement.order_by(found.c.rank.desc(), found.c.id.desc()).limit(query.limit + 1)
    ).all()
    if keys or after is None:
        return _Found(keys, keys[0].total if keys else 0)
    return _Found(keys, connection.execute(select(total)).scalar_one())


def _count_matching(connection: Connection, plan: SearchPlan) -> int:
    """Return how many issues the ranges have under the condition, or one more than are counted."""
    total = 0
    for project, status in plan.parts:
        matching = (
            select(literal(1))
            .where(ISSUES.c.project_id == project, ISSUES.c.status == status)
            .limit(COUNTED_MAX + 1 - total)
        )
        if plan.condition is not None:
            matching = matching.where(plan.condition)
        counted = connection.execute(select(func.count()).select_from(matching.subquery()))
        total += counted.scalar_one()
        if total > COUNTED_MAX:
            break
    return total


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


def read_daily_sparklines(
    connection: Connection, issue_ids: Sequence[int], now: datetime, days: int
) -> dict[int, tuple[int, ...]]:
    """Return the events of each of the last days, today in UTC last."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    lines = {issue_id: [0] * days for issue_id in issue_ids}
    rows = connection.execute(
        select(ISSUE_HOURS).where(
            ISSUE_HOURS.c.issue_id.in_(issue_ids), ISSUE_HOURS.c.hour >= first
        )
    )
    for row in rows:
        index = (row.hour - first).days
        if index < days:
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
