"""Merging and splitting issues in the relational database."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, and_, func, or_, select, update
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.regroup.model import (
    KeyId,
    KeyUse,
    Member,
    MergeRecord,
    Regrouped,
)
from resumatch_monitor.errortracking.store import StoreUnavailableError
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from resumatch_monitor.storage.sql.issues_merge import UNSPLIT, merge_issues
from resumatch_monitor.storage.sql.issues_merge_undo import find_obstacle, undo_regrouping
from resumatch_monitor.storage.sql.issues_split import split_issue
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS, ISSUE_GROUPINGS, ISSUES
from resumatch_monitor.storage.sql.tables.grouping import ISSUE_MERGE_MEMBERS, ISSUE_MERGES

T = TypeVar("T")

_KEYS_SHOWN = 100
_MERGES_SHOWN = 50
_HOPS_MAX = 50
# So long a merge can be undone; then what the issues were is forgotten.
_SNAPSHOTS_KEPT = timedelta(days=90)


class SqlIssueRegrouper:
    """Implements `IssueRegrouper` of error tracking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._payloads = PayloadReader()

    async def merge(
        self, target_id: int, issue_ids: Sequence[int], *, actor: str, at: datetime
    ) -> Regrouped:
        """Make issues of one project one."""

        def write(connection: Connection) -> Regrouped:
            _forget_old_snapshots(connection, at)
            return merge_issues(connection, target_id, issue_ids, actor=actor, at=at)

        return await self._write(write)

    async def split(
        self, issue_id: int, keys: Sequence[KeyId], *, actor: str, at: datetime
    ) -> Regrouped:
        """Make an issue of the events that came by some of an issue's keys."""
        return await self._write(
            lambda connection: split_issue(
                connection, issue_id, keys, actor=actor, at=at, payloads=self._payloads
            )
        )

    async def undo(self, merge_id: int, *, actor: str, at: datetime) -> Regrouped:
        """Undo a merge or split, with what has come since."""
        return await self._write(
            lambda connection: undo_regrouping(
                connection, merge_id, actor=actor, at=at, payloads=self._payloads
            )
        )

    async def list_keys(self, issue_id: int) -> Sequence[KeyUse]:
        """Return the keys that lead to an issue, the most used first."""
        return await self._database.read(lambda connection: _list_keys(connection, issue_id))

    async def find_event_key(self, issue_id: int, event_id: str) -> KeyId | None:
        """Return the key that led a stored event to its issue; None if it is not known."""
        columns = ISSUE_EVENTS.c
        query = select(columns.grouping_version, columns.grouping_key).where(
            columns.issue_id == issue_id, columns.event_id == bytes.fromhex(event_id)
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None or row.grouping_key is None else KeyId(*row)

    async def list_merges(self, issue_id: int) -> Sequence[MergeRecord]:
        """Return the merges and splits of an issue, the latest first."""
        return await self._database.read(lambda connection: _list_merges(connection, issue_id))

    async def find_heir(self, issue_id: int) -> int | None:
        """Return the issue into which one that is gone was merged."""
        return await self._database.read(lambda connection: _find_heir(connection, issue_id))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except (DatabaseFullError, OperationalError) as error:
            reason = error.orig if isinstance(error, OperationalError) else error
            raise StoreUnavailableError(str(reason)) from error


def _forget_old_snapshots(connection: Connection, now: datetime) -> None:
    connection.execute(
        update(ISSUE_MERGES)
        .where(ISSUE_MERGES.c.at < now - _SNAPSHOTS_KEPT, ISSUE_MERGES.c.snapshot.is_not(None))
        .values(snapshot=None)
    )


def _list_keys(connection: Connection, issue_id: int) -> list[KeyUse]:
    columns, events = ISSUE_GROUPINGS.c, ISSUE_EVENTS.c
    stored = {
        (row.grouping_version, row.grouping_key): (row.events, row.latest)
        for row in connection.execute(
            select(
                events.grouping_version,
                events.grouping_key,
                func.count().label("events"),
                func.max(events.id).label("latest"),
            )
            .where(events.issue_id == issue_id)
            .group_by(events.grouping_version, events.grouping_key)
        )
    }
    samples = {
        row.id: (row.event_id.hex(), row.message)
        for row in connection.execute(
            select(events.id, events.event_id, events.message).where(
                events.id.in_([latest for _, latest in stored.values()][:_KEYS_SHOWN])
            )
        )
    }
    uses: list[KeyUse] = []
    for row in connection.execute(
        select(ISSUE_GROUPINGS)
        .where(columns.issue_id == issue_id)
        .order_by(columns.event_count.desc(), columns.version.desc(), columns.key)
        .limit(_KEYS_SHOWN)
    ):
        count, latest = stored.get((row.version, row.key), (0, None))
        event_id, message = samples.get(latest, (None, ""))
        key = KeyId(row.version, row.key)
        uses.append(KeyUse(key, row.event_count, count, row.last_seen_at, event_id, message))
    return uses


def _list_merges(connection: Connection, issue_id: int) -> list[MergeRecord]:
    merges, members = ISSUE_MERGES.c, ISSUE_MERGE_MEMBERS.c
    split_off = select(members.merge_id).where(members.issue_id == issue_id).scalar_subquery()
    rows = connection.execute(
        select(ISSUE_MERGES)
        .where(
            or_(
                merges.issue_id == issue_id,
                and_(merges.kind == "split", merges.id.in_(split_off)),
            )
        )
        .where(merges.kind != UNSPLIT)
        .order_by(merges.id.desc())
        .limit(_MERGES_SHOWN)
    ).all()
    return [
        MergeRecord(
            id=row.id,
            kind=row.kind,
            issue_id=row.issue_id,
            at=row.at,
            actor=row.actor,
            members=[Member(**each) for each in row.summary["members"]],
            undone_at=row.undone_at,
            undone_by=row.undone_by,
            obstacle=find_obstacle(connection, row),
        )
        for row in rows
    ]


def _find_heir(connection: Connection, issue_id: int) -> int | None:
    merges, members = ISSUE_MERGES.c, ISSUE_MERGE_MEMBERS.c
    current = issue_id
    for _ in range(_HOPS_MAX):
        if connection.scalar(select(ISSUES.c.id).where(ISSUES.c.id == current)) is not None:
            return current if current != issue_id else None
        heir = connection.scalar(
            select(merges.issue_id)
            .join(ISSUE_MERGE_MEMBERS, members.merge_id == merges.id)
            .where(members.issue_id == current, members.is_undone.is_(False))
            .where(merges.kind.in_(("merge", UNSPLIT)))
            .order_by(merges.id.desc())
            .limit(1)
        )
        if heir is None:
            return None
        current = heir
    return None
