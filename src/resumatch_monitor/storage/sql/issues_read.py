"""The issues in the relational database: the reading side."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import BigInteger, Connection, Row, literal, select, text, tuple_

from resumatch_monitor.errortracking.issues import (
    Activity,
    Change,
    EventPage,
    EventSummary,
    Issue,
    IssueDetail,
    IssuePage,
    IssueQuery,
    IssueStatus,
    MatchingIssues,
    ProjectUse,
    ReleaseUse,
    StoredEvent,
    TagUse,
)
from resumatch_monitor.errortracking.keeping import KeptFor
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_find import count_issues
from resumatch_monitor.storage.sql.issues_list import (
    ISSUE_COLUMNS,
    decode_cursor,
    encode_cursor,
    find_matching,
    index_ranges,
    list_issues,
    read_issue,
)
from resumatch_monitor.storage.sql.issues_sparklines import read_hourly, read_sparklines
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_PROJECTS,
    ERROR_RELEASES,
    ISSUE_ACTIVITY,
    ISSUE_EVENTS,
    ISSUE_RELEASES,
    ISSUE_TAG_KEYS,
    ISSUES,
)

_CHART_HOURS = 14 * 24
_VALUES_SHOWN = 20
_RELEASES_SHOWN = 50
_ACTIVITY_SHOWN = 100
_SEARCHES_AT_ONCE = 2
# One row, as of hours: there may be ten thousand of these.
_TAGS = text(
    "SELECT json_group_array(json_array(key, value, event_count)) FROM ("
    " SELECT key, value, event_count, row_number() OVER"
    "  (PARTITION BY key ORDER BY event_count DESC, value) AS place"
    " FROM issue_tags WHERE issue_id = :issue) WHERE place <= :most"
)


class SqlIssueReader:
    """Implements `IssueReader` and `IssueOverview` of error tracking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._payloads = PayloadReader()
        # A search may take seconds: there is always a reader left for what takes none.
        self._searching = asyncio.Semaphore(_SEARCHES_AT_ONCE)

    async def list_issues(self, query: IssueQuery, now: datetime) -> IssuePage:
        """Return a page of issues."""
        after = decode_cursor(query.cursor, query.sort.value)
        async with contextlib.nullcontext() if query.search is None else self._searching:
            return await self._database.read(
                lambda connection: list_issues(connection, query, after, now)
            )

    async def find_matching(
        self, query: IssueQuery, now: datetime, *, limit: int
    ) -> MatchingIssues:
        """Return the first issues that match, in the order of the list."""
        async with self._searching:
            return await self._database.read(
                lambda connection: find_matching(connection, replace(query, limit=limit), now)
            )

    async def get_issue(self, issue_id: int, now: datetime) -> IssueDetail | None:
        """Return an issue with everything that its page shows."""
        return await self._database.read(lambda connection: _get_issue(connection, issue_id, now))

    async def list_events(self, issue_id: int, *, cursor: str | None, limit: int) -> EventPage:
        """Return a page of an issue's stored events, the latest first."""
        after = decode_cursor(cursor, "events_of_issue")
        return await self._database.read(
            lambda connection: _list_events(connection, issue_id, after, limit)
        )

    async def get_event(self, issue_id: int, event_id: str) -> StoredEvent | None:
        """Return an event; `latest` and `oldest` are accepted as its id."""
        return await self._database.read(
            lambda connection: _get_event(connection, self._payloads, issue_id, event_id)
        )

    async def project_uses(self) -> Sequence[ProjectUse]:
        """Return what the projects that have sent have sent."""

        def read(connection: Connection) -> list[ProjectUse]:
            rows = connection.execute(select(ERROR_PROJECTS))
            return [ProjectUse(row.project_id, row.event_count, row.last_event_at) for row in rows]

        return await self._database.read(read)

    async def count_unresolved(self) -> int:
        """Return how many issues are unresolved."""
        query = IssueQuery(status=IssueStatus.UNRESOLVED)
        return await self._database.read(
            lambda connection: count_issues(connection, index_ranges(connection, query))
        )

    async def newest_unresolved(self, limit: int, now: datetime) -> Sequence[Issue]:
        """Return unresolved issues, the one seen last first."""
        query = IssueQuery(status=IssueStatus.UNRESOLVED, limit=limit)
        return (await self.list_issues(query, now)).items

    async def changes_since(self, since: datetime, limit: int) -> Sequence[Change]:
        """Return new, regressed and resolved issues and first releases, newest first."""
        return await self._database.read(
            lambda connection: _changes_since(connection, since, limit)
        )


def _get_issue(connection: Connection, issue_id: int, now: datetime) -> IssueDetail | None:
    row = connection.execute(
        select(*ISSUE_COLUMNS, ISSUES.c.explanation)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .where(ISSUES.c.id == issue_id)
    ).one_or_none()
    if row is None:
        return None
    tags = _read_tags(connection, issue_id)
    environments = next((tag.values for tag in tags if tag.key == "environment"), ())
    return IssueDetail(
        issue=read_issue(row, read_sparklines(connection, [issue_id], now)[issue_id]),
        environments=[value for value, _ in environments],
        releases=_read_releases(connection, issue_id),
        tags=tags,
        activity=_read_activity(connection, issue_id),
        grouping_version=row.grouping_version,
        explanation=row.explanation,
        counts=_read_counts(connection, issue_id, now),
    )


def _read_tags(connection: Connection, issue_id: int) -> list[TagUse]:
    content = connection.execute(_TAGS, {"issue": issue_id, "most": _VALUES_SHOWN}).scalar_one()
    rows: list[tuple[str, str, int]] = orjson.loads(content)
    values: dict[str, list[tuple[str, int]]] = {}
    for key, value, count in sorted(rows, key=lambda row: (row[0], -row[2], row[1])):
        values.setdefault(key, []).append((value, count))
    keys = connection.execute(
        select(ISSUE_TAG_KEYS)
        .where(ISSUE_TAG_KEYS.c.issue_id == issue_id)
        .order_by(ISSUE_TAG_KEYS.c.key)
    )
    return [TagUse(row.key, row.event_count, values.get(row.key, [])) for row in keys]


def _read_releases(connection: Connection, issue_id: int) -> list[ReleaseUse]:
    rows = connection.execute(
        select(ISSUE_RELEASES)
        .where(ISSUE_RELEASES.c.issue_id == issue_id)
        .order_by(ISSUE_RELEASES.c.first_seen_at.desc(), ISSUE_RELEASES.c.version.desc())
        .limit(_RELEASES_SHOWN)
    )
    return [ReleaseUse(row.version, row.first_seen_at, row.event_count) for row in rows]


def _read_activity(connection: Connection, issue_id: int) -> list[Activity]:
    rows = connection.execute(
        select(ISSUE_ACTIVITY)
        .where(ISSUE_ACTIVITY.c.issue_id == issue_id)
        .order_by(ISSUE_ACTIVITY.c.id.desc())
        .limit(_ACTIVITY_SHOWN)
    )
    return [Activity(row.at, row.kind, row.actor, row.text) for row in rows]


def _read_counts(
    connection: Connection, issue_id: int, now: datetime
) -> list[tuple[datetime, int]]:
    current = now.replace(minute=0, second=0, microsecond=0)
    line = read_hourly(connection, [issue_id], now, _CHART_HOURS)[issue_id]
    first = current - timedelta(hours=_CHART_HOURS - 1)
    return [(first + timedelta(hours=hour), count) for hour, count in enumerate(line)]


def _list_events(
    connection: Connection, issue_id: int, after: tuple[int, int] | None, limit: int
) -> EventPage:
    events = ISSUE_EVENTS.c
    statement = select(
        events.id,
        events.event_id,
        events.occurred_at,
        events.message,
        events.release,
        events.environment,
        events.user_label,
        events.kept_for,
    ).where(events.issue_id == issue_id)
    if after is not None:
        statement = statement.where(
            tuple_(events.occurred_at, events.id) < tuple_(literal(after[0], BigInteger), after[1])
        )
    rows = connection.execute(
        statement.order_by(events.occurred_at.desc(), events.id.desc()).limit(limit + 1)
    ).all()
    items = [
        EventSummary(
            event_id=row.event_id.hex(),
            occurred_at=row.occurred_at,
            message=row.message,
            release=row.release,
            environment=row.environment,
            user=row.user_label,
            kept_for=KeptFor(row.kept_for),
        )
        for row in rows[:limit]
    ]
    if len(rows) <= limit:
        return EventPage(items, None)
    last = rows[limit - 1]
    return EventPage(
        items, encode_cursor("events_of_issue", to_milliseconds(last.occurred_at), last.id)
    )


def _get_event(
    connection: Connection, payloads: PayloadReader, issue_id: int, event_id: str
) -> StoredEvent | None:
    events = ISSUE_EVENTS.c
    statement = select(ISSUE_EVENTS).where(events.issue_id == issue_id)
    if event_id == "latest":
        statement = statement.order_by(events.occurred_at.desc(), events.id.desc())
    elif event_id == "oldest":
        statement = statement.order_by(events.occurred_at, events.id)
    else:
        try:
            statement = statement.where(events.event_id == bytes.fromhex(event_id))
        except ValueError:
            return None
    row = connection.execute(statement.limit(1)).one_or_none()
    if row is None:
        return None
    content = payloads.unpack(connection, row.dict_id, row.payload)
    return StoredEvent(
        project_id=row.project_id,
        event_id=row.event_id.hex(),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        raw=content["event"],
        scrubbed=content["scrubbed"],
        previous_event_id=_neighbour(connection, row, "previous"),
        next_event_id=_neighbour(connection, row, "next"),
    )


def _neighbour(
    connection: Connection, row: Row[Any], side: Literal["previous", "next"]
) -> str | None:
    events = ISSUE_EVENTS.c
    at = literal(to_milliseconds(row.occurred_at), BigInteger)
    here, there = tuple_(events.occurred_at, events.id), tuple_(at, row.id)
    statement = select(events.event_id).where(events.issue_id == row.issue_id)
    if side == "previous":
        statement = statement.where(here < there).order_by(
            events.occurred_at.desc(), events.id.desc()
        )
    else:
        statement = statement.where(here > there).order_by(events.occurred_at, events.id)
    found = connection.scalar(statement.limit(1))
    return None if found is None else found.hex()


def _changes_since(connection: Connection, since: datetime, limit: int) -> list[Change]:
    kinds = {"created": "issue_new", "regressed": "issue_regressed", "resolved": "issue_resolved"}
    activity = ISSUE_ACTIVITY.c
    changes = [
        Change(
            at=row.at,
            kind=kinds[row.activity_kind],
            title=read_issue(row).title,
            severity="ok" if row.activity_kind == "resolved" else _severity_of(row.level),
            path=f"/issues/{row.id}",
        )
        for row in connection.execute(
            select(activity.at, activity.kind.label("activity_kind"), *ISSUE_COLUMNS)
            .join(ISSUES, ISSUES.c.id == activity.issue_id)
            .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
            .where(activity.at >= since, activity.kind.in_(kinds))
            .order_by(activity.at.desc(), activity.id.desc())
            .limit(limit)
        )
    ]
    releases = connection.execute(
        select(ERROR_RELEASES, ERROR_PROJECTS.c.slug)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ERROR_RELEASES.c.project_id)
        .where(ERROR_RELEASES.c.first_seen_at >= since)
        .order_by(ERROR_RELEASES.c.first_seen_at.desc())
        .limit(limit)
    )
    changes += (
        Change(
            at=row.first_seen_at,
            kind="release_seen",
            title=f"{row.slug}: first event of release {row.version}",
            severity="info",
            path=f"/issues?project={row.project_id}",
        )
        for row in releases
    )
    changes.sort(key=lambda change: change.at, reverse=True)
    return changes[:limit]


def _severity_of(level: str) -> str:
    return {"fatal": "critical", "error": "warning", "warning": "warning"}.get(level, "info")
