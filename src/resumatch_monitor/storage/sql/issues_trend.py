"""Issues by how much more they are met than a day before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, literal, select

from resumatch_monitor.storage.sql.issues_search import Condition
from resumatch_monitor.storage.sql.issues_search_plan import SearchPlan
from resumatch_monitor.storage.sql.tables.errors import ISSUE_HOURS, ISSUES

_RANKED_MAX = 1_000
_PARAMETERS_PER_QUERY = 400
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RankedIssue:
    """An issue, and how many events more the last 24 hours had than those before."""

    id: int
    rank: int


def rank_by_trend(connection: Connection, plan: SearchPlan, now: datetime) -> list[RankedIssue]:
    """Return the issues of the last day that grow most first; of the latest thousand."""
    since = now - _DAY
    statement = (
        select(ISSUES.c.id)
        .where(*seed_conditions(plan), ISSUES.c.last_seen_at >= since)
        .order_by(ISSUES.c.last_seen_at.desc(), ISSUES.c.id.desc())
        .limit(_RANKED_MAX)
    )
    ids = connection.scalars(statement).all()
    growth = Counter(dict.fromkeys(ids, 0))
    for start in range(0, len(ids), _PARAMETERS_PER_QUERY):
        _add_growth(connection, growth, ids[start : start + _PARAMETERS_PER_QUERY], now)
    ranked = [RankedIssue(issue_id, rank) for issue_id, rank in growth.items()]
    return sorted(ranked, key=lambda each: (each.rank, each.id), reverse=True)


def seed_conditions(plan: SearchPlan) -> list[Condition]:
    """Return the whole of a plan as conditions on `issues`."""
    # The sum keeps the index of projects out: the seed, if there is one, finds fewer.
    project = ISSUES.c.project_id + literal(0) if plan.seed is not None else ISSUES.c.project_id
    conditions: list[Condition] = [
        project.in_({part[0] for part in plan.parts}),
        ISSUES.c.status.in_({part[1] for part in plan.parts}),
    ]
    if plan.seed is not None:
        conditions.append(ISSUES.c.id.in_(plan.seed))
    if plan.condition is not None:
        conditions.append(plan.condition)
    return conditions


def _add_growth(
    connection: Connection, growth: Counter[int], ids: Sequence[int], now: datetime
) -> None:
    current = now.replace(minute=0, second=0, microsecond=0)
    recent, before = current - timedelta(hours=23), current - timedelta(hours=47)
    rows = connection.execute(
        select(ISSUE_HOURS).where(ISSUE_HOURS.c.issue_id.in_(ids), ISSUE_HOURS.c.hour >= before)
    )
    for row in rows:
        growth[row.issue_id] += row.event_count if row.hour >= recent else -row.event_count
