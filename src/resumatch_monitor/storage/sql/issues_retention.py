"""Dropping events that are too many or too old."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, text

from resumatch_monitor.errortracking.keeping import Candidate, choose_surplus
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_EVENTS,
    ISSUE_HOURS,
    ISSUES,
)

_EVENTS_PER_BITE = 500
_ISSUES_PER_BITE = 50
_CANDIDATES_MAX = 20_000

_COUNT_STORED = text("UPDATE issues SET stored_count = stored_count - :count WHERE id = :issue")

_SET_STORED = text("UPDATE issues SET stored_count = :count WHERE id = :issue")


def trim_issues(connection: Connection, *, events_per_issue: int) -> int:
    """Drop events of some issues that have too many; return how many events that were."""
    crowded = connection.scalars(
        select(ISSUES.c.id).where(ISSUES.c.stored_count > events_per_issue).limit(_ISSUES_PER_BITE)
    ).all()
    return _trim_some(connection, [(issue_id, events_per_issue) for issue_id in crowded])


def trim_projects(connection: Connection, *, events_per_project: int) -> int:
    """Drop events of the most crowded issues of projects that have too many; return how many."""
    stored = func.sum(ISSUES.c.stored_count)
    crowded = connection.execute(
        select(ISSUES.c.project_id, stored.label("stored"))
        .group_by(ISSUES.c.project_id)
        .having(stored > events_per_project)
    ).all()
    dropped = 0
    for project in crowded:
        issues = connection.execute(
            select(ISSUES.c.id, ISSUES.c.stored_count)
            .where(ISSUES.c.project_id == project.project_id, ISSUES.c.stored_count > 1)
            .order_by(ISSUES.c.stored_count.desc())
            .limit(_ISSUES_PER_BITE)
        ).all()
        dropped += _trim_some(
            connection, [(row.id, max(1, row.stored_count * 3 // 4)) for row in issues]
        )
    return dropped


def _trim_some(connection: Connection, issues: Sequence[tuple[int, int]]) -> int:
    """Bring issues down to a number of events each, until a bite is full."""
    dropped = 0
    for issue_id, most in issues:
        if dropped >= _EVENTS_PER_BITE:
            break
        events = _read_candidates(connection, issue_id)
        # There may be more than were read: of these some go, even if the limit is higher.
        is_cut = len(events) >= _CANDIDATES_MAX
        limit = min(most, _CANDIDATES_MAX - _EVENTS_PER_BITE) if is_cut else most
        surplus = choose_surplus(events, limit)[:_EVENTS_PER_BITE]
        _delete_events(connection, surplus)
        if is_cut:
            connection.execute(_COUNT_STORED, {"count": len(surplus), "issue": issue_id})
        else:
            left = {"count": len(events) - len(surplus), "issue": issue_id}
            connection.execute(_SET_STORED, left)
        dropped += len(surplus)
    return dropped


def _read_candidates(connection: Connection, issue_id: int) -> list[Candidate]:
    events = ISSUE_EVENTS.c
    rows = connection.execute(
        select(events.id, events.occurred_at, events.kept_for)
        .where(events.issue_id == issue_id)
        .order_by(events.occurred_at, events.id)
        .limit(_CANDIDATES_MAX)
    )
    return [Candidate(row.id, to_milliseconds(row.occurred_at), row.kept_for) for row in rows]


def expire_events(connection: Connection, before: datetime, now: datetime) -> int:
    """Delete some events that arrived before; they lie in order of arrival.

    What arrived by a clock that ran ahead is as old as what came next by one that did not.
    """
    events = ISSUE_EVENTS.c
    oldest = connection.execute(
        select(events.id, events.issue_id, events.received_at)
        .order_by(events.id)
        .limit(_EVENTS_PER_BITE)
    ).all()
    last = max((at for at, row in enumerate(oldest) if row.received_at < before), default=-1)
    if all(row.received_at > now for row in oldest):
        # Without an index this steps over all rows of such a clock, but over no others.
        next_at = connection.scalar(
            select(events.received_at).where(events.received_at <= now).order_by(events.id).limit(1)
        )
        last = len(oldest) - 1 if next_at is not None and next_at < before else -1
    expired = [
        row for row in oldest[: last + 1] if row.received_at < before or row.received_at > now
    ]
    _delete_events(connection, [row.id for row in expired])
    for issue_id in {row.issue_id for row in expired}:
        count = sum(row.issue_id == issue_id for row in expired)
        connection.execute(_COUNT_STORED, {"count": count, "issue": issue_id})
    return len(expired)


def expire_issues(connection: Connection, before: datetime) -> int:
    """Delete some issues that nobody has met since; what belongs to them goes with them."""
    found = connection.scalars(
        select(ISSUES.c.id)
        .where(ISSUES.c.last_seen_at < before)
        .where(ISSUES.c.stored_count == 0)
        .limit(_ISSUES_PER_BITE)
    ).all()
    if found:
        connection.execute(delete(ISSUES).where(ISSUES.c.id.in_(found)))
    return len(found)


def find_old_hours(connection: Connection, before: datetime) -> Sequence[int]:
    """Return some issues that have hourly counts from before."""
    hours = ISSUE_HOURS.c
    return connection.scalars(
        select(hours.issue_id)
        .group_by(hours.issue_id)
        .having(func.min(hours.hour) < before)
        .limit(_ISSUES_PER_BITE)
    ).all()


def expire_hours(connection: Connection, issue_ids: Sequence[int], before: datetime) -> int:
    """Delete the hourly counts of some issues from before; return of how many issues."""
    if issue_ids:
        hours = ISSUE_HOURS.c
        connection.execute(
            delete(ISSUE_HOURS).where(hours.issue_id.in_(issue_ids)).where(hours.hour < before)
        )
    return len(issue_ids)


def _delete_events(connection: Connection, ids: Sequence[int]) -> None:
    rows = [{"event": number} for number in ids]
    if rows:
        connection.execute(
            delete(ISSUE_EVENTS).where(ISSUE_EVENTS.c.id == bindparam("event")), rows
        )
