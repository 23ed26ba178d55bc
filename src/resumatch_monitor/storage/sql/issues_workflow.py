"""What people decide about issues, in the relational database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, insert, literal, select, update
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.store import StoreUnavailableError
from resumatch_monitor.errortracking.workflow.decisions import (
    Decision,
    Entry,
    Surroundings,
    Unset,
    decide,
    resolve_in_release,
)
from resumatch_monitor.errortracking.workflow.events import end_rest
from resumatch_monitor.errortracking.workflow.model import Standing
from resumatch_monitor.errortracking.workflow.release_order import find_newest
from resumatch_monitor.errortracking.workflow.store import (
    MOST_ISSUES,
    ConflictError,
    Decided,
    Undone,
)
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from resumatch_monitor.storage.sql.issues_counts import chunks
from resumatch_monitor.storage.sql.issues_rules import forget_counts
from resumatch_monitor.storage.sql.issues_standing import (
    STANDING_COLUMNS,
    UPDATE_STANDING,
    latest_releases,
    standing_row,
)
from resumatch_monitor.storage.sql.tables.errors import ISSUE_ACTIVITY, ISSUE_HOURS, ISSUES
from resumatch_monitor.storage.sql.tables.symbols import RELEASE_COMMITS, RELEASES
from resumatch_monitor.storage.sql.tables.workflow import ISSUE_DECISIONS, ISSUE_OPEN_ALERTS

T = TypeVar("T")

_UNDO_FOR = timedelta(days=1)
_RELEASES_LOOKED_AT = 200
_RESTS_A_ROUND = 200
_COMMITS_A_ROUND = 500
_WEEK = timedelta(days=7)
_MOMENTS = ("resolved_at", "archived_until")
_OWN_COLUMNS = ("assignee", "priority")


class SqlIssueWorkflow:
    """Implements `IssueWorkflow`'s decisions, and `WorkflowDue`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def decide(
        self,
        issue_ids: Sequence[int],
        decision: Decision,
        *,
        actor: str,
        at: datetime,
        revisions: Mapping[int, int] | None = None,
    ) -> Decided:
        """Apply a decision to the issues that exist, to all or to none."""
        ids = list(dict.fromkeys(issue_ids))[:MOST_ISSUES]
        return await self.write(
            lambda connection: _Decider(connection, actor=actor, at=at).apply(
                ids, decision, revisions or {}
            )
        )

    async def undo(self, undo_id: int, *, actor: str, at: datetime) -> Undone | None:
        """Take a decision back; None if there is none, or it is too long ago."""

        def write(connection: Connection) -> Undone | None:
            row = connection.execute(
                select(ISSUE_DECISIONS).where(
                    ISSUE_DECISIONS.c.id == undo_id, ISSUE_DECISIONS.c.at >= at - _UNDO_FOR
                )
            ).one_or_none()
            if row is None:
                return None
            connection.execute(delete(ISSUE_DECISIONS).where(ISSUE_DECISIONS.c.id == undo_id))
            return _Decider(connection, actor=actor, at=at).take_back(row.before)

        return await self.write(write)

    async def end_rests(self, now: datetime) -> int:
        """Reopen a bounded number of issues whose time of rest is over; return how many."""

        def find(connection: Connection) -> list[int]:
            return list(
                connection.scalars(
                    select(ISSUES.c.id)
                    .where(ISSUES.c.archived_until <= now)
                    .order_by(ISSUES.c.archived_until)
                    .limit(_RESTS_A_ROUND)
                )
            )

        ids = await self._database.read(find)
        if not ids:
            return 0
        return await self.write(
            lambda connection: _Decider(connection, actor=None, at=now).end_rests(ids)
        )

    async def resolve_by_commits(self, now: datetime) -> int:
        """Resolve the issues whose commit has come with a release; return how many."""

        def find(connection: Connection) -> list[tuple[int, str]]:
            commit = ISSUES.c.resolution_commit
            # Those that no release has yet may be many, and must not stand before the others.
            rows = connection.execute(
                select(ISSUES.c.id, ISSUES.c.project_id, commit)
                .join(RELEASE_COMMITS, RELEASE_COMMITS.c.project_id == ISSUES.c.project_id)
                # Nor those whose commit is known, of a release that is not.
                .join(
                    RELEASES,
                    (RELEASES.c.project_id == RELEASE_COMMITS.c.project_id)
                    & (RELEASES.c.version == RELEASE_COMMITS.c.version),
                )
                .where(
                    commit.is_not(None),
                    ISSUES.c.resolution_release.is_(None),
                    RELEASE_COMMITS.c.sha >= commit,
                    RELEASE_COMMITS.c.sha < commit + "g",
                )
                .distinct()
                .limit(_COMMITS_A_ROUND)
            ).all()
            found = [
                (row.id, release_of_commit(connection, row.project_id, row.resolution_commit))
                for row in rows
            ]
            return [(number, release) for number, release in found if release is not None]

        found = await self._database.read(find)
        if not found:
            return 0
        return await self.write(
            lambda connection: _Decider(connection, actor=None, at=now).resolve_in(dict(found))
        )

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction.

        Raises:
            StoreUnavailableError: If nothing was written and trying again may help.
        """
        try:
            return await self._database.write(work)
        except (DatabaseFullError, OperationalError) as error:
            reason = error.orig if isinstance(error, OperationalError) else error
            raise StoreUnavailableError(str(reason)) from error


def release_of_commit(connection: Connection, project_id: int, commit: str) -> str | None:
    """Return the first announced release of a project with a commit, by a part of its hash."""
    sha = RELEASE_COMMITS.c.sha
    # A range and not LIKE: that one would read every commit.
    return connection.scalar(
        select(RELEASE_COMMITS.c.version)
        .join(
            RELEASES,
            (RELEASES.c.project_id == RELEASE_COMMITS.c.project_id)
            & (RELEASES.c.version == RELEASE_COMMITS.c.version),
        )
        .where(
            RELEASE_COMMITS.c.project_id == project_id, sha >= commit, sha < literal(commit + "g")
        )
        .order_by(RELEASES.c.created_at, RELEASES.c.version)
        .limit(1)
    )


@dataclass(slots=True)
class _Change:
    """What one issue's row becomes."""

    before: dict[str, Any]
    row: dict[str, Any]
    entries: list[Entry]


class _Decider:
    """Applies decisions in one transaction of the writer."""

    def __init__(self, connection: Connection, *, actor: str | None, at: datetime) -> None:
        self._connection = connection
        self._actor = actor
        self._at = at
        self._newest: dict[int, str | None] = {}

    def apply(
        self, ids: Sequence[int], decision: Decision, revisions: Mapping[int, int]
    ) -> Decided:
        changes: list[_Change] = []
        for row in self._load(ids):
            wanted = revisions.get(row["id"])
            if wanted is not None and wanted != row["revision"]:
                raise ConflictError(row["id"], row["revision"])
            change = self._decide(row, decision)
            if change.entries:
                changes.append(change)
        return self._save(changes, is_undoable=True)

    def end_rests(self, ids: Sequence[int]) -> int:
        changes: list[_Change] = []
        for row in self._load(ids):
            reaction = end_rest(Standing.of_row(row), self._at)
            if reaction.wakings:
                after = {**row, **reaction.standing.to_columns()}
                changes.append(_Change(row, after, [Entry("reopened", reaction.remark)]))
        return self._save(changes, is_undoable=False).updated

    def resolve_in(self, releases: Mapping[int, str]) -> int:
        changes: list[_Change] = []
        for row in self._load(list(releases)):
            standing = Standing.of_row(row)
            # Somebody may have decided otherwise since it was looked up.
            if standing.resolution is None or standing.resolution.release is not None:
                continue
            after, entry = resolve_in_release(standing, releases[row["id"]], self._at)
            changes.append(_Change(row, {**row, **after.to_columns()}, [entry]))
        return self._save(changes, is_undoable=False).updated

    def take_back(self, before: Sequence[dict[str, Any]]) -> Undone:
        rows = {row["id"]: row for row in self._load([each["id"] for each in before])}
        changes: list[_Change] = []
        for each in before:
            row = rows.get(each["id"])
            if row is None or row["revision"] != each["revision"]:
                continue
            values = {name: each[name] for name in (*STANDING_COLUMNS, *_OWN_COLUMNS)}
            for name in _MOMENTS:
                values[name] = None if values[name] is None else from_milliseconds(values[name])
            changes.append(_Change(row, {**row, **values}, [Entry("undone", "Undid the change")]))
        restored = self._save(changes, is_undoable=False).updated
        return Undone(restored, len(before) - restored)

    def _load(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for chunk in chunks(ids):
            found = self._connection.execute(select(ISSUES).where(ISSUES.c.id.in_(chunk)))
            rows += (dict(row) for row in found.mappings())
        return rows

    def _decide(self, row: dict[str, Any], decision: Decision) -> _Change:
        standing, entry = decide(
            Standing.of_row(row), decision, at=self._at, around=self._around(row)
        )
        change = _Change(row, dict(row), [])
        if entry is not None:
            change.row.update(standing.to_columns())
            change.entries.append(entry)
        if not isinstance(decision.assignee, Unset):
            assignee = decision.assignee or None
            if assignee != row["assignee"]:
                change.row["assignee"] = assignee
                text = f"Assigned to {assignee}" if assignee else "Assigned to nobody"
                change.entries.append(Entry("assigned", text))
        if not isinstance(decision.priority, Unset):
            priority = None if decision.priority is None else decision.priority.value
            if priority != row["priority"]:
                change.row["priority"] = priority
                change.entries.append(Entry("priority", f"Priority {priority or 'by level'}"))
        return change

    def _around(self, row: dict[str, Any]) -> Surroundings:
        project_id = row["project_id"]
        return Surroundings(
            newest_release=lambda: self._newest_release(project_id),
            release_of_commit=lambda commit: release_of_commit(
                self._connection, project_id, commit
            ),
            busiest_hour=lambda: self._busiest_hour(row["id"]),
        )

    def _newest_release(self, project_id: int) -> str | None:
        if project_id not in self._newest:
            known = latest_releases(self._connection, project_id, _RELEASES_LOOKED_AT)
            self._newest[project_id] = find_newest(known)
        return self._newest[project_id]

    def _busiest_hour(self, issue_id: int) -> int:
        columns = ISSUE_HOURS.c
        busiest = self._connection.scalar(
            select(func.max(columns.event_count)).where(
                columns.issue_id == issue_id, columns.hour >= self._at - _WEEK
            )
        )
        return busiest or 0

    def _save(self, changes: Sequence[_Change], *, is_undoable: bool) -> Decided:
        if not changes:
            return Decided(0, None)
        for change in changes:
            change.row["revision"] = change.before["revision"] + 1
        self._connection.execute(
            UPDATE_STANDING, [standing_row(change.row["id"], change.row) for change in changes]
        )
        self._save_owned(changes)
        self._connection.execute(
            insert(ISSUE_ACTIVITY),
            [
                {
                    "issue_id": change.row["id"],
                    "at": self._at,
                    "kind": entry.kind,
                    "actor": self._actor,
                    "text": entry.text,
                }
                for change in changes
                for entry in change.entries
            ],
        )
        self._end_alerts(changes)
        return Decided(len(changes), self._keep(changes) if is_undoable else None)

    def _save_owned(self, changes: Sequence[_Change]) -> None:
        for change in changes:
            owned = {name: change.row[name] for name in _OWN_COLUMNS}
            if any(owned[name] != change.before[name] for name in owned):
                self._connection.execute(
                    update(ISSUES).where(ISSUES.c.id == change.row["id"]).values(owned)
                )

    def _end_alerts(self, changes: Sequence[_Change]) -> None:
        """Let the alerts end of issues with which people are done."""
        done = [
            change.row["id"]
            for change in changes
            if change.row["status"] != IssueStatus.UNRESOLVED
            and change.before["status"] != change.row["status"]
        ]
        for chunk in chunks(done):
            self._connection.execute(
                update(ISSUE_OPEN_ALERTS)
                .where(
                    ISSUE_OPEN_ALERTS.c.issue_id.in_(chunk), ISSUE_OPEN_ALERTS.c.ended_at.is_(None)
                )
                .values(ended_at=self._at)
            )
        forget_counts(self._connection, done)

    def _keep(self, changes: Sequence[_Change]) -> int:
        """Keep what the issues were, so that the decision can be undone."""
        decisions = ISSUE_DECISIONS
        self._connection.execute(delete(decisions).where(decisions.c.at < self._at - _UNDO_FOR))
        before = [
            {
                "id": change.row["id"],
                "revision": change.row["revision"],
                **{name: _plain(change.before[name]) for name in STANDING_COLUMNS},
                **{name: change.before[name] for name in _OWN_COLUMNS},
            }
            for change in changes
        ]
        key = self._connection.execute(
            insert(decisions).values(at=self._at, actor=self._actor or "", before=before)
        ).inserted_primary_key
        return int(key[0]) if key is not None else 0


def _plain(value: Any) -> Any:
    return to_milliseconds(value) if isinstance(value, datetime) else value
