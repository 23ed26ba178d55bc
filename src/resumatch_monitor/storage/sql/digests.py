"""Digests in SQL."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.dispatch.digest.store import DigestRecord
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.storage.sql.alerts_rows import to_occurrence
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import insert_deliveries
from resumatch_monitor.storage.sql.tables.alerting import ALERT_DIGESTS
from resumatch_monitor.storage.sql.tables.dispatch import ALERTS


class SqlDigests:
    """The `DigestStore` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, name: str, *, until: datetime) -> DigestRecord | None:
        """Return the latest record of a plan that does not end after `until`."""
        query = (
            select(ALERT_DIGESTS)
            .where(ALERT_DIGESTS.c.name == name, ALERT_DIGESTS.c.ends_at <= until)
            .order_by(ALERT_DIGESTS.c.ends_at.desc())
            .limit(1)
        )

        def work(connection: Connection) -> DigestRecord | None:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return DigestRecord(
                row.name,
                row.starts_at,
                row.ends_at,
                row.created_at,
                row.notification_id,
                row.summary,
            )

        return await self._database.read(work)

    async def list_occurrences(
        self, starts_at: datetime, ends_at: datetime, *, limit: int
    ) -> list[Occurrence]:
        """Return what held, or was reported as an event, between the two, the newest first."""
        is_event, column = ALERTS.c.is_event, ALERTS.c
        query = (
            select(ALERTS)
            .where(
                or_(
                    and_(is_event, column.received_at >= starts_at, column.received_at < ends_at),
                    and_(
                        ~is_event,
                        column.starts_at < ends_at,
                        or_(column.ends_at.is_(None), column.ends_at >= starts_at),
                    ),
                ),
            )
            .order_by(column.starts_at.desc())
            .limit(limit)
        )

        def work(connection: Connection) -> list[Occurrence]:
            return [to_occurrence(row) for row in connection.execute(query)]

        return await self._database.read(work)

    async def record(
        self,
        record: DigestRecord,
        notification: Notification | None,
        deliveries: Sequence[NewDelivery],
    ) -> bool:
        """Store a period and put its message into the outbox, atomically."""
        query = upsert(ALERT_DIGESTS).on_conflict_do_nothing()
        values = {
            "name": record.name,
            "ends_at": record.ends_at,
            "starts_at": record.starts_at,
            "created_at": record.created_at,
            "notification_id": record.notification_id,
            "summary": dict(record.counts),
        }

        def work(connection: Connection) -> bool:
            if not connection.execute(query, values).rowcount:
                return False
            if notification is not None:
                insert_deliveries(connection, [(notification, deliveries)])
            return True

        return await self._database.write(work)

    async def prune_digests(self, before: datetime) -> None:
        """Delete what ended before then but for the latest of each plan."""
        newer = ALERT_DIGESTS.alias()
        latest = (
            select(func.max(newer.c.ends_at))
            .where(newer.c.name == ALERT_DIGESTS.c.name)
            .scalar_subquery()
        )
        query = delete(ALERT_DIGESTS).where(
            ALERT_DIGESTS.c.ends_at < before, ALERT_DIGESTS.c.ends_at < latest
        )
        await self._database.write(lambda connection: connection.execute(query))
