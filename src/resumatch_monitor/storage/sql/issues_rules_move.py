"""What rules over issues have counted goes with the events when issues are merged or split."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, func, select, text, tuple_

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.storage.sql.issues_rules import forget_counts
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS, ISSUES
from resumatch_monitor.storage.sql.tables.workflow import ISSUE_RULE_COUNTS, ISSUE_RULE_USERS

_JOIN_COUNTS = text(
    "INSERT INTO issue_rule_counts (rule, project_id, issue_id, bucket, event_count)"
    " SELECT rule, project_id, :target, bucket, sum(event_count) FROM issue_rule_counts"
    " WHERE issue_id IN :others GROUP BY rule, project_id, bucket"
    " ON CONFLICT (rule, project_id, issue_id, bucket) DO UPDATE"
    " SET event_count = issue_rule_counts.event_count + excluded.event_count"
).bindparams(bindparam("others", expanding=True))
_JOIN_USERS = text(
    "INSERT INTO issue_rule_users (rule, project_id, issue_id, user_hash, seen_at)"
    " SELECT rule, project_id, :target, user_hash, max(seen_at) FROM issue_rule_users"
    " WHERE issue_id IN :others GROUP BY rule, project_id, user_hash"
    " ON CONFLICT (rule, project_id, issue_id, user_hash) DO UPDATE"
    " SET seen_at = max(issue_rule_users.seen_at, excluded.seen_at)"
).bindparams(bindparam("others", expanding=True))
_LONGEST_STEP_MS = 86_400_000 // 60
"""The longest bucket of a rule's: a sixtieth of a day."""

Moments = Mapping[bytes, int]
"""When each user was last met, in milliseconds."""


def join_counts(connection: Connection, issue_ids: Sequence[int], target_id: int) -> None:
    """Add what is counted of issues to what is counted of the one that takes them in.

    With one that is resolved or archived people are done: of it nothing is counted.
    """
    if _is_unresolved(connection, target_id):
        values = {"target": target_id, "others": list(issue_ids)}
        connection.execute(_JOIN_COUNTS, values)
        connection.execute(_JOIN_USERS, values)
    forget_counts(connection, issue_ids)


def share_counts(
    connection: Connection, source_id: int, target_id: int, keys: Sequence[tuple[int, bytes]]
) -> None:
    """Give an issue its share of what is counted of another, before it gets the events.

    Which events a rule has counted is not stored. So of each bucket that part goes which the
    events that go are of those stored that came in it: exact for a rule that counts all of an
    issue's events, an estimate for others.

    Args:
        connection: In the transaction that moves the events.
        source_id: Whose events are counted now.
        target_id: To whom some of them go.
        keys: By which these have come.
    """
    _share_events(connection, source_id, target_id, keys)
    _share_users(connection, source_id, target_id, keys)
    if not _is_unresolved(connection, target_id):
        forget_counts(connection, [target_id])


def _is_unresolved(connection: Connection, issue_id: int) -> bool:
    status = connection.scalar(select(ISSUES.c.status).where(ISSUES.c.id == issue_id))
    return status == IssueStatus.UNRESOLVED


def _share_events(
    connection: Connection, source_id: int, target_id: int, keys: Sequence[tuple[int, bytes]]
) -> None:
    columns = ISSUE_RULE_COUNTS.c
    by_rule: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for row in connection.execute(
        select(ISSUE_RULE_COUNTS).where(columns.issue_id == source_id).order_by(columns.bucket)
    ):
        by_rule[row.rule, row.project_id][to_milliseconds(row.bucket)] = row.event_count
    if not by_rule:
        return
    oldest = min(next(iter(counts)) for counts in by_rule.values())
    moments = _read_moments(connection, source_id, keys, oldest)
    for (rule, project_id), counts in by_rule.items():
        gone = _split(counts, moments)
        name = {"rule": rule, "project_id": project_id}
        for bucket, count in gone.items():
            at = from_milliseconds(bucket)
            where = (
                columns.rule == rule,
                columns.project_id == project_id,
                columns.issue_id == source_id,
                columns.bucket == at,
            )
            if count == counts[bucket]:
                connection.execute(ISSUE_RULE_COUNTS.delete().where(*where))
            else:
                connection.execute(
                    ISSUE_RULE_COUNTS.update()
                    .where(*where)
                    .values(event_count=counts[bucket] - count)
                )
            connection.execute(
                ISSUE_RULE_COUNTS.insert().values(
                    **name, issue_id=target_id, bucket=at, event_count=count
                )
            )


def _read_moments(
    connection: Connection, source_id: int, keys: Sequence[tuple[int, bytes]], oldest: int
) -> list[tuple[int, bool]]:
    """Return when each stored event came since a moment, and whether it goes."""
    events = ISSUE_EVENTS.c
    goes = func.coalesce(tuple_(events.grouping_version, events.grouping_key).in_(keys), False)
    return [
        (to_milliseconds(at), bool(is_going))
        for at, is_going in connection.execute(
            select(events.received_at, goes).where(
                events.issue_id == source_id, events.received_at >= from_milliseconds(oldest)
            )
        )
    ]


def _split(counts: Mapping[int, int], moments: Sequence[tuple[int, bool]]) -> dict[int, int]:
    """Return how many of each bucket's events go; buckets are ordered."""
    starts = list(counts)
    present, going = Counter[int](), Counter[int]()
    for at, is_going in moments:
        place = bisect_right(starts, at) - 1
        if place < 0 or at - starts[place] >= _LONGEST_STEP_MS:
            continue
        present[starts[place]] += 1
        going[starts[place]] += is_going
    return {
        bucket: count
        for bucket in going
        if (count := round(counts[bucket] * going[bucket] / present[bucket]))
    }


def _share_users(
    connection: Connection, source_id: int, target_id: int, keys: Sequence[tuple[int, bytes]]
) -> None:
    users = ISSUE_RULE_USERS
    rows = connection.execute(select(users).where(users.c.issue_id == source_id)).all()
    if not rows:
        return
    going = _last_met(connection, source_id, keys, is_going=True)
    staying = _last_met(connection, source_id, keys, is_going=False)
    for row in rows:
        if row.user_hash not in going:
            continue
        # A rule may have counted fewer events than are stored: it is no later than it says.
        counted = to_milliseconds(row.seen_at)
        where = (
            users.c.rule == row.rule,
            users.c.project_id == row.project_id,
            users.c.issue_id == source_id,
            users.c.user_hash == row.user_hash,
        )
        if row.user_hash in staying:
            seen = from_milliseconds(min(counted, staying[row.user_hash]))
            connection.execute(users.update().where(*where).values(seen_at=seen))
        else:
            connection.execute(users.delete().where(*where))
        connection.execute(
            users.insert().values(
                rule=row.rule,
                project_id=row.project_id,
                issue_id=target_id,
                user_hash=row.user_hash,
                seen_at=from_milliseconds(min(counted, going[row.user_hash])),
            )
        )


def _last_met(
    connection: Connection, source_id: int, keys: Sequence[tuple[int, bytes]], *, is_going: bool
) -> Moments:
    events = ISSUE_EVENTS.c
    is_of_keys = func.coalesce(
        tuple_(events.grouping_version, events.grouping_key).in_(keys), False
    )
    return {
        row.user_hash: to_milliseconds(row.last)
        for row in connection.execute(
            select(events.user_hash, func.max(events.received_at).label("last"))
            .where(events.issue_id == source_id, events.user_hash.is_not(None))
            .where(is_of_keys.is_(is_going))
            .group_by(events.user_hash)
        )
    }
