"""Finds the rows of endpoints and statements, makes them, and bounds how many there are."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects.sqlite import insert

from resumatch_monitor.storage.sql.performance_known import Known
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_STATEMENTS,
)
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import OTHER, Call, Facts

_SEEN_EVERY = timedelta(hours=1)


class OwnerBook:
    """Endpoints and statements by what they are called."""

    def __init__(self, connection: Connection, config: PerformanceConfig, known: Known) -> None:
        self._connection = connection
        self._config = config
        self._known = known

    def find_endpoint(self, facts: Facts, at: datetime) -> int:
        """Return the number of a segment's endpoint."""
        key = (facts.project_id, facts.environment, facts.name, facts.op)
        found = self._recall(key, at)
        if found is None:
            found = self._find_or_make_endpoint(key, at)
            self._known.remember_owner(key, found, at)
        return found

    def find_statement(self, call: Call, project_id: int, at: datetime) -> int:
        """Return the number of a call's statement or address."""
        key = (project_id, call.kind.value, call.digest)
        found = self._recall(key, at)
        if found is None:
            found = self._find_or_make_statement(call, project_id, at)
            self._known.remember_owner(key, found, at)
        return found

    def _recall(self, key: tuple[object, ...], at: datetime) -> int | None:
        known = self._known.owners.get(key)
        # From time to time the row has to say that it is still seen.
        if known is None or at - known[1] > _SEEN_EVERY:
            return None
        self._known.owners.move_to_end(key)
        return known[0]

    def _find_or_make_endpoint(self, key: tuple[int, str, str, str], at: datetime) -> int:
        table = PERFORMANCE_ENDPOINTS
        project_id, environment, name, op = key
        values = {"project_id": project_id, "environment": environment, "name": name, "op": op}
        found = self._touch(table, values, at)
        if found is not None:
            return found
        count = self._count(table, project_id=project_id)
        if name != OTHER and count >= self._config.endpoints_per_project:
            return self._find_or_make_endpoint((project_id, environment, OTHER, ""), at)
        return self._insert(table, {**values, "seen_at": at})

    def _find_or_make_statement(self, call: Call, project_id: int, at: datetime) -> int:
        table = PERFORMANCE_STATEMENTS
        values: dict[str, Any] = {
            "project_id": project_id,
            "kind": call.kind.value,
            "digest": call.digest,
        }
        found = self._touch(table, values, at)
        if found is not None:
            return found
        said: dict[str, Any] = {
            "text": call.text,
            "operation": call.operation,
            "system": call.system,
            "tables": list(call.tables),
        }
        count = self._count(table, project_id=project_id, kind=call.kind.value)
        if count >= self._config.statements_per_project:
            values["digest"] = bytes(16)
            found = self._touch(table, values, at)
            if found is not None:
                return found
            said = {"text": OTHER, "operation": "", "system": "", "tables": []}
        return self._insert(table, {**values, **said, "seen_at": at})

    def _count(self, table: Table, **values: object) -> int:
        where = [table.c[name] == value for name, value in values.items()]
        return self._connection.scalar(select(func.count()).select_from(table).where(*where)) or 0

    def _touch(self, table: Table, values: dict[str, Any], at: datetime) -> int | None:
        """Return the row's number and note that it was seen; None if there is none."""
        where = [table.c[name] == value for name, value in values.items()]
        row = self._connection.execute(
            select(table.c.id, table.c.seen_at).where(*where)
        ).one_or_none()
        if row is None:
            return None
        if at - row.seen_at > _SEEN_EVERY:
            self._connection.execute(table.update().where(table.c.id == row.id).values(seen_at=at))
        return row.id

    def _insert(self, table: Table, values: dict[str, Any]) -> int:
        return self._connection.execute(
            insert(table).values(values).returning(table.c.id)
        ).scalar_one()
