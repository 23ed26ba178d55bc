"""What rules over issues count: kept by the writer of events, in its transaction."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, text

from resumatch_monitor.errortracking.alerting.watch import CountRule, IssueWatch
from resumatch_monitor.errortracking.store import AlertKind, DigestedEvent
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.storage.sql.issues_counts import chunks
from resumatch_monitor.storage.sql.tables.workflow import (
    ISSUE_OPEN_ALERTS,
    ISSUE_RULE_COUNTS,
    ISSUE_RULE_USERS,
)

_ADD_COUNT = text(
    "INSERT INTO issue_rule_counts (rule, project_id, issue_id, bucket, event_count)"
    " VALUES (:rule, :project, :issue, :bucket, :count)"
    " ON CONFLICT (rule, project_id, issue_id, bucket) DO UPDATE"
    " SET event_count = issue_rule_counts.event_count + excluded.event_count"
)
_SEE_USER = text(
    "INSERT INTO issue_rule_users (rule, project_id, issue_id, user_hash, seen_at)"
    " VALUES (:rule, :project, :issue, :user, :at)"
    " ON CONFLICT (rule, project_id, issue_id, user_hash) DO UPDATE"
    " SET seen_at = max(issue_rule_users.seen_at, excluded.seen_at)"
)
# Whether there are so many within a window is known from the latest so many.
_FORGET_USERS = text(
    "DELETE FROM issue_rule_users"
    " WHERE rule = :rule AND project_id = :project AND issue_id = :issue AND seen_at <"
    " (SELECT seen_at FROM issue_rule_users"
    "  WHERE rule = :rule AND project_id = :project AND issue_id = :issue"
    "  ORDER BY seen_at DESC LIMIT 1 OFFSET :most)"
)
_OPEN = text(
    "INSERT OR REPLACE INTO issue_open_alerts"
    " (rule, project_id, issue_id, kind, started_at) VALUES (:rule, :project, :issue, :kind, :at)"
)

Scope = tuple[int, int]
"""Project and issue; 0 for all issues of the project."""
Sighting = tuple[DigestedEvent, int]
"""An event and its issue."""


class RuleTally:
    """Counts a batch's events for the rules that count."""

    def __init__(self, connection: Connection, watch: IssueWatch) -> None:
        self._connection = connection
        self._rules = watch.counting
        self._seen: dict[str, list[Sighting]] = defaultdict(list)

    def note(self, issue_id: int, event: DigestedEvent) -> None:
        """Note an event of an issue that is neither archived nor resolved."""
        for rule in self._rules:
            if rule.filter.matches(event):
                self._seen[rule.name].append((event, issue_id))

    def save(self) -> list[dict[str, Any]]:
        """Store the counts; return a row of the queue of alerts for each rule that is met."""
        rows: list[dict[str, Any]] = []
        for rule in self._rules:
            sightings: dict[Scope, list[Sighting]] = defaultdict(list)
            for event, issue_id in self._seen[rule.name]:
                scope = (event.project_id, 0 if rule.is_of_project else issue_id)
                sightings[scope].append((event, issue_id))
            if not sightings:
                continue
            is_of_users = rule.kind is AlertKind.USERS
            met = (self._count_users if is_of_users else self._count_events)(rule, sightings)
            rows += self._open(rule, met)
        return rows

    def _count_events(
        self, rule: CountRule, sightings: dict[Scope, list[Sighting]]
    ) -> dict[Scope, tuple[Sighting, int]]:
        """Return the scopes in which some window has enough, the event with which, and how many."""
        added = {
            scope: Counter(rule.bucket_of(event) for event, _ in seen)
            for scope, seen in sightings.items()
        }
        self._connection.execute(
            _ADD_COUNT,
            [
                {**_name(rule, scope), "bucket": bucket, "count": count}
                for scope, counts in added.items()
                for bucket, count in counts.items()
            ],
        )
        stored = self._load_counts(rule, added)
        met: dict[Scope, tuple[Sighting, int]] = {}
        for scope, touched in added.items():
            found = _fullest(stored[scope], touched, rule)
            if found is not None:
                bucket, count = found
                last = [each for each in sightings[scope] if rule.bucket_of(each[0]) == bucket]
                met[scope] = last[-1], count
        return met

    def _load_counts(
        self, rule: CountRule, added: dict[Scope, Counter[int]]
    ) -> dict[Scope, dict[int, int]]:
        columns = ISSUE_RULE_COUNTS.c
        oldest = min(min(counts) for counts in added.values()) - rule.window_milliseconds
        found: dict[Scope, dict[int, int]] = defaultdict(dict)
        by_project: dict[int, list[int]] = defaultdict(list)
        for project_id, issue_id in added:
            by_project[project_id].append(issue_id)
        for project_id, issues in by_project.items():
            for chunk in chunks(issues):
                rows = self._connection.execute(
                    select(columns.issue_id, columns.bucket, columns.event_count).where(
                        columns.rule == rule.name,
                        columns.project_id == project_id,
                        columns.issue_id.in_(chunk),
                        columns.bucket > from_milliseconds(oldest),
                    )
                )
                for row in rows:
                    scope = (project_id, row.issue_id)
                    found[scope][to_milliseconds(row.bucket)] = row.event_count
        return found

    def _count_users(
        self, rule: CountRule, sightings: dict[Scope, list[Sighting]]
    ) -> dict[Scope, tuple[Sighting, int]]:
        met: dict[Scope, tuple[Sighting, int]] = {}
        columns = ISSUE_RULE_USERS.c
        for scope, seen in sightings.items():
            rows = self._connection.execute(
                select(columns.user_hash, columns.seen_at).where(
                    columns.rule == rule.name,
                    columns.project_id == scope[0],
                    columns.issue_id == scope[1],
                )
            )
            latest = {row.user_hash: to_milliseconds(row.seen_at) for row in rows}
            fresh: dict[bytes, int] = {}
            for event, issue_id in seen:
                user, at = event.user_hash, to_milliseconds(event.received_at)
                if user is None:
                    continue
                latest[user] = fresh[user] = max(at, latest.get(user, at))
                if len(latest) >= rule.threshold and scope not in met:
                    oldest = at - rule.window_milliseconds
                    count = sum(moment > oldest for moment in latest.values())
                    if count >= rule.threshold:
                        met[scope] = (event, issue_id), count
            if fresh:
                self._see(rule, scope, fresh, is_full=len(latest) > rule.threshold)
        return met

    def _see(
        self, rule: CountRule, scope: Scope, users: dict[bytes, int], *, is_full: bool
    ) -> None:
        name = _name(rule, scope)
        self._connection.execute(
            _SEE_USER, [{**name, "user": user, "at": at} for user, at in users.items()]
        )
        if is_full:
            self._connection.execute(_FORGET_USERS, {**name, "most": rule.threshold - 1})

    def _open(
        self, rule: CountRule, met: dict[Scope, tuple[Sighting, int]]
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for scope, ((event, issue_id), count) in met.items():
            if self._is_held(rule, scope, event):
                continue
            at = event.received_at
            self._connection.execute(
                _OPEN, {**_name(rule, scope), "kind": rule.kind.value, "at": to_milliseconds(at)}
            )
            rows.append(
                {
                    "issue_id": issue_id,
                    "kind": rule.kind.value,
                    "at": at,
                    "occurrence": 0,
                    "environment": event.environment,
                    "rule": rule.name,
                    "severity": rule.severity,
                    "release": event.release or None,
                    "value": count,
                    "remark": _describe(rule, count),
                    "is_lasting": True,
                }
            )
        return rows

    def _is_held(self, rule: CountRule, scope: Scope, event: DigestedEvent) -> bool:
        """Return whether the alert is open, or was not long enough ago."""
        columns = ISSUE_OPEN_ALERTS.c
        row = self._connection.execute(
            select(columns.started_at, columns.end_told_at).where(
                columns.rule == rule.name,
                columns.project_id == scope[0],
                columns.issue_id == scope[1],
            )
        ).one_or_none()
        if row is None:
            return False
        if row.end_told_at is None:
            return True
        # What began that much later began by a clock that ran ahead: nobody knows when.
        is_known = row.started_at <= event.received_at + rule.window
        return is_known and event.received_at < row.started_at + rule.cool_down


def forget_counts(connection: Connection, issue_ids: Sequence[int]) -> None:
    """Let rules count anew for issues with which people are done."""
    for chunk in chunks(issue_ids):
        for table in (ISSUE_RULE_COUNTS, ISSUE_RULE_USERS):
            connection.execute(delete(table).where(table.c.issue_id.in_(chunk)))


def _fullest(
    stored: dict[int, int], touched: Counter[int], rule: CountRule
) -> tuple[int, int] | None:
    """Return the first touched bucket at whose end enough came within the window, and how many."""
    for bucket in sorted(touched):
        oldest = bucket - rule.window_milliseconds
        count = sum(n for at, n in stored.items() if oldest < at <= bucket)
        if count >= rule.threshold:
            return bucket, count
    return None


def _describe(rule: CountRule, count: int) -> str:
    what = "users" if rule.kind is AlertKind.USERS else "events"
    minutes = round(rule.window.total_seconds() / 60)
    return f"{count} {what} within {minutes} min, by rule {rule.name}"


def _name(rule: CountRule, scope: Scope) -> dict[str, Any]:
    return {"rule": rule.name, "project": scope[0], "issue": scope[1]}
