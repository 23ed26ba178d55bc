"""What a starting dispatcher reads: alerts that are not settled and what was said of them."""

from datetime import datetime

from sqlalchemy import Connection, select

from resumatch_monitor.dispatch.flapping import Change
from resumatch_monitor.dispatch.route import GroupId
from resumatch_monitor.dispatch.store import GroupState, Snapshot
from resumatch_monitor.storage.sql.alerts_rows import to_occurrence
from resumatch_monitor.storage.sql.tables.dispatch import ALERT_GROUPS, ALERTS, TOLD_ALERTS

_MOST_CHANGED = 50_000


def load(connection: Connection, changed_since: datetime | None) -> Snapshot:
    """Return what is not settled, and what changed since then."""
    rows = connection.execute(
        select(ALERTS).where(~ALERTS.c.is_settled).order_by(ALERTS.c.starts_at, ALERTS.c.id)
    )
    occurrences = [to_occurrence(row) for row in rows]
    told: dict[GroupId, dict[str, datetime]] = {}
    for row in connection.execute(select(TOLD_ALERTS)):
        told.setdefault(GroupId(row.receiver, row.group_key), {})[row.member_key] = row.told_at
    groups = {
        GroupId(row.receiver, row.group_key): GroupState(
            row.anchor_at, row.notified_at, row.thread_id
        )
        for row in connection.execute(select(ALERT_GROUPS))
    }
    changes = [] if changed_since is None else _load_changes(connection, changed_since)
    return Snapshot(occurrences, groups, told, changes)


def _load_changes(connection: Connection, since: datetime) -> list[Change]:
    query = (
        select(ALERTS.c.fingerprint, ALERTS.c.starts_at, ALERTS.c.ends_at)
        .where(ALERTS.c.changed_at >= since, ~ALERTS.c.is_event)
        .order_by(ALERTS.c.changed_at.desc())
        .limit(_MOST_CHANGED)
    )
    changes: list[Change] = []
    for row in connection.execute(query):
        changes.append(Change(row.fingerprint, row.starts_at, is_firing=True))
        if row.ends_at is not None:
            changes.append(Change(row.fingerprint, row.ends_at, is_firing=False))
    return changes
