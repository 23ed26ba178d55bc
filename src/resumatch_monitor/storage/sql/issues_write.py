"""Storing a batch of events: one pass to gather per issue, then a statement a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, tuple_

from resumatch_monitor.errortracking.alerting.watch import IssueWatch
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.keeping import KeptFor
from resumatch_monitor.errortracking.store import AlertKind, DigestedEvent, StoreOutcome
from resumatch_monitor.errortracking.workflow.events import (
    Reaction,
    Sight,
    Waking,
    check_users,
    observe,
)
from resumatch_monitor.errortracking.workflow.model import Standing
from resumatch_monitor.errortracking.workflow.owners import Owners
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_counts import (
    IssueState,
    chunks,
    count_event,
    count_projects,
    count_users,
    save_counts,
    search_text,
    update_row,
)
from resumatch_monitor.storage.sql.issues_novelty import Novelty
from resumatch_monitor.storage.sql.issues_rules import RuleTally
from resumatch_monitor.storage.sql.issues_standing import SeenReleases, save_decided, settle
from resumatch_monitor.storage.sql.issues_statements import (
    COUNT_GROUPING,
    INSERT_EVENT,
    INSERT_GROUPING,
    NEXT_ISSUE_ID,
    NEXT_NUMBER,
)
from resumatch_monitor.storage.sql.statements import execute_many
from resumatch_monitor.storage.sql.tables.errors import (
    ISSUE_ACTIVITY,
    ISSUE_ALERTS,
    ISSUE_EVENTS,
    ISSUE_GROUPINGS,
    ISSUES,
)
from resumatch_monitor.storage.sql.trace_errors import write_trace_errors

_COLUMNS = (
    *("type", "value", "culprit", "level", "platform", "status", "is_regressed", "is_handled"),
    *("is_synthetic", "regression_count", "event_count", "user_count", "stored_count"),
    *("first_seen_at", "last_seen_at", "first_release", "last_release", "resolved_at"),
    *("grouping_version", "explanation", "search_text"),
)
_UPDATE_ISSUE = (
    ISSUES.update()
    .where(ISSUES.c.id == bindparam("issue"))
    .values({name: bindparam(f"new_{name}") for name in _COLUMNS})
)

GroupingId = tuple[int, int, bytes]


@dataclass(slots=True)
class CompressedEvent:
    """An event with its payload as it is stored."""

    event: DigestedEvent
    dict_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class IssuePolicy:
    """What the configuration says of issues: who is told, and whose they are."""

    watch: IssueWatch
    owners: Owners


class BatchWriter:
    """Applies one batch on the writer's connection."""

    def __init__(self, connection: Connection, novelty: Novelty, policy: IssuePolicy) -> None:
        self._connection = connection
        self._watch = policy.watch
        self._owners = policy.owners
        self._tally = RuleTally(connection, policy.watch)
        self._novelty = novelty
        self._issues: dict[GroupingId, IssueState] = {}
        self._by_id: dict[int, IssueState] = {}
        self._releases = SeenReleases(connection)
        self._activity: list[dict[str, Any]] = []
        self._alerts: list[dict[str, Any]] = []

    def write(self, batch: Sequence[CompressedEvent]) -> StoreOutcome:
        """Store what is not there yet."""
        fresh = self._without_duplicates(batch)
        if not fresh:
            return StoreOutcome(0, len(batch), has_alerts=False)
        count_projects(self._connection, [each.event for each in fresh])
        self._load_issues({key for each in fresh for key in _keys_of(each.event)})
        self._novelty.look_up(self._connection, self._of_known_issues(fresh))
        rows = [self._apply(each) for each in fresh]
        execute_many(self._connection, INSERT_EVENT, rows)
        write_trace_errors(self._connection, [each.event for each in fresh])
        self._count_groupings([each.event for each in fresh])
        self._count_users()
        self._save_issues()
        save_decided(self._connection, self._by_id.values())
        save_counts(self._connection, self._by_id)
        if self._activity:
            self._connection.execute(insert(ISSUE_ACTIVITY), self._activity)
        self._alerts += self._tally.save()
        if self._alerts:
            self._connection.execute(insert(ISSUE_ALERTS), self._alerts)
        return StoreOutcome(len(fresh), len(batch) - len(fresh), has_alerts=bool(self._alerts))

    def _without_duplicates(self, batch: Sequence[CompressedEvent]) -> list[CompressedEvent]:
        seen: set[tuple[int, bytes]] = set()
        keys = [(each.event.project_id, bytes.fromhex(each.event.event_id)) for each in batch]
        for chunk in chunks(keys):
            found = self._connection.execute(
                select(ISSUE_EVENTS.c.project_id, ISSUE_EVENTS.c.event_id).where(
                    tuple_(ISSUE_EVENTS.c.project_id, ISSUE_EVENTS.c.event_id).in_(chunk)
                )
            )
            seen.update((row.project_id, row.event_id) for row in found)
        fresh: list[CompressedEvent] = []
        for key, each in zip(keys, batch, strict=True):
            if key not in seen:
                seen.add(key)
                fresh.append(each)
        return fresh

    def _load_issues(self, wanted: set[GroupingId]) -> None:
        columns = ISSUE_GROUPINGS.c
        for chunk in chunks(sorted(wanted)):
            found = self._connection.execute(
                select(
                    columns.project_id.label("grouping_project"),
                    columns.version.label("grouping"),
                    columns.key.label("grouping_key"),
                    ISSUES,
                )
                .join(ISSUES, ISSUES.c.id == columns.issue_id)
                .where(tuple_(columns.project_id, columns.version, columns.key).in_(chunk))
            )
            for mapping in found.mappings():
                row = dict(mapping)
                key = (
                    row.pop("grouping_project"),
                    row.pop("grouping"),
                    row.pop("grouping_key"),
                )
                # Two groupings of a batch may lead to one issue.
                state = self._by_id.setdefault(row["id"], IssueState(row, row["id"]))
                self._issues[key] = state

    def _apply(self, each: CompressedEvent) -> dict[str, Any]:
        event = each.event
        state = self._find_issue(event)
        is_new, regressions = state is None, 0
        if state is None:
            state = self._create_issue(event)
        else:
            regressions = state.row["regression_count"]
            self._wake_issue(state, event)
        kept_for = self._novelty.judge(state.issue_id, event)
        if is_new:
            kept_for = KeptFor.FIRST
        elif state.row["regression_count"] > regressions:
            kept_for = KeptFor.REGRESSION
        update_row(state.row, event)
        count_event(state, event)
        if self._watch.counting and _is_open(state) and not event.is_synthetic:
            self._tally.note(state.issue_id, event)
        return {
            "issue_id": state.issue_id,
            "project_id": event.project_id,
            "event_id": bytes.fromhex(event.event_id),
            "occurred_at": to_milliseconds(event.occurred_at),
            "received_at": to_milliseconds(event.received_at),
            "message": event.message,
            "release": event.release or None,
            "environment": event.environment or None,
            "user_label": event.user_label or None,
            "is_synthetic": event.is_synthetic,
            "grouping_version": event.grouping_version,
            "grouping_key": event.grouping_key,
            "user_hash": event.user_hash,
            "kept_for": int(kept_for),
            "dict_id": each.dict_id,
            "payload": each.payload,
        }

    def _of_known_issues(
        self, events: Sequence[CompressedEvent]
    ) -> Iterable[tuple[int, DigestedEvent]]:
        for each in events:
            states = [self._issues.get(key) for key in _keys_of(each.event)]
            found = next((state for state in states if state is not None), None)
            if found is not None:
                yield found.issue_id, each.event

    def _find_issue(self, event: DigestedEvent) -> IssueState | None:
        """Return the issue to which the event's key leads, or the key that it had before."""
        key = _grouping_id(event)
        state = self._issues.get(key)
        if state is None and event.previous_key is not None:
            state = self._issues.get((event.project_id, *event.previous_key))
            if state is not None:
                self._add_grouping(key, state)
        return state

    def _add_grouping(self, key: GroupingId, state: IssueState) -> None:
        self._issues[key] = state
        self._connection.execute(INSERT_GROUPING, {**_name_key(key), "issue": state.issue_id})

    def _create_issue(self, event: DigestedEvent) -> IssueState:
        number = self._connection.execute(NEXT_NUMBER, {"project": event.project_id}).scalar_one()
        issue_id = self._connection.execute(NEXT_ISSUE_ID).scalar_one()
        row: dict[str, Any] = {
            "project_id": event.project_id,
            "number": number,
            "type": event.type,
            "value": event.value,
            "culprit": event.culprit,
            "level": event.level,
            "platform": event.platform,
            "status": IssueStatus.UNRESOLVED.value,
            "is_regressed": False,
            "is_handled": event.is_handled,
            "is_synthetic": event.is_synthetic,
            "regression_count": 0,
            "event_count": 0,
            "user_count": 0,
            "stored_count": 0,
            "first_seen_at": event.occurred_at,
            "last_seen_at": event.occurred_at,
            "first_release": event.release or None,
            "last_release": event.release or None,
            "resolved_at": None,
            "grouping_version": event.grouping_version,
            "explanation": event.explanation,
            "search_text": search_text(event, number),
        }
        assignee = self._owners.find(event)
        if assignee is not None:
            row["assignee"] = assignee
        self._connection.execute(insert(ISSUES).values(id=issue_id, **row))
        state = IssueState(row, issue_id)
        self._by_id[issue_id] = state
        self._add_grouping(_grouping_id(event), state)
        self._note(state, event, "created", "First event" + _in_release(event))
        if assignee is not None:
            self._note(state, event, "assigned", f"Assigned to {assignee}, the owner")
        if not event.is_synthetic:
            self._alert(state, event, AlertKind.NEW)
        return state

    def _wake_issue(self, state: IssueState, event: DigestedEvent) -> None:
        """Let an event end what people decided, and tell of an issue that only probes had met."""
        row = state.row
        if row["status"] == IssueStatus.UNRESOLVED and not row["is_synthetic"]:
            # The way of nearly all events.
            return
        sight = Sight(event.occurred_at, event.received_at, event.release, event.is_synthetic)
        reaction = observe(
            Standing.of_row(row), sight, first_seen=self._releases.of(event.project_id)
        )
        self._react(state, event, reaction)

    def _react(self, state: IssueState, event: DigestedEvent, reaction: Reaction) -> None:
        settle(state, reaction)
        for waking in reaction.wakings:
            if waking is Waking.APPEARED:
                self._alert(state, event, AlertKind.NEW)
            elif waking is Waking.REGRESSED:
                state.row["regression_count"] += 1
                self._note(state, event, "regressed", "Seen again" + _in_release(event))
                self._alert(state, event, AlertKind.REGRESSED)
            elif waking is Waking.ESCALATED:
                # Counted as the times that it came back are: each is told.
                state.row["regression_count"] += 1
                self._note(state, event, "escalated", reaction.remark)
                self._alert(state, event, AlertKind.ESCALATED, remark=reaction.remark)
            else:
                self._note(state, event, "reopened", reaction.remark)

    def _count_users(self) -> None:
        """Count users, and wake what rests until there are so many."""
        count_users(self._connection, self._by_id)
        for state in self._by_id.values():
            if state.row["status"] == IssueStatus.IGNORED and state.last_event is not None:
                self._react(state, state.last_event, check_users(Standing.of_row(state.row)))

    def _note(self, state: IssueState, event: DigestedEvent, kind: str, remark: str) -> None:
        self._activity.append(
            {
                "issue_id": state.issue_id,
                "at": event.occurred_at if kind == "created" else event.received_at,
                "kind": kind,
                "actor": None,
                "text": remark,
            }
        )

    def _alert(
        self, state: IssueState, event: DigestedEvent, kind: AlertKind, *, remark: str = ""
    ) -> None:
        rule = self._watch.on_start(kind, event)
        if rule is None:
            return
        self._alerts.append(
            {
                "issue_id": state.issue_id,
                "kind": kind.value,
                "at": event.received_at,
                "occurrence": state.row["regression_count"],
                "environment": event.environment,
                "rule": rule.name,
                "severity": rule.severity,
                "release": event.release or None,
                "value": None,
                "remark": remark or None,
                "is_lasting": rule.is_lasting,
            }
        )

    def _count_groupings(self, events: Sequence[DigestedEvent]) -> None:
        counts = Counter(_grouping_id(event) for event in events)
        last: dict[GroupingId, int] = {}
        for event in events:
            key, at = _grouping_id(event), to_milliseconds(event.occurred_at)
            last[key] = max(at, last.get(key, at))
        execute_many(
            self._connection,
            COUNT_GROUPING,
            [
                {**_name_key(key), "count": count, "last": last[key]}
                for key, count in counts.items()
            ],
        )

    def _save_issues(self) -> None:
        self._connection.execute(
            _UPDATE_ISSUE,
            [
                {"issue": state.issue_id, **{f"new_{name}": state.row[name] for name in _COLUMNS}}
                for state in self._by_id.values()
            ],
        )


def _grouping_id(event: DigestedEvent) -> GroupingId:
    return (event.project_id, event.grouping_version, event.grouping_key)


def _keys_of(event: DigestedEvent) -> list[GroupingId]:
    if event.previous_key is None:
        return [_grouping_id(event)]
    return [_grouping_id(event), (event.project_id, *event.previous_key)]


def _name_key(key: GroupingId) -> dict[str, Any]:
    project, version, digest = key
    return {"project": project, "version": version, "key": digest}


def _is_open(state: IssueState) -> bool:
    return state.row["status"] == IssueStatus.UNRESOLVED


def _in_release(event: DigestedEvent) -> str:
    return f" in release {event.release}" if event.release else ""
