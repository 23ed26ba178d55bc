"""Keeps the states of the alerts of rules over log records in the relational database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from resumatch_monitor.alerts.state import ActiveAlert, RuleState
from resumatch_monitor.logs.alerting.store import StoredLogAlert
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.rules import LOG_RULE_STATES

_COLUMNS = LOG_RULE_STATES.c
# SQLite takes at most 32,766 parameters in a statement.
_MOST_AT_ONCE = 500


class SqlLogRuleStates:
    """Implements `logs.alerting.store.LogRuleStates`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[StoredLogAlert]:
        """Return everything that is stored."""

        def read(connection: Connection) -> list[StoredLogAlert]:
            return [
                _parse_row(row) for row in connection.execute(select(LOG_RULE_STATES)).mappings()
            ]

        return await self._database.read(read)

    async def save(
        self,
        rule: str,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        """Store `changed`, forget `removed`, and note `seen_at` for all alerts of the rule."""
        stale = [alert.labels.fingerprint for alert in (*changed, *removed)]
        rows = [_render_row(rule, alert, seen_at) for alert in changed]

        def write(connection: Connection) -> None:
            for start in range(0, len(stale), _MOST_AT_ONCE):
                some = _COLUMNS.fingerprint.in_(stale[start : start + _MOST_AT_ONCE])
                connection.execute(delete(LOG_RULE_STATES).where(_COLUMNS.rule == rule, some))
            if rows:
                connection.execute(insert(LOG_RULE_STATES), rows)
            noted = update(LOG_RULE_STATES).where(_COLUMNS.rule == rule).values(seen_at=seen_at)
            connection.execute(noted)

        await self._database.write(write)


def _render_row(rule: str, alert: ActiveAlert, seen_at: datetime) -> dict[str, Any]:
    return {
        "rule": rule,
        "fingerprint": alert.labels.fingerprint,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "value": alert.value,
        "active_at": alert.active_at,
        "fired_at": alert.fired_at,
        "missing_since": alert.missing_since,
        "resolved_at": alert.resolved_at,
        "seen_at": seen_at,
    }


def _parse_row(row: RowMapping) -> StoredLogAlert:
    return StoredLogAlert(
        rule=row["rule"],
        alert=ActiveAlert(
            labels=Labels.of(row["labels"]),
            state=RuleState(row["state"]),
            active_at=row["active_at"],
            value=row["value"],
            annotations=row["annotations"],
            fired_at=row["fired_at"],
            missing_since=row["missing_since"],
            resolved_at=row["resolved_at"],
        ),
        seen_at=row["seen_at"],
    )
