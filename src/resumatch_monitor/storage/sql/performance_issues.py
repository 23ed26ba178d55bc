"""Findings as issues: people decide about them as they do about errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from resumatch_monitor.errortracking.issues import (
    PERFORMANCE_GROUPING,
    IssueStatus,
    render_short_id,
)
from resumatch_monitor.errortracking.workflow.events import Sight, Waking, observe
from resumatch_monitor.errortracking.workflow.model import Standing
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_counts import IssueState, chunks, save_counts
from resumatch_monitor.storage.sql.issues_standing import SeenReleases, save_decided, settle
from resumatch_monitor.storage.sql.issues_statements import NEXT_ISSUE_ID, NEXT_NUMBER
from resumatch_monitor.storage.sql.performance_rows import join_findings
from resumatch_monitor.storage.sql.tables.errors import ISSUE_ACTIVITY, ISSUES
from resumatch_monitor.storage.sql.tables.performance import PERFORMANCE_FINDINGS
from resumatch_monitor.tracing.performance.model import TITLES, FindingKind

_HOUR_MS = 3_600_000
_VALUE_MAX = 500
_CULPRIT_MAX = 200
_ADD_PROJECT = text(
    "INSERT INTO error_projects (project_id, slug, last_number, event_count)"
    " VALUES (:project, :slug, 0, 0) ON CONFLICT (project_id) DO UPDATE SET slug = excluded.slug"
)
_COLUMNS = (
    *("event_count", "regression_count", "first_seen_at", "last_seen_at"),
    *("first_release", "last_release"),
)
_UPDATE = (
    ISSUES.update()
    .where(ISSUES.c.id == bindparam("issue"))
    .values({name: bindparam(f"new_{name}") for name in _COLUMNS})
)


@dataclass(frozen=True, slots=True)
class FindingSight:
    """A request in which a finding was seen."""

    finding_id: int
    at: datetime
    release: str


class FindingIssues:
    """Lets a batch's findings change their issues, in the caller's transaction."""

    def __init__(self, connection: Connection, slug_of: Callable[[int], str]) -> None:
        """Begin a batch; `slug_of` knows the projects."""
        self._connection = connection
        self._slug_of = slug_of
        self._sights: dict[int, list[FindingSight]] = {}
        self._releases = SeenReleases(connection)
        self._activity: list[dict[str, Any]] = []

    def note(self, sight: FindingSight) -> None:
        """Note that a finding was seen."""
        self._sights.setdefault(sight.finding_id, []).append(sight)

    def save(self) -> None:
        """Write what the batch makes of the issues; findings that have none get one."""
        if not self._sights:
            return
        findings = self._load(join_findings(), PERFORMANCE_FINDINGS.c.id, list(self._sights))
        issue_ids = [each["issue_id"] for each in findings if each["issue_id"] is not None]
        rows = {row["id"]: row for row in self._load(select(ISSUES), ISSUES.c.id, issue_ids)}
        states: dict[int, IssueState] = {}
        back: list[int] = []
        for finding in findings:
            row = rows.get(finding["issue_id"])
            sights = self._sights[finding["id"]]
            state = self._create(finding, sights) if row is None else IssueState(row, row["id"])
            states[state.issue_id] = state
            times = state.row["regression_count"]
            for sight in sights:
                self._apply(state, finding, sight)
            if state.row["regression_count"] > times:
                back.append(finding["id"])
        self._write(states, back)

    def _load(self, query: Any, column: Any, ids: Sequence[int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for chunk in chunks(ids):
            rows = self._connection.execute(query.where(column.in_(chunk)))
            found += (dict(row) for row in rows.mappings())
        return found

    def _create(self, finding: dict[str, Any], sights: Sequence[FindingSight]) -> IssueState:
        project = finding["project_id"]
        slug, first = self._slug_of(project), min(sights, key=lambda each: each.at)
        self._connection.execute(_ADD_PROJECT, {"project": project, "slug": slug})
        number = self._connection.execute(NEXT_NUMBER, {"project": project}).scalar_one()
        issue_id = self._connection.execute(NEXT_ISSUE_ID).scalar_one()
        value = " ".join(finding["title"].split())[:_VALUE_MAX]
        shown = (TITLES[FindingKind(finding["kind"])], value, finding["endpoint"][:_CULPRIT_MAX])
        row: dict[str, Any] = {
            "project_id": project,
            "number": number,
            "type": shown[0],
            "value": shown[1],
            "culprit": shown[2],
            "level": "info",
            "platform": "other",
            "status": IssueStatus.UNRESOLVED.value,
            "is_regressed": False,
            "is_handled": None,
            "is_synthetic": False,
            "regression_count": 0,
            "event_count": 0,
            "user_count": 0,
            "stored_count": 0,
            "first_seen_at": first.at,
            "last_seen_at": first.at,
            "first_release": first.release or None,
            "last_release": first.release or None,
            "resolved_at": None,
            "grouping_version": PERFORMANCE_GROUPING,
            "explanation": "Found in requests to this endpoint.",
            "search_text": "\n".join((*shown, render_short_id(slug, number))).lower(),
        }
        self._connection.execute(insert(ISSUES).values(id=issue_id, **row))
        self._connection.execute(
            update(PERFORMANCE_FINDINGS)
            .where(PERFORMANCE_FINDINGS.c.id == finding["id"])
            .values(issue_id=issue_id)
        )
        self._note(issue_id, first.at, "created", f"First found{_in_release(first)}")
        return IssueState(row, issue_id)

    def _apply(self, state: IssueState, finding: dict[str, Any], sight: FindingSight) -> None:
        row = state.row
        if row["status"] != IssueStatus.UNRESOLVED:
            reaction = observe(
                Standing.of_row(row),
                Sight(sight.at, sight.at, sight.release, is_synthetic=False),
                first_seen=self._releases.of(row["project_id"]),
            )
            settle(state, reaction)
            for waking in reaction.wakings:
                self._wake(state, waking, sight, reaction.remark)
        row["event_count"] += 1
        if sight.at >= row["last_seen_at"]:
            row["last_seen_at"] = sight.at
            row["last_release"] = sight.release or row["last_release"]
        if sight.at < row["first_seen_at"]:
            row["first_seen_at"] = sight.at
            row["first_release"] = sight.release or row["first_release"]
        at = to_milliseconds(sight.at)
        state.hours[at - at % _HOUR_MS] += 1
        state.tags["transaction", finding["endpoint"][:_CULPRIT_MAX]] += 1
        if finding["environment"]:
            state.tags["environment", finding["environment"]] += 1
        if sight.release:
            state.releases[sight.release] += 1
            first = state.release_first_seen.get(sight.release, sight.at)
            state.release_first_seen[sight.release] = min(first, sight.at)

    def _wake(self, state: IssueState, waking: Waking, sight: FindingSight, remark: str) -> None:
        if waking is Waking.REGRESSED:
            state.row["regression_count"] += 1
            self._note(state.issue_id, sight.at, "regressed", f"Seen again{_in_release(sight)}")
        elif waking is Waking.ESCALATED:
            state.row["regression_count"] += 1
            self._note(state.issue_id, sight.at, "escalated", remark)
        elif waking is Waking.RESTED:
            self._note(state.issue_id, sight.at, "reopened", remark)

    def _note(self, issue_id: int, at: datetime, kind: str, remark: str) -> None:
        self._activity.append(
            {"issue_id": issue_id, "at": at, "kind": kind, "actor": None, "text": remark}
        )

    def _write(self, states: dict[int, IssueState], back: Sequence[int]) -> None:
        self._connection.execute(
            _UPDATE,
            [
                {"issue": number, **{f"new_{name}": state.row[name] for name in _COLUMNS}}
                for number, state in states.items()
            ],
        )
        save_decided(self._connection, states.values())
        save_counts(self._connection, states)
        if self._activity:
            self._connection.execute(insert(ISSUE_ACTIVITY), self._activity)
        for chunk in chunks(back):
            # What came back is told of once more.
            self._connection.execute(
                update(PERFORMANCE_FINDINGS)
                .where(PERFORMANCE_FINDINGS.c.id.in_(chunk))
                .values(is_told=False)
            )


def _in_release(sight: FindingSight) -> str:
    return f" in release {sight.release}" if sight.release else ""
