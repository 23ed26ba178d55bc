"""What a starting dispatcher reads: alerts that are not settled and what was said of them."""

from datetime import datetime

from sqlalchemy import Connection, select

from resumatch_monitor.dispatch.grouping.compose import SUMMARY
from resumatch_monitor.dispatch.occurrences.flapping import Change
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import GroupState, PastMessage, Snapshot
from resumatch_monitor.notify.notification import NotificationKind
from resumatch_monitor.storage.sql.alerts_rows import to_occurrence
from resumatch_monitor.storage.sql.tables.dispatch import (
    ALERT_GROUPS,
    ALERTS,
    NOTIFICATIONS,
    TOLD_ALERTS,
)

_MOST_CHANGED = 50_000
_MOST_MESSAGES = 50_000


def load(
    connection: Connection, changed_since: datetime | None, sent_since: datetime | None
) -> Snapshot:
    """Return what is not settled, and what changed and what was sent since then."""
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
    messages = [] if sent_since is None else _load_messages(connection, sent_since)
    return Snapshot(occurrences, groups, told, changes, messages)


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


def _load_messages(connection: Connection, since: datetime) -> list[PastMessage]:
    columns = NOTIFICATIONS.c
    query = (
        select(columns.receiver, columns.created_at, columns.kind, columns.group_key)
        .where(columns.created_at > since)
        .order_by(columns.created_at.desc())
        .limit(_MOST_MESSAGES)
    )
    messages: list[PastMessage] = []
    for row in connection.execute(query):
        is_summary = row.group_key.startswith(f"{SUMMARY}/")
        if is_summary or row.kind != NotificationKind.NOTICE.value:
            messages.append(PastMessage(row.receiver, row.created_at, is_summary))
    return messages
