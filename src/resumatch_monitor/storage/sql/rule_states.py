"""Keeps the states of rules' alerts in the relational database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, insert, select, update

from resumatch_monitor.alerts.state import ActiveAlert, RuleState
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.model import RuleKey
from resumatch_monitor.rules.store import StoredAlert
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.rules import RULE_STATES

_COLUMNS = RULE_STATES.c
# SQLite takes at most 32,766 parameters in a statement.
_MOST_AT_ONCE = 500


class SqlRuleStates:
    """Implements `rules.store.RuleStateStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[StoredAlert]:
        def read(connection: Connection) -> list[StoredAlert]:
            rows = connection.execute(select(RULE_STATES)).mappings()
            return [_parse_row(row) for row in rows]

        return await self._database.read(read)

    async def save(
        self,
        key: RuleKey,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        stale = [alert.labels.fingerprint for alert in (*changed, *removed)]
        rows = [_render_row(key, alert, seen_at) for alert in changed]

        def write(connection: Connection) -> None:
            for start in range(0, len(stale), _MOST_AT_ONCE):
                some = _COLUMNS.fingerprint.in_(stale[start : start + _MOST_AT_ONCE])
                connection.execute(delete(RULE_STATES).where(_is_of(key), some))
            if rows:
                connection.execute(insert(RULE_STATES), rows)
            connection.execute(update(RULE_STATES).where(_is_of(key)).values(seen_at=seen_at))

        await self._database.write(write)


def _is_of(key: RuleKey) -> ColumnElement[bool]:
    return and_(
        _COLUMNS.file_name == key.file_name,
        _COLUMNS.rule_group == key.group,
        _COLUMNS.rule == key.rule,
        _COLUMNS.digest == key.digest,
    )


def _render_row(key: RuleKey, alert: ActiveAlert, seen_at: datetime) -> dict[str, Any]:
    return {
        "file_name": key.file_name,
        "rule_group": key.group,
        "rule": key.rule,
        "digest": key.digest,
        "fingerprint": alert.labels.fingerprint,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        # SQLite has no NaN: it becomes NULL.
        "value": alert.value,
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "missing_since": alert.missing_since,
        "resolved_at": alert.resolved_at,
        "seen_at": seen_at,
    }


def _parse_row(row: RowMapping) -> StoredAlert:
    value = row["value"]
    return StoredAlert(
        key=RuleKey(row["file_name"], row["rule_group"], row["rule"], row["digest"]),
        alert=ActiveAlert(
            labels=Labels.of(row["labels"]),
            state=RuleState(row["state"]),
            active_at=row["active_at"],
            value=float("nan") if value is None else value,
            annotations=row["annotations"],
            fired_at=row["fired_at"],
            missing_since=row["missing_since"],
            resolved_at=row["resolved_at"],
        ),
        seen_at=row["seen_at"],
    )
