"""Merging issues, in one transaction of the writer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from resumatch_monitor.errortracking.issues import PERFORMANCE_GROUPING, render_short_id
from resumatch_monitor.errortracking.regroup.model import (
    MERGE_MAX,
    NoSuchIssueError,
    Regrouped,
    RegroupError,
)
from resumatch_monitor.storage.sql.issues_rules_move import join_counts
from resumatch_monitor.storage.sql.issues_snapshot import (
    IssueSnapshot,
    move_belongings,
    pack_snapshots,
    take_snapshot,
)
from resumatch_monitor.storage.sql.issues_tally import give
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_PROJECTS,
    ISSUE_ACTIVITY,
    ISSUE_EVENTS,
    ISSUE_GROUPINGS,
    ISSUES,
)
from resumatch_monitor.storage.sql.tables.grouping import ISSUE_MERGE_MEMBERS, ISSUE_MERGES
from resumatch_monitor.storage.sql.tables.workflow import ISSUE_OPEN_ALERTS

UNSPLIT = "unsplit"
"""The kind of a merge that undoes a split."""

_SHOWN = 5
# What people see of an issue is its latest event.
_OF_THE_LATEST = ("type", "value", "culprit", "level", "platform", "is_handled")
_RECOUNT = text(
    "UPDATE issues SET"
    " user_count = (SELECT count(*) FROM issue_users WHERE issue_id = :issue),"
    " stored_count = (SELECT count(*) FROM issue_events WHERE issue_id = :issue)"
    " WHERE id = :issue"
)


def merge_issues(
    connection: Connection,
    target_id: int,
    issue_ids: Sequence[int],
    *,
    actor: str,
    at: datetime,
    undoes_split: bool = False,
) -> Regrouped:
    """Make issues one; see `IssueRegrouper.merge`.

    A merge that undoes a split leaves what was there before the split: it cannot be undone, and
    is in the way of no earlier merge that is.
    """
    others = sorted(set(issue_ids) - {target_id})
    if not others:
        raise RegroupError("Choose at least two issues to merge.")
    if len(others) >= MERGE_MAX:
        raise RegroupError(f"At most {MERGE_MAX} issues are merged at once.")
    rows = load_rows(connection, [target_id, *others])
    if len({row["project_id"] for row in rows.values()}) > 1:
        raise RegroupError("Only issues of one project are merged.")
    if any(row["grouping_version"] == PERFORMANCE_GROUPING for row in rows.values()):
        raise RegroupError("Only issues of errors are merged.")
    target = take_snapshot(connection, target_id)
    members = [take_snapshot(connection, number) for number in others]
    for member in members:
        _join(connection, member, target_id)
    join_counts(connection, others, target_id)
    _end_alerts(connection, others, at)
    slug = read_slug(connection, int(target.row["project_id"]))
    _update_target(connection, target, members, slug)
    merge_id = record_regrouping(
        connection,
        kind=UNSPLIT if undoes_split else "merge",
        row=target.row,
        members=[describe_member(member.row, slug) for member in members],
        snapshots=[] if undoes_split else [target, *members],
        actor=actor,
        at=at,
    )
    add_activity(
        connection, target_id, "merged", f"Merged {_name_all(members, slug)} into this issue",
        actor=actor, at=at,
    )  # fmt: skip
    return Regrouped(merge_id, target_id, others)


def _join(connection: Connection, member: IssueSnapshot, target_id: int) -> None:
    """Give the target what an issue has, and delete the issue."""
    number = member.issue_id
    for table in (ISSUE_EVENTS, ISSUE_GROUPINGS):
        connection.execute(
            update(table).where(table.c.issue_id == number).values(issue_id=target_id)
        )
    give(connection, target_id, member.tally)
    member.moved = move_belongings(connection, number, target_id)
    connection.execute(delete(ISSUES).where(ISSUES.c.id == number))


def _end_alerts(connection: Connection, issue_ids: Sequence[int], at: datetime) -> None:
    """End what is told of issues that are gone; what they had the target may be told of anew."""
    columns = ISSUE_OPEN_ALERTS.c
    connection.execute(
        update(ISSUE_OPEN_ALERTS)
        .where(columns.issue_id.in_(issue_ids), columns.ended_at.is_(None))
        .values(ended_at=at)
    )


def _update_target(
    connection: Connection, target: IssueSnapshot, members: Sequence[IssueSnapshot], slug: str
) -> None:
    rows = [target.row, *(member.row for member in members)]
    first = min(rows, key=lambda row: row["first_seen_at"])
    latest = max(rows, key=lambda row: row["last_seen_at"])
    by_last = sorted(rows, key=lambda row: row["last_seen_at"], reverse=True)
    by_first = sorted(rows, key=lambda row: row["first_seen_at"])
    values: dict[str, Any] = {name: latest[name] for name in _OF_THE_LATEST}
    values |= {
        "event_count": sum(row["event_count"] for row in rows),
        "first_seen_at": first["first_seen_at"],
        "last_seen_at": latest["last_seen_at"],
        "first_release": _first_of(row["first_release"] for row in by_first),
        "last_release": _first_of(row["last_release"] for row in by_last),
        "is_synthetic": all(row["is_synthetic"] for row in rows),
        "search_text": make_search_text(values, slug, int(target.row["number"])),
    }
    write_row(connection, target.issue_id, values)


def _first_of(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _name_all(members: Sequence[IssueSnapshot], slug: str) -> str:
    names = [render_short_id(slug, int(member.row["number"])) for member in members]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def load_rows(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the issues' rows as the database has them.

    Raises:
        NoSuchIssueError: If one is not there.
    """
    statement = text("SELECT * FROM issues WHERE id IN :ids").bindparams(
        bindparam("ids", expanding=True)
    )
    found = connection.execute(statement, {"ids": list(ids)}).mappings()
    rows = {int(row["id"]): dict(row) for row in found}
    for number in ids:
        if number not in rows:
            raise NoSuchIssueError(f"There is no issue {number}.")
    return rows


def write_row(connection: Connection, issue_id: int, values: dict[str, Any]) -> None:
    """Set columns of an issue to what the database has for them, and count users and events."""
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(
        text(f"UPDATE issues SET {assignments} WHERE id = :issue"),  # noqa: S608 - names of ours
        {**values, "issue": issue_id},
    )
    connection.execute(_RECOUNT, {"issue": issue_id})


def read_slug(connection: Connection, project_id: int) -> str:
    """Return a project's slug."""
    slug = select(ERROR_PROJECTS.c.slug).where(ERROR_PROJECTS.c.project_id == project_id)
    return connection.execute(slug).scalar_one()


def make_search_text(row: dict[str, Any], slug: str, number: int) -> str:
    """Return what a search for text looks in."""
    shown = (row["type"], row["value"], row["culprit"], render_short_id(slug, number))
    return "\n".join(shown).lower()


def describe_member(row: dict[str, Any], slug: str) -> dict[str, Any]:
    """Return what is told of an issue that a merge or split was about."""
    title = f"{row['type']}: {row['value']}" if row["value"] else row["type"]
    return {
        "issue_id": row["id"],
        "short_id": render_short_id(slug, row["number"]),
        "title": title[:200],
        "event_count": row["event_count"],
    }


def record_regrouping(
    connection: Connection,
    *,
    kind: str,
    row: dict[str, Any],
    members: Sequence[dict[str, Any]],
    snapshots: list[IssueSnapshot],
    actor: str,
    at: datetime,
) -> int:
    """Note a merge or split, with what is needed to undo it; return its number."""
    last_event = connection.scalar(select(func.max(ISSUE_EVENTS.c.id)))
    merge_id = connection.execute(
        insert(ISSUE_MERGES)
        .values(
            project_id=row["project_id"],
            issue_id=row["id"],
            kind=kind,
            at=at,
            actor=actor,
            last_event_id=last_event or 0,
            summary={"members": list(members)},
            snapshot=pack_snapshots(snapshots) if snapshots else None,
        )
        .returning(ISSUE_MERGES.c.id)
    ).scalar_one()
    connection.execute(
        insert(ISSUE_MERGE_MEMBERS),
        [
            {"merge_id": merge_id, "issue_id": each["issue_id"], "is_undone": False}
            for each in members
        ],
    )
    return merge_id


def add_activity(
    connection: Connection, issue_id: int, kind: str, remark: str, *, actor: str, at: datetime
) -> None:
    """Note on an issue what was done to it."""
    connection.execute(
        insert(ISSUE_ACTIVITY).values(issue_id=issue_id, at=at, kind=kind, actor=actor, text=remark)
    )
