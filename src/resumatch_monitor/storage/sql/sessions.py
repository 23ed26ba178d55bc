"""Sessions are counted, each once and as the worst that was said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.releases.health import MOST_GROUPS
from resumatch_monitor.releases.sessions import Ending, SessionGroup, SessionUpdate
from resumatch_monitor.releases.users import UserSketch
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digested_items import keep_new
from resumatch_monitor.storage.sql.releases_book import drop_oldest_releases
from resumatch_monitor.storage.sql.tables.release_health import RELEASE_SESSIONS, SESSION_STATES
from resumatch_monitor.storage.sql.tables.symbols import RELEASES

_RETENTION = timedelta(days=90)
_UPDATED_FOR = timedelta(days=5)
_DELETED_AT_ONCE = 2_000


@dataclass(slots=True)
class _Delta:
    """What is added to a group."""

    total: int = 0
    endings: dict[Ending, int] = field(default_factory=dict[Ending, int])
    users: set[int] = field(default_factory=set[int])
    crashed_users: set[int] = field(default_factory=set[int])
    updates: int = 0

    def add(self, ending: Ending, count: int) -> None:
        self.endings[ending] = self.endings.get(ending, 0) + count


class SqlSessionStore:
    """Implements `releases.health.SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, records: Sequence[ItemRecord], updates: Sequence[SessionUpdate]
    ) -> tuple[int, int]:
        """See `SessionStore`."""
        return await self._database.write(lambda connection: _record(connection, records, updates))

    async def expire(self, now: datetime) -> int:
        """Delete some of what is too old; return how many rows that were."""

        def forget(connection: Connection) -> int:
            states = select(SESSION_STATES.c.sid).where(SESSION_STATES.c.at < now - _UPDATED_FOR)
            counted = connection.execute(
                delete(SESSION_STATES).where(
                    SESSION_STATES.c.sid.in_(states.limit(_DELETED_AT_ONCE))
                )
            ).rowcount
            oldest = connection.scalar(
                select(RELEASE_SESSIONS.c.hour)
                .where(RELEASE_SESSIONS.c.hour < now - _RETENTION)
                .order_by(RELEASE_SESSIONS.c.hour)
                .limit(1)
            )
            if oldest is None:
                return counted
            whole_hour = delete(RELEASE_SESSIONS).where(RELEASE_SESSIONS.c.hour == oldest)
            return counted + connection.execute(whole_hour).rowcount

        return await self._database.write(forget)


def _record(
    connection: Connection, records: Sequence[ItemRecord], updates: Sequence[SessionUpdate]
) -> tuple[int, int]:
    received = {record.item_id: record.received_at for record in keep_new(connection, records)}
    deltas: dict[SessionGroup, _Delta] = {}
    for each in updates:
        at = received.get(each.item_id)
        if at is not None:
            _apply(connection, deltas, each, at)
    refused = sum(
        delta.updates for group, delta in deltas.items() if not _add(connection, group, delta)
    )
    return sum(delta.updates for delta in deltas.values()) - refused, refused


def _apply(
    connection: Connection,
    deltas: dict[SessionGroup, _Delta],
    each: SessionUpdate,
    at: datetime,
) -> None:
    """Add what an update changes to the group in which its session was counted first."""
    known = None
    group = each.group
    if each.sid is not None:
        known = connection.execute(
            select(SESSION_STATES).where(SESSION_STATES.c.sid == each.sid)
        ).one_or_none()
    if known is not None:
        group = SessionGroup(group.project_id, known.version, known.environment, known.hour)
    delta = deltas.setdefault(group, _Delta())
    delta.updates += 1
    if each.user is not None:
        delta.users.add(each.user)
        if each.ending is Ending.CRASHED:
            delta.crashed_users.add(each.user)
    if known is None:
        delta.total += each.count
        delta.add(each.ending, each.count)
        if each.sid is not None:
            connection.execute(
                insert(SESSION_STATES).values(
                    sid=each.sid,
                    hour=group.hour,
                    version=group.version,
                    environment=group.environment,
                    ending=each.ending.value,
                    at=at,
                )
            )
    elif each.ending > known.ending:
        delta.add(Ending(known.ending), -1)
        delta.add(each.ending, 1)
        connection.execute(
            update(SESSION_STATES)
            .where(SESSION_STATES.c.sid == each.sid)
            .values(ending=each.ending.value, at=at)
        )


def _add(connection: Connection, group: SessionGroup, delta: _Delta) -> bool:
    """Add to a group's row; tell whether there was room for it."""
    table = RELEASE_SESSIONS
    is_group = (
        table.c.project_id == group.project_id,
        table.c.hour == group.hour,
        table.c.version == group.version,
        table.c.environment == group.environment,
    )
    row = connection.execute(select(table).where(*is_group)).one_or_none()
    if row is None and not _has_room(connection, group):
        return False
    users = UserSketch(b"" if row is None else row.users)
    users.add(delta.users)
    crashed_users = UserSketch(b"" if row is None else row.crashed_users)
    crashed_users.add(delta.crashed_users)
    values = {
        "total": delta.total,
        "errored": delta.endings.get(Ending.ERRORED, 0),
        "abnormal": delta.endings.get(Ending.ABNORMAL, 0),
        "crashed": delta.endings.get(Ending.CRASHED, 0),
    }
    sketches = {"users": users.pack(), "crashed_users": crashed_users.pack()}
    if row is None:
        connection.execute(
            insert(table).values(
                project_id=group.project_id,
                hour=group.hour,
                version=group.version,
                environment=group.environment,
                **{name: max(0, value) for name, value in values.items()},
                **sketches,
            )
        )
        _announce(connection, group)
        return True
    sums = {name: getattr(row, name) + value for name, value in values.items()}
    connection.execute(update(table).where(*is_group).values(**sums, **sketches))
    return True


def _has_room(connection: Connection, group: SessionGroup) -> bool:
    count = connection.scalar(
        select(func.count())
        .select_from(RELEASE_SESSIONS)
        .where(
            RELEASE_SESSIONS.c.project_id == group.project_id,
            RELEASE_SESSIONS.c.hour == group.hour,
        )
    )
    return (count or 0) < MOST_GROUPS


def _announce(connection: Connection, group: SessionGroup) -> None:
    made = connection.execute(
        upsert(RELEASES)
        .values(project_id=group.project_id, version=group.version, created_at=group.hour)
        .on_conflict_do_nothing()
    )
    if made.rowcount:
        drop_oldest_releases(connection, group.project_id)
