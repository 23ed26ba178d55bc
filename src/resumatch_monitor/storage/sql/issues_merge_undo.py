"""Undoing a merge: each issue gets back what it had, and what has come by its keys since."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from resumatch_monitor.errortracking.issues import render_short_id
from resumatch_monitor.errortracking.regroup.model import (
    NoSuchIssueError,
    Regrouped,
    RegroupError,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_merge import (
    UNSPLIT,
    add_activity,
    load_rows,
    make_search_text,
    merge_issues,
    read_slug,
    write_row,
)
from resumatch_monitor.storage.sql.issues_snapshot import (
    IssueSnapshot,
    restore_row,
    return_belongings,
    unpack_snapshots,
)
from resumatch_monitor.storage.sql.issues_split import (
    describe_event,
    events_of,
    move_keys,
    read_event,
)
from resumatch_monitor.storage.sql.issues_tally import (
    Tally,
    give,
    set_first_seen,
    take,
    take_users,
    tally_events,
)
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS, ISSUE_GROUPINGS, ISSUES
from resumatch_monitor.storage.sql.tables.grouping import ISSUE_MERGE_MEMBERS, ISSUE_MERGES

_SHOWN_COLUMNS = (
    *("type", "value", "culprit", "level", "platform", "is_handled", "is_synthetic"),
    *("first_seen_at", "last_seen_at", "first_release", "last_release"),
)
_AGAIN = ("is an issue of its own again", "are issues of their own again")


def undo_regrouping(
    connection: Connection, merge_id: int, *, actor: str, at: datetime, payloads: PayloadReader
) -> Regrouped:
    """Undo a merge or split; see `IssueRegrouper.undo`."""
    merge = connection.execute(select(ISSUE_MERGES).where(ISSUE_MERGES.c.id == merge_id)).first()
    if merge is None:
        raise NoSuchIssueError(f"There is no merge {merge_id}.")
    obstacle = find_obstacle(connection, merge)
    if obstacle:
        raise RegroupError(obstacle)
    if merge.kind == "split":
        outcome = _undo_split(connection, merge, actor=actor, at=at)
    else:
        outcome = _undo_merge(connection, merge, actor=actor, at=at, payloads=payloads)
    _mark_undone(connection, merge_id, actor=actor, at=at)
    return outcome


def find_obstacle(connection: Connection, merge: Any) -> str:
    """Return why a merge or split cannot be undone, at all or yet; empty if it can."""
    if merge.undone_at is not None:
        return "It has been undone."
    if merge.kind == UNSPLIT:
        return "It undid a split; split the issue again."
    if merge.kind == "merge" and merge.snapshot is None:
        return "It is too old to be undone."
    members = [each["issue_id"] for each in merge.summary["members"]]
    involved = [merge.issue_id, *(members if merge.kind == "split" else [])]
    present = set(connection.scalars(select(ISSUES.c.id).where(ISSUES.c.id.in_(involved))))
    if present != set(involved):
        return "The issue has been merged into another, or has expired; undo that merge first."
    later = connection.scalar(
        select(ISSUE_MERGES.c.id)
        .where(ISSUE_MERGES.c.issue_id.in_(involved), ISSUE_MERGES.c.id > merge.id)
        .where(ISSUE_MERGES.c.undone_at.is_(None), ISSUE_MERGES.c.kind != UNSPLIT)
        .limit(1)
    )
    return "" if later is None else "The issue was merged or split again since; undo that first."


def _mark_undone(connection: Connection, merge_id: int, *, actor: str, at: datetime) -> None:
    connection.execute(
        update(ISSUE_MERGES)
        .where(ISSUE_MERGES.c.id == merge_id)
        .values(undone_at=at, undone_by=actor, snapshot=None)
    )
    connection.execute(
        update(ISSUE_MERGE_MEMBERS)
        .where(ISSUE_MERGE_MEMBERS.c.merge_id == merge_id)
        .values(is_undone=True)
    )


def _undo_split(connection: Connection, merge: Any, *, actor: str, at: datetime) -> Regrouped:
    members = [each["issue_id"] for each in merge.summary["members"]]
    joined = merge_issues(
        connection, merge.issue_id, members, actor=actor, at=at, undoes_split=True
    )
    return Regrouped(joined.merge_id, merge.issue_id, members)


def _undo_merge(
    connection: Connection, merge: Any, *, actor: str, at: datetime, payloads: PayloadReader
) -> Regrouped:
    before, *members = unpack_snapshots(merge.snapshot)
    slug = read_slug(connection, merge.project_id)
    names = ", ".join(render_short_id(slug, int(member.row["number"])) for member in members)
    missing = 0
    gone: set[bytes] = set()
    for member in members:
        tally, lost = _separate(connection, merge, member, payloads, slug)
        missing += lost
        gone |= tally.users
    _restore_target(connection, merge, before, members, gone, payloads, slug)
    lost_text = (
        f"; {missing} events that came since are no longer stored, and their hours, tags and users"
        " stayed here"
        if missing
        else ""
    )
    for issue_id, remark in (
        (merge.issue_id, f"Merge undone: {names} {_AGAIN[len(members) > 1]}{lost_text}"),
        *((member.issue_id, "Merge undone") for member in members),
    ):
        add_activity(connection, issue_id, "unmerged", remark, actor=actor, at=at)
    return Regrouped(merge.id, merge.issue_id, [each.issue_id for each in members], missing)


def _separate(
    connection: Connection, merge: Any, member: IssueSnapshot, payloads: PayloadReader, slug: str
) -> tuple[Tally, int]:
    """Make a merged issue again; return all that it takes, and how many events are lost."""
    keys = list(member.groupings)
    since_events = list(
        connection.execute(events_of(merge.issue_id, keys, after=merge.last_event_id))
    )
    since = tally_events(connection, since_events, payloads)
    counted = _count_since(connection, member)
    restore_row(connection, member)
    move_keys(connection, merge.issue_id, member.issue_id, keys)
    for tally in (member.tally, since):
        give(connection, member.issue_id, tally)
        take(connection, merge.issue_id, tally)
    return_belongings(connection, member, merge.issue_id)
    values: dict[str, Any] = {"event_count": member.row["event_count"] + counted}
    values |= _seen_since(connection, member.row, since_events, payloads)
    values["search_text"] = make_search_text({**member.row, **values}, slug, member.row["number"])
    write_row(connection, member.issue_id, values)
    member.tally.users |= since.users
    member.tally.count += counted
    return member.tally, max(0, counted - since.count)


def _count_since(connection: Connection, member: IssueSnapshot) -> int:
    """Return how many events have come by a merged issue's keys since, stored or not."""
    columns = ISSUE_GROUPINGS.c
    total = 0
    for (version, key), before in member.groupings.items():
        now = connection.scalar(
            select(columns.event_count).where(
                columns.project_id == member.row["project_id"],
                columns.version == version,
                columns.key == key,
            )
        )
        total += max(0, (now or 0) - before)
    return total


def _seen_since(
    connection: Connection, row: dict[str, Any], events: list[Any], payloads: PayloadReader
) -> dict[str, Any]:
    """Return the columns of a row that events have changed which came after it was read."""
    if not events:
        return {}
    latest = max(events, key=lambda each: (each.occurred_at, each.id))
    first = min(events, key=lambda each: (each.occurred_at, each.id))
    values: dict[str, Any] = {}
    if to_milliseconds(latest.occurred_at) >= row["last_seen_at"]:
        values |= describe_event(read_event(connection, latest, payloads))
        values["last_seen_at"] = to_milliseconds(latest.occurred_at)
        values["last_release"] = latest.release or row["last_release"]
    if to_milliseconds(first.occurred_at) < row["first_seen_at"]:
        values["first_seen_at"] = to_milliseconds(first.occurred_at)
        values["first_release"] = first.release or row["first_release"]
    if any(not each.is_synthetic for each in events):
        values["is_synthetic"] = False
    return values


def _restore_target(
    connection: Connection,
    merge: Any,
    before: IssueSnapshot,
    members: list[IssueSnapshot],
    gone: set[bytes],
    payloads: PayloadReader,
    slug: str,
) -> None:
    """Write what is left for the issue into which the others had been merged."""
    events = ISSUE_EVENTS.c
    since = list(
        connection.execute(
            select(ISSUE_EVENTS).where(
                events.issue_id == merge.issue_id, events.id > merge.last_event_id
            )
        )
    )
    kept = before.tally.users | {each.user_hash for each in since if each.user_hash is not None}
    take_users(connection, merge.issue_id, gone - kept)
    first_seen = dict(before.tally.release_first_seen)
    for each in since:
        if each.release:
            at = to_milliseconds(each.occurred_at)
            first_seen[each.release] = min(at, first_seen.get(each.release, at))
    set_first_seen(connection, merge.issue_id, first_seen)
    row = load_rows(connection, [merge.issue_id])[merge.issue_id]
    values: dict[str, Any] = {name: before.row[name] for name in _SHOWN_COLUMNS}
    values |= _seen_since(connection, before.row, since, payloads)
    values["event_count"] = max(
        0, row["event_count"] - sum(member.tally.count for member in members)
    )
    values["search_text"] = make_search_text({**row, **values}, slug, row["number"])
    write_row(connection, merge.issue_id, values)
