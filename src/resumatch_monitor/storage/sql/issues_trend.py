"""Issues by how much more they are met than a day before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from resumatch_monitor.storage.sql.tables.errors import ISSUE_HOURS, ISSUES

_RANKED_MAX = 1_000
_PARAMETERS_PER_QUERY = 400
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RankedIssue:
    """An issue, and how many events more the last 24 hours had than those before."""

    id: int
    rank: int


def rank_by_trend(
    connection: Connection, matching: Select[Any], now: datetime
) -> list[RankedIssue]:
    """Return the issues of the last day that grow most first; of the latest thousand.

    Args:
        connection: Where they are.
        matching: Selects the ids of issues.
        now: The end of the day.
    """
    since = now - _DAY
    statement = (
        matching.where(ISSUES.c.last_seen_at >= since)
        .order_by(ISSUES.c.last_seen_at.desc(), ISSUES.c.id.desc())
        .limit(_RANKED_MAX)
    )
    ids = connection.scalars(statement).all()
    growth = Counter(dict.fromkeys(ids, 0))
    for start in range(0, len(ids), _PARAMETERS_PER_QUERY):
        _add_growth(connection, growth, ids[start : start + _PARAMETERS_PER_QUERY], now)
    ranked = [RankedIssue(issue_id, rank) for issue_id, rank in growth.items()]
    return sorted(ranked, key=lambda each: (each.rank, each.id), reverse=True)


def _add_growth(
    connection: Connection, growth: Counter[int], ids: Sequence[int], now: datetime
) -> None:
    current = now.replace(minute=0, second=0, microsecond=0)
    recent, before = current - timedelta(hours=23), current - timedelta(hours=47)
    grown = case(
        (ISSUE_HOURS.c.hour >= recent, ISSUE_HOURS.c.event_count),
        else_=-ISSUE_HOURS.c.event_count,
    )
    rows = connection.execute(
        select(ISSUE_HOURS.c.issue_id, func.sum(grown))
        .where(ISSUE_HOURS.c.issue_id.in_(ids), ISSUE_HOURS.c.hour >= before)
        .group_by(ISSUE_HOURS.c.issue_id)
    )
    for issue_id, rank in rows:
        growth[issue_id] += rank
