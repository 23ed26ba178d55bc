"""What a batch of events changes of one issue: its row, and what is counted beside it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from resumatch_monitor.errortracking.issues import render_short_id
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_statements import (
    INSERT_USER,
    PIN_GROUPING,
    UPSERT_HOUR,
    UPSERT_ISSUE_RELEASE,
    UPSERT_PROJECT,
    UPSERT_RELEASE,
    UPSERT_TAG,
    UPSERT_TAG_KEY,
)
from resumatch_monitor.storage.sql.statements import execute_many
from resumatch_monitor.storage.sql.tables.errors import ISSUE_USERS

_HOUR_MILLISECONDS = 3_600_000
_PARAMETERS_PER_QUERY = 400


@dataclass(slots=True)
class IssueState:
    """An issue while a batch is applied to it; `row` has the table's columns.

    Attributes:
        is_decided: Whether what people decided about it has changed.
        last_event: The last one of the batch that no probe of the monitor's own caused.
    """

    row: dict[str, Any]
    issue_id: int
    hours: Counter[int] = field(default_factory=Counter[int])
    tags: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    releases: Counter[str] = field(default_factory=Counter[str])
    release_first_seen: dict[str, datetime] = field(default_factory=dict[str, datetime])
    users: set[bytes] = field(default_factory=set[bytes])
    is_decided: bool = False
    last_event: DigestedEvent | None = None


def update_row(row: dict[str, Any], event: DigestedEvent) -> None:
    """Let an event change the row of its issue."""
    row["event_count"] += 1
    row["stored_count"] += 1
    if event.occurred_at >= row["last_seen_at"]:
        # What people see of an issue is its latest event.
        row["last_seen_at"] = event.occurred_at
        for name in ("type", "value", "culprit", "level", "platform", "is_handled"):
            row[name] = getattr(event, name)
        row["last_release"] = event.release or row["last_release"]
        row["search_text"] = search_text(event, row["number"])
    if event.occurred_at < row["first_seen_at"]:
        row["first_seen_at"] = event.occurred_at
        row["first_release"] = event.release or row["first_release"]
    elif row["first_release"] is None:
        row["first_release"] = event.release or None
    if row["last_release"] is None:
        row["last_release"] = event.release or None


def count_event(state: IssueState, event: DigestedEvent) -> None:
    """Count an event for its issue."""
    at = to_milliseconds(event.occurred_at)
    state.hours[at - at % _HOUR_MILLISECONDS] += 1
    state.tags.update(event.tags)
    if not event.is_synthetic:
        state.last_event = event
    if event.release:
        state.releases[event.release] += 1
        first = state.release_first_seen.get(event.release, event.occurred_at)
        state.release_first_seen[event.release] = min(first, event.occurred_at)
    if event.user_hash is not None and not event.is_synthetic:
        state.users.add(event.user_hash)


def search_text(event: DigestedEvent, number: int) -> str:
    """Return what lists search in."""
    short_id = render_short_id(event.project_slug, number)
    parts = [event.type, event.value, event.culprit, short_id]
    if event.message and event.message not in event.value:
        parts.append(event.message)
    return "\n".join(parts).lower()


def count_projects(connection: Connection, events: Sequence[DigestedEvent]) -> None:
    """Count events for their projects, and note the releases that they name."""
    counts = Counter(event.project_id for event in events)
    last = {event.project_id: event for event in sorted(events, key=lambda each: each.occurred_at)}
    execute_many(
        connection,
        UPSERT_PROJECT,
        [
            {
                "project": number,
                "slug": last[number].project_slug,
                "count": count,
                "last": to_milliseconds(last[number].occurred_at),
            }
            for number, count in counts.items()
        ],
    )
    execute_many(
        connection,
        PIN_GROUPING,
        [{"project": number, "version": last[number].grouping_version} for number in counts],
    )
    releases: dict[tuple[int, str], int] = {}
    for event in events:
        if event.release:
            key = (event.project_id, event.release)
            at = to_milliseconds(event.occurred_at)
            releases[key] = min(at, releases.get(key, at))
    execute_many(
        connection,
        UPSERT_RELEASE,
        [
            {"project": project, "version": version, "first": first}
            for (project, version), first in releases.items()
        ],
    )


def count_users(connection: Connection, states: Mapping[int, IssueState]) -> None:
    """Count users whom their issue has not met, and remember them."""
    pairs = [(state.issue_id, user) for state in states.values() for user in state.users]
    known: set[tuple[int, bytes]] = set()
    for chunk in chunks(pairs):
        found = connection.execute(
            select(ISSUE_USERS.c.issue_id, ISSUE_USERS.c.user_hash).where(
                tuple_(ISSUE_USERS.c.issue_id, ISSUE_USERS.c.user_hash).in_(chunk)
            )
        )
        known.update((row.issue_id, row.user_hash) for row in found)
    unknown = [pair for pair in pairs if pair not in known]
    for issue_id, _ in unknown:
        states[issue_id].row["user_count"] += 1
    execute_many(
        connection, INSERT_USER, [{"issue": issue, "user": user} for issue, user in unknown]
    )


def save_counts(connection: Connection, states: Mapping[int, IssueState]) -> None:
    """Add what a batch counted: hours, tags, releases."""
    hours: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    tags: list[dict[str, Any]] = []
    releases: list[dict[str, Any]] = []
    for issue, state in states.items():
        hours += (
            {"issue": issue, "hour": hour, "count": count} for hour, count in state.hours.items()
        )
        totals: Counter[str] = Counter()
        for (key, value), count in state.tags.items():
            totals[key] += count
            tags.append({"issue": issue, "key": key, "value": value, "count": count})
        keys += ({"issue": issue, "key": key, "count": count} for key, count in totals.items())
        releases += (
            {
                "issue": issue,
                "version": version,
                "count": count,
                "first": to_milliseconds(state.release_first_seen[version]),
            }
            for version, count in state.releases.items()
        )
    statements = (UPSERT_HOUR, UPSERT_TAG_KEY, UPSERT_TAG, UPSERT_ISSUE_RELEASE)
    for statement, rows in zip(statements, (hours, keys, tags, releases), strict=True):
        execute_many(connection, statement, rows)


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return stretches that are short enough for one query."""
    for start in range(0, len(items), _PARAMETERS_PER_QUERY):
        yield items[start : start + _PARAMETERS_PER_QUERY]
