"""Silences in SQL."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.dispatch.matchers import match_all
from resumatch_monitor.dispatch.muting.silence import Silence
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.storage.sql.alerts_rows import in_chunks
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.statements import AnyRow, AnySelect
from resumatch_monitor.storage.sql.tables.alerting import ALERT_SILENCES

_COLUMNS = ALERT_SILENCES.c
_LOOKED_AT = 20_000


class SqlSilences:
    """The `SilenceStore`, `WarningStore` and `SilenceHistory` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, *, ended_after: datetime) -> list[Silence]:
        """Return all that have not ended, or have ended since then."""
        return await self._fetch(select(ALERT_SILENCES).where(_COLUMNS.ends_at > ended_after))

    async def list_between(
        self, start: datetime, end: datetime, *, labels: Labels | None = None, limit: int
    ) -> Sequence[Silence]:
        """Return the silences that held at some time from `start` to `end`, the latest first.

        With `labels`, those that match them, of the latest 20,000.
        """
        query = (
            select(ALERT_SILENCES)
            .where(
                _COLUMNS.ends_at >= start,
                _COLUMNS.starts_at <= end,
                _COLUMNS.starts_at < _COLUMNS.ends_at,
            )
            .order_by(_COLUMNS.starts_at.desc(), _COLUMNS.id)
        )
        if labels is None:
            return await self._fetch(query.limit(limit))
        wanted = labels

        def find(connection: Connection) -> list[Silence]:
            rows = connection.execute(query.limit(_LOOKED_AT))
            found = (_to_silence(row) for row in rows)
            return list(islice((s for s in found if match_all(s.matchers, wanted)), limit))

        return await self._database.read(find)

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` silences that ended before then; return how many."""
        old = select(_COLUMNS.id).where(_COLUMNS.ends_at < before).limit(limit)
        query = delete(ALERT_SILENCES).where(_COLUMNS.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(query).rowcount)

    async def save(self, silences: Sequence[Silence]) -> None:
        """Store new and changed ones, all or none."""
        rows = [_to_row(each) for each in silences]
        query = upsert(ALERT_SILENCES)
        query = query.on_conflict_do_update(
            index_elements=["id"],
            set_={column.name: query.excluded[column.name] for column in _COLUMNS},
        )
        await self._database.write(lambda connection: connection.execute(query, rows))

    async def remove(self, ids: Sequence[str]) -> None:
        """Delete some."""

        def work(connection: Connection) -> None:
            for chunk in in_chunks(ids):
                connection.execute(delete(ALERT_SILENCES).where(_COLUMNS.id.in_(chunk)))

        await self._database.write(work)

    async def warn(
        self,
        silence: Silence,
        *,
        at: datetime,
        messages: Sequence[tuple[Notification, Sequence[NewDelivery]]],
    ) -> bool:
        """Note that people were told that `silence` ends soon, and put that into the outbox.

        Both or nothing; False if they have been told, or if it ends at another time.
        """
        query = (
            update(ALERT_SILENCES)
            .where(
                and_(
                    _COLUMNS.id == silence.id,
                    _COLUMNS.ends_at == silence.ends_at,
                    _COLUMNS.warned_at.is_(None),
                )
            )
            .values(warned_at=at)
        )

        def work(connection: Connection) -> bool:
            if not connection.execute(query).rowcount:
                return False
            insert_deliveries(connection, messages)
            return True

        return await self._database.write(work)

    async def _fetch(self, query: AnySelect) -> list[Silence]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_to_silence(row) for row in rows]


def _to_row(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "matchers": [[each.name, each.op.value, each.value] for each in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "created_by": silence.created_by,
        "comment": silence.comment,
        "created_at": silence.created_at,
        "updated_at": silence.updated_at,
        "warned_at": silence.warned_at,
        "ended_by": silence.ended_by or None,
    }


def _to_silence(row: AnyRow) -> Silence:
    return Silence(
        id=row.id,
        matchers=tuple(Matcher(name, MatchOp(op), value) for name, op, value in row.matchers),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        created_by=row.created_by,
        comment=row.comment,
        created_at=row.created_at,
        updated_at=row.updated_at,
        warned_at=row.warned_at,
        ended_by=row.ended_by or "",
    )
