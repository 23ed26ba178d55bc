"""Dropping events that are too many or too old."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, select, text

from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_EVENTS,
    ISSUE_HOURS,
    ISSUES,
)

_ISSUES_PER_TRIM = 100
_EVENTS_PER_BITE = 500
_ISSUES_PER_BITE = 50

_COUNT_STORED = text("UPDATE issues SET stored_count = stored_count - :count WHERE id = :issue")


def trim_issues(connection: Connection, *, events_per_issue: int) -> int:
    """Drop the oldest events, but the first, of some issues that have too many.

    Returns:
        How many issues were trimmed; there may be more if it is the most that one call trims.
    """
    crowded = connection.execute(
        select(ISSUES.c.id, ISSUES.c.stored_count)
        .where(ISSUES.c.stored_count > events_per_issue)
        .limit(_ISSUES_PER_TRIM)
    ).all()
    for issue_id, stored in crowded:
        events = ISSUE_EVENTS.c
        ordered = select(events.id).where(events.issue_id == issue_id)
        first = ordered.order_by(events.occurred_at, events.id).limit(1)
        surplus = connection.scalars(
            ordered.where(events.id != first.scalar_subquery())
            .order_by(events.occurred_at, events.id)
            .limit(stored - events_per_issue)
        ).all()
        _delete_events(connection, surplus)
        connection.execute(_COUNT_STORED, {"count": len(surplus), "issue": issue_id})
    return len(crowded)


def expire_events(connection: Connection, before: datetime) -> int:
    """Delete some events that arrived before; they lie in order of arrival."""
    events = ISSUE_EVENTS.c
    oldest = connection.execute(
        select(events.id, events.issue_id, events.received_at)
        .order_by(events.id)
        .limit(_EVENTS_PER_BITE)
    ).all()
    expired = [row for row in oldest if row.received_at < before]
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


def expire_hours(connection: Connection, before: datetime) -> int:
    """Delete the hourly counts from before, of some issues that have any."""
    hours = ISSUE_HOURS.c
    found = connection.scalars(
        select(hours.issue_id)
        .group_by(hours.issue_id)
        .having(func.min(hours.hour) < before)
        .limit(_ISSUES_PER_BITE)
    ).all()
    if found:
        connection.execute(
            delete(ISSUE_HOURS).where(hours.issue_id.in_(found)).where(hours.hour < before)
        )
    return len(found)


def _delete_events(connection: Connection, ids: Sequence[int]) -> None:
    rows = [{"event": number} for number in ids]
    if rows:
        connection.execute(
            delete(ISSUE_EVENTS).where(ISSUE_EVENTS.c.id == bindparam("event")), rows
        )
