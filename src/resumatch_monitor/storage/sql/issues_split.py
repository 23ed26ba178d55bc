"""Splitting an issue by the keys that led to it, in one transaction of the writer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, tuple_, update

from resumatch_monitor.errortracking.grouping.registry import GROUPERS
from resumatch_monitor.errortracking.issues import IssueStatus, render_short_id
from resumatch_monitor.errortracking.model import Event
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.prepare import describe, find_culprit
from resumatch_monitor.errortracking.regroup.model import (
    SPLIT_MAX,
    KeyId,
    Regrouped,
    RegroupError,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.issues_merge import (
    add_activity,
    describe_member,
    load_rows,
    make_search_text,
    read_slug,
    record_regrouping,
    write_row,
)
from resumatch_monitor.storage.sql.issues_rules_move import share_counts
from resumatch_monitor.storage.sql.issues_statements import NEXT_ISSUE_ID, NEXT_NUMBER
from resumatch_monitor.storage.sql.issues_tally import (
    give,
    set_first_seen,
    take,
    take_users,
    tally_events,
)
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.statements import AnySelect
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS, ISSUE_GROUPINGS

_TITLE_MAX = 200
_VALUE_MAX = 500

_INHERITED = (
    *("project_id", "number", "type", "value", "culprit", "level", "platform", "is_handled"),
    *("is_synthetic", "event_count", "user_count", "stored_count", "first_seen_at"),
    *("last_seen_at", "first_release", "last_release", "grouping_version", "explanation"),
    "search_text",
)
_LAST_KEY = text("SELECT max(last_seen_at) FROM issue_groupings WHERE issue_id = :issue")


def split_issue(
    connection: Connection,
    issue_id: int,
    keys: Sequence[KeyId],
    *,
    actor: str,
    at: datetime,
    payloads: PayloadReader,
) -> Regrouped:
    """Make an issue of some keys' events; see `IssueRegrouper.split`."""
    row = load_rows(connection, [issue_id])[issue_id]
    counts = _check_keys(connection, issue_id, keys)
    wanted = [(key.version, key.key) for key in keys]
    tally = tally_events(connection, connection.execute(events_of(issue_id, wanted)), payloads)
    count = sum(counts[key] for key in wanted)
    slug = read_slug(connection, row["project_id"])
    number = connection.execute(NEXT_NUMBER, {"project": row["project_id"]}).scalar_one()
    new_id = _insert_issue(connection, {**row, "number": number})
    move_keys(connection, issue_id, new_id, wanted)
    tally.bound()
    give(connection, new_id, tally)
    take(connection, issue_id, tally)
    release_what_left(connection, issue_id, tally.users)
    _describe_from_events(connection, new_id, {**row, "number": number}, count, slug, payloads)
    _describe_rest(connection, issue_id, row, count, slug, payloads)
    missing = max(0, count - tally.count)
    new_row = load_rows(connection, [new_id])[new_id]
    merge_id = record_regrouping(
        connection,
        kind="split",
        row=row,
        members=[describe_member(new_row, slug)],
        snapshots=[],
        actor=actor,
        at=at,
    )
    _note(connection, row, new_row, count=count, missing=missing, actor=actor, at=at, slug=slug)
    return Regrouped(merge_id, issue_id, [new_id], missing)


def _check_keys(
    connection: Connection, issue_id: int, keys: Sequence[KeyId]
) -> dict[tuple[int, bytes], int]:
    """Return how many events came by each of the issue's keys."""
    columns = ISSUE_GROUPINGS.c
    found = {
        (row.version, row.key): row.event_count
        for row in connection.execute(
            select(columns.version, columns.key, columns.event_count).where(
                columns.issue_id == issue_id
            )
        )
    }
    wanted = {(key.version, key.key) for key in keys}
    if not wanted or len(wanted) > SPLIT_MAX:
        raise RegroupError(f"Choose at least one key, and at most {SPLIT_MAX}.")
    if not wanted <= found.keys():
        raise RegroupError("A key does not lead to this issue, or no longer does.")
    if len(wanted) == len(found):
        raise RegroupError("At least one key must stay with the issue.")
    return found


def events_of(issue_id: int, keys: Sequence[tuple[int, bytes]], *, after: int = 0) -> AnySelect:
    """Select an issue's stored events that came by some keys, after event `after`."""
    columns = ISSUE_EVENTS.c
    return (
        select(
            *(columns.id, columns.occurred_at, columns.release, columns.user_hash),
            *(columns.is_synthetic, columns.dict_id, columns.payload),
        )
        .where(columns.issue_id == issue_id, columns.id > after)
        .where(tuple_(columns.grouping_version, columns.grouping_key).in_(keys))
    )


def move_keys(
    connection: Connection, source: int, target: int, keys: Sequence[tuple[int, bytes]]
) -> None:
    """Give an issue's keys, and the stored events that came by them, to another.

    What rules have counted of these goes with them.
    """
    share_counts(connection, source, target, keys)
    events, groupings = ISSUE_EVENTS.c, ISSUE_GROUPINGS.c
    connection.execute(
        update(ISSUE_EVENTS)
        .where(events.issue_id == source)
        .where(tuple_(events.grouping_version, events.grouping_key).in_(keys))
        .values(issue_id=target)
    )
    connection.execute(
        update(ISSUE_GROUPINGS)
        .where(groupings.issue_id == source)
        .where(tuple_(groupings.version, groupings.key).in_(keys))
        .values(issue_id=target)
    )


def release_what_left(connection: Connection, issue_id: int, users: set[bytes]) -> None:
    """Take users from an issue that have no other event of it, and set when it saw its releases.

    If events of the issue are counted and no longer stored, a user may have had one of those, and
    so stays.
    """
    columns = ISSUE_EVENTS.c
    remaining = {
        user
        for user in connection.scalars(
            select(columns.user_hash).where(columns.issue_id == issue_id).distinct()
        )
        if user is not None
    }
    if _has_lost_events(connection, issue_id):
        return
    take_users(connection, issue_id, users - remaining)
    first = select(columns.release, func.min(columns.occurred_at).label("first")).where(
        columns.issue_id == issue_id, columns.release.is_not(None)
    )
    set_first_seen(
        connection,
        issue_id,
        {
            row.release: to_milliseconds(row.first)
            for row in connection.execute(first.group_by(columns.release))
        },
    )


def _has_lost_events(connection: Connection, issue_id: int) -> bool:
    counted = connection.scalar(
        text("SELECT coalesce(sum(event_count), 0) FROM issue_groupings WHERE issue_id = :issue"),
        {"issue": issue_id},
    )
    stored = connection.scalar(
        text("SELECT count(*) FROM issue_events WHERE issue_id = :issue"), {"issue": issue_id}
    )
    return (counted or 0) > (stored or 0)


def _insert_issue(connection: Connection, row: dict[str, Any]) -> int:
    """Make a row like that of the issue that is split; what is counted comes later.

    What people have decided about that one holds for it only: those columns keep their defaults.
    """
    new_id: int = connection.execute(NEXT_ISSUE_ID).scalar_one()
    values = {
        **{name: row[name] for name in _INHERITED},
        "id": new_id,
        "status": IssueStatus.UNRESOLVED.value,
        "is_regressed": False,
        "regression_count": 0,
    }
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(text(f"INSERT INTO issues ({names}) VALUES ({places})"), values)  # noqa: S608
    return new_id


def _describe_from_events(
    connection: Connection,
    issue_id: int,
    row: dict[str, Any],
    count: int,
    slug: str,
    payloads: PayloadReader,
) -> None:
    """Write an issue's row from its stored events."""
    values: dict[str, Any] = {"event_count": count}
    edges = _read_edges(connection, issue_id)
    if edges is None:
        last = connection.scalar(_LAST_KEY, {"issue": issue_id}) or row["last_seen_at"]
        values |= {"first_seen_at": last, "last_seen_at": last, "first_release": None}
        values["last_release"] = None
    else:
        first, latest = edges
        event = read_event(connection, latest, payloads)
        grouping = GROUPERS.get(latest.grouping_version)
        values |= {
            **describe_event(event),
            "first_seen_at": to_milliseconds(first.occurred_at),
            "last_seen_at": to_milliseconds(latest.occurred_at),
            "first_release": first.release,
            "last_release": latest.release,
            "grouping_version": latest.grouping_version,
            "is_synthetic": not _has_real_events(connection, issue_id),
        }
        if grouping is not None:
            values["explanation"] = grouping(event).explanation[:2_000]
    values["search_text"] = make_search_text({**row, **values}, slug, int(row["number"]))
    write_row(connection, issue_id, values)


def _describe_rest(
    connection: Connection,
    issue_id: int,
    row: dict[str, Any],
    taken: int,
    slug: str,
    payloads: PayloadReader,
) -> None:
    """Write the row of an issue from which events were taken."""
    values: dict[str, Any] = {"event_count": max(0, row["event_count"] - taken)}
    edges = _read_edges(connection, issue_id)
    if edges is not None:
        first, latest = edges
        values |= {
            **describe_event(read_event(connection, latest, payloads)),
            "last_seen_at": to_milliseconds(latest.occurred_at),
            "last_release": latest.release,
        }
        if not _has_lost_events(connection, issue_id):
            values["first_seen_at"] = to_milliseconds(first.occurred_at)
            values["first_release"] = first.release
    values["search_text"] = make_search_text({**row, **values}, slug, int(row["number"]))
    write_row(connection, issue_id, values)


def _read_edges(connection: Connection, issue_id: int) -> tuple[Any, Any] | None:
    """Return the first and the latest stored event of an issue."""
    columns = ISSUE_EVENTS.c
    stored = select(ISSUE_EVENTS).where(columns.issue_id == issue_id).limit(1)
    first = connection.execute(stored.order_by(columns.occurred_at, columns.id)).first()
    latest = connection.execute(
        stored.order_by(columns.occurred_at.desc(), columns.id.desc())
    ).first()
    return None if first is None or latest is None else (first, latest)


def _has_real_events(connection: Connection, issue_id: int) -> bool:
    columns = ISSUE_EVENTS.c
    real = select(columns.id).where(columns.issue_id == issue_id, columns.is_synthetic.is_(False))
    return connection.scalar(real.limit(1)) is not None


def read_event(connection: Connection, row: Any, payloads: PayloadReader) -> Event:
    """Return a stored event."""
    return normalise(payloads.unpack(connection, row.dict_id, row.payload)["event"])


def describe_event(event: Event) -> dict[str, Any]:
    """Return the columns of an issue that show its latest event."""
    kind, value = describe(event)
    return {
        "type": kind[:_TITLE_MAX],
        "value": " ".join(value.split())[:_VALUE_MAX],
        "culprit": find_culprit(event)[:_TITLE_MAX],
        "level": event.level,
        "platform": event.platform,
        "is_handled": event.is_handled,
    }


def _note(
    connection: Connection,
    row: dict[str, Any],
    new_row: dict[str, Any],
    *,
    count: int,
    missing: int,
    actor: str,
    at: datetime,
    slug: str,
) -> None:
    old_name, new_name = (render_short_id(slug, each["number"]) for each in (row, new_row))
    lost = (
        f"; {missing} of them are no longer stored, and their hours, tags and users stayed"
        if missing
        else ""
    )
    add_activity(
        connection, row["id"], "split", f"Split {count} events off as {new_name}{lost}",
        actor=actor, at=at,
    )  # fmt: skip
    add_activity(
        connection, new_row["id"], "split", f"Split off {old_name}{lost}", actor=actor, at=at
    )
