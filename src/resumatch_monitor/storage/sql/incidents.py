"""Which alerts the incidents of others are about, in SQL."""

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.dispatch.practice.drills import DRILL_PREFIX
from resumatch_monitor.notify.notification import build_dedup_key
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.alerting import PAGERDUTY_INCIDENTS
from resumatch_monitor.storage.sql.tables.dispatch import (
    ALERT_GROUPS,
    NOTIFICATION_ALERTS,
    NOTIFICATIONS,
    TOLD_ALERTS,
)

_MOST_NOTIFICATIONS = 5_000
"""Notifications that are looked through, newest first, for one whose group is over."""
_MOST_DRILLS = 500
_FINGERPRINT_LENGTH = 16


class SqlIncidents:
    """The `IncidentStore` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, incident_id: str, dedup_key: str, *, at: datetime) -> None:
        """Keep what PagerDuty's id of an incident stands for."""
        if await self.recall(incident_id) == dedup_key:
            return
        query = upsert(PAGERDUTY_INCIDENTS).values(id=incident_id, dedup_key=dedup_key, seen_at=at)
        query = query.on_conflict_do_update(
            index_elements=["id"], set_={"dedup_key": dedup_key, "seen_at": at}
        )
        await self._database.write(lambda connection: connection.execute(query))

    async def recall(self, incident_id: str) -> str:
        """Return the `dedup_key` of an incident; empty if it is not known."""
        query = select(PAGERDUTY_INCIDENTS.c.dedup_key).where(
            PAGERDUTY_INCIDENTS.c.id == incident_id
        )
        return await self._database.read(lambda connection: connection.scalar(query)) or ""

    async def find_alerts(self, dedup_key: str, *, limit: int) -> list[str]:
        """Return the fingerprints of the alerts that were told under this key."""
        return await self._database.read(
            lambda connection: (
                _find_told(connection, dedup_key, limit)
                or _find_mentioned(connection, dedup_key, limit)
            )
        )

    async def find_drill(self, dedup_key: str) -> str:
        """Return the id of the drill that was told under this key; empty if it was none."""
        query = (
            select(NOTIFICATIONS.c.receiver, NOTIFICATIONS.c.group_key)
            .where(NOTIFICATIONS.c.group_key.startswith(DRILL_PREFIX, autoescape=True))
            .order_by(NOTIFICATIONS.c.created_at.desc())
            .limit(_MOST_DRILLS)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        for receiver, group_key in rows:
            if build_dedup_key(receiver, group_key, is_drill=True) == dedup_key:
                return group_key.removeprefix(DRILL_PREFIX).partition("/")[0]
        return ""

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` incidents that were last heard of before then; return how many."""
        old = (
            select(PAGERDUTY_INCIDENTS.c.id)
            .where(PAGERDUTY_INCIDENTS.c.seen_at < before)
            .limit(limit)
        )
        query = delete(PAGERDUTY_INCIDENTS).where(PAGERDUTY_INCIDENTS.c.id.in_(old))
        return await self._database.write(lambda connection: connection.execute(query).rowcount)


def _find_told(connection: Connection, dedup_key: str, limit: int) -> list[str]:
    """Return the alerts of the open group of that key of which people believe that they fire."""
    groups = select(ALERT_GROUPS.c.receiver, ALERT_GROUPS.c.group_key)
    for receiver, group_key in connection.execute(groups):
        if build_dedup_key(receiver, group_key) == dedup_key:
            query = (
                select(TOLD_ALERTS.c.member_key)
                .where(TOLD_ALERTS.c.receiver == receiver, TOLD_ALERTS.c.group_key == group_key)
                .limit(limit)
            )
            # An event is named by its fingerprint and its time.
            keys = [key[:_FINGERPRINT_LENGTH] for key in connection.scalars(query)]
            return list(dict.fromkeys(keys))
    return []


def _find_mentioned(connection: Connection, dedup_key: str, limit: int) -> list[str]:
    """Return the alerts of the newest notification of that key, for a group that is over."""
    newest = (
        select(NOTIFICATIONS.c.id, NOTIFICATIONS.c.receiver, NOTIFICATIONS.c.group_key)
        .order_by(NOTIFICATIONS.c.created_at.desc())
        .limit(_MOST_NOTIFICATIONS)
    )
    keys: dict[tuple[str, str], bool] = {}
    for notification_id, *group in connection.execute(newest):
        named = (group[0], group[1])
        if named not in keys:
            keys[named] = build_dedup_key(*named) == dedup_key
        if keys[named]:
            query = (
                select(NOTIFICATION_ALERTS.c.fingerprint)
                .where(NOTIFICATION_ALERTS.c.notification_id == notification_id)
                .limit(limit)
            )
            return list(dict.fromkeys(connection.scalars(query)))
    return []
