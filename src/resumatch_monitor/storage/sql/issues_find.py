"""The keys of a page of issues, and how many issues there are in all.

A list without a search comes from the index of its order. For a search the issues are passed by
in the order in which they are stored, which costs a tenth of going along another order and back to
each row; what matches is sorted. If that is too much to be sorted, the search is for something
frequent, and among the first issues of the list there is a page of it; if there is not, because
what is searched is rare where the list begins, all issues are passed by once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    func,
    literal,
    select,
    text,
    tuple_,
    type_coerce,
)

from resumatch_monitor.errortracking.issues import IssueQuery, IssueSort
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_search_plan import SearchPlan
from resumatch_monitor.storage.sql.issues_trend import RANKED_MAX, rank_by_trend
from resumatch_monitor.storage.sql.tables.errors import ISSUES

COUNTED_MAX = 10_000
"""So many issues are counted; of more, only that there are more is told."""
_PASSED_FOR_ONE = 8
_DAY = timedelta(days=1)
_FIRST_LOOKS = (500, 4_000)
_SORT_COLUMNS = {
    IssueSort.LAST_SEEN: ISSUES.c.last_seen_at,
    IssueSort.FIRST_SEEN: ISSUES.c.first_seen_at,
    IssueSort.EVENTS: ISSUES.c.event_count,
    IssueSort.USERS: ISSUES.c.user_count,
}
_COUNT_SOME = text(
    "SELECT count(*) FROM (SELECT 1 FROM issues"
    " WHERE project_id = :project AND status = :status LIMIT :most)"
)


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The first keys of a list, each with `id` and `rank`, and how many there are in all."""

    keys: Sequence[Any]
    total: int
    is_total_exact: bool = True


def find_keys(
    connection: Connection,
    plan: SearchPlan,
    query: IssueQuery,
    after: tuple[int, int] | None,
    now: datetime,
) -> FoundKeys:
    """Return the keys of a page, and the first of the next one, if there is one."""
    if not plan.parts:
        return FoundKeys([], 0)
    if query.sort is IssueSort.TREND:
        latest = _latest_ids(connection, plan, to_milliseconds(now - _DAY))
        keys = rank_by_trend(connection, latest, now, after=after, most=query.limit + 1)
        return FoundKeys(keys, len(latest))
    column = _SORT_COLUMNS[query.sort]
    if not plan.is_search:
        keys = _first_keys(connection, plan.parts, column.name, after, query.limit + 1)
        is_all = plan.scope is None
        return FoundKeys(
            keys, _count_all(connection) if is_all else count_issues(connection, plan.parts)
        )
    matching = _select_matching(connection, plan, column)
    found = _sort_matching(connection, matching, after, query.limit + 1)
    if found.is_total_exact:
        return found
    keys = _look_at_first(connection, plan, column, after, query.limit + 1)
    if keys is None:
        keys = _pass_all(connection, matching, column, after, query.limit + 1)
    return FoundKeys(keys, COUNTED_MAX, is_total_exact=False)


def count_issues(connection: Connection, parts: Sequence[tuple[int, str]]) -> int:
    """Return how many issues the ranges have."""
    if not parts:
        return 0
    counts = " UNION ALL ".join(
        f"SELECT count(*) AS n FROM issues WHERE project_id = :p{number} AND status = :s{number}"  # noqa: S608
        for number in range(len(parts))
    )
    total = text(f"SELECT sum(n) FROM ({counts})")  # noqa: S608
    return connection.execute(total, _part_values(parts)).scalar_one()


def _count_all(connection: Connection) -> int:
    # Counting a whole table reads how many rows its pages have, not the rows.
    return connection.execute(text("SELECT count(*) FROM issues")).scalar_one()


def _part_values(parts: Sequence[tuple[int, str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for number, (project, status) in enumerate(parts):
        values[f"p{number}"] = project
        values[f"s{number}"] = status
    return values


def _first_keys(
    connection: Connection,
    parts: Sequence[tuple[int, str]],
    column: str,
    after: tuple[int, int] | None,
    most: int,
) -> Sequence[Any]:
    """Return the first keys of ranges, each of which the index has in order, as they merge."""
    # As text: to put three hundred ranges together from objects takes longer than to read them.
    onwards = f" AND ({column}, id) < (:rank, :id)" if after is not None else ""
    ranges = " UNION ALL ".join(
        f"SELECT id, {column} AS rank FROM issues INDEXED BY ix_issues_by_{column}"  # noqa: S608
        f" WHERE project_id = :p{number} AND status = :s{number}{onwards}"
        for number in range(len(parts))
    )
    values = {**_part_values(parts), "most": most}
    if after is not None:
        values.update(rank=after[0], id=after[1])
    merged = text(f"{ranges} ORDER BY rank DESC, id DESC LIMIT :most")
    return connection.execute(merged, values).all()


def _select_matching(
    connection: Connection, plan: SearchPlan, column: ColumnElement[Any]
) -> Select[Any, Any]:
    """Select the keys of all that match, in no order."""
    statement = _restrict(plan, select(ISSUES.c.id, _number(column).label("rank")))
    if plan.seed is None and _is_small(connection, plan.parts):
        return statement
    # As they are stored; or, if there is a seed, one by one.
    return statement.with_hint(ISSUES, "NOT INDEXED")


def _latest_ids(connection: Connection, plan: SearchPlan, since: int) -> Sequence[int]:
    """Return the ids of the latest of all that match and were met since then."""
    if not plan.is_search:
        column = ISSUES.c.last_seen_at.name
        keys = _first_keys(connection, plan.parts, column, None, RANKED_MAX)
        return [key.id for key in keys if key.rank >= since]
    last_seen = _number(ISSUES.c.last_seen_at)
    statement = _restrict(plan, select(ISSUES.c.id).where(last_seen >= since))
    if plan.seed is None:
        # For the index, which has them before the time.
        statement = statement.where(ISSUES.c.project_id.in_({part[0] for part in plan.parts}))
        statement = statement.where(ISSUES.c.status.in_({part[1] for part in plan.parts}))
    else:
        statement = statement.with_hint(ISSUES, "NOT INDEXED")
    latest = statement.order_by(last_seen.desc(), ISSUES.c.id.desc()).limit(RANKED_MAX)
    return connection.scalars(latest).all()


def _restrict(plan: SearchPlan, statement: Any) -> Any:
    if plan.scope is not None:
        statement = statement.where(plan.scope)
    if plan.seed is not None:
        statement = statement.where(ISSUES.c.id.in_(plan.seed))
    return statement if plan.condition is None else statement.where(plan.condition)


def _is_small(connection: Connection, parts: Sequence[tuple[int, str]]) -> bool:
    """Return whether the ranges have so few of the issues that going to each of them pays."""
    left = _count_all(connection) // _PASSED_FOR_ONE
    for project, status in parts:
        values = {"project": project, "status": status, "most": left + 1}
        left -= connection.execute(_COUNT_SOME, values).scalar_one()
        if left < 0:
            return False
    return True


def _sort_matching(
    connection: Connection, matching: Select[Any, Any], after: tuple[int, int] | None, most: int
) -> FoundKeys:
    """Return the keys and the total; if there are more than are counted, no keys."""
    found = matching.limit(COUNTED_MAX + 1).cte("found")
    total = select(func.count()).select_from(found).scalar_subquery()
    statement = select(found.c.id, found.c.rank, total.label("total"))
    if after is not None:
        rank = literal(after[0], BigInteger)
        statement = statement.where(tuple_(found.c.rank, found.c.id) < tuple_(rank, after[1]))
    keys = connection.execute(
        statement.order_by(found.c.rank.desc(), found.c.id.desc()).limit(most)
    ).all()
    if keys:
        counted = keys[0].total
    else:
        counted = connection.execute(select(total)).scalar_one() if after is not None else 0
    if counted > COUNTED_MAX:
        return FoundKeys([], COUNTED_MAX, is_total_exact=False)
    return FoundKeys(keys, counted)


def _look_at_first(
    connection: Connection,
    plan: SearchPlan,
    column: ColumnElement[Any],
    after: tuple[int, int] | None,
    most: int,
) -> Sequence[Any] | None:
    """Return a page out of the first issues of the list; None if too few of them match."""
    found: list[Any] = []
    for number in _FIRST_LOOKS:
        keys = _first_keys(connection, plan.parts, column.name, after, number)
        ids = func.json_each(orjson.dumps([key.id for key in keys]).decode()).table_valued("value")
        statement = select(ISSUES.c.id).where(ISSUES.c.id.in_(select(ids.c.value)))
        if plan.lazily is not None:
            statement = statement.where(plan.lazily)
        matching = set(connection.scalars(statement.with_hint(ISSUES, "NOT INDEXED")))
        found += (key for key in keys if key.id in matching)
        if len(found) >= most or len(keys) < number:
            return found[:most]
        after = (keys[-1].rank, keys[-1].id)
    return None


def _pass_all(
    connection: Connection,
    matching: Select[Any, Any],
    column: ColumnElement[Any],
    after: tuple[int, int] | None,
    most: int,
) -> Sequence[Any]:
    if after is not None:
        # As the number it is in the table: compared in a row value, a parameter does not take the
        # column's type.
        last = tuple_(literal(after[0], BigInteger), after[1])
        matching = matching.where(tuple_(column, ISSUES.c.id) < last)
    return connection.execute(
        matching.order_by(column.desc(), ISSUES.c.id.desc()).limit(most)
    ).all()


def _number(column: ColumnElement[Any]) -> ColumnElement[int]:
    # Moments are compared, and put into cursors, as they are stored.
    return type_coerce(column, BigInteger)
