"""Keeps rules that are made in the UI or by API in the relational database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from resumatch_monitor.rules.draft import GroupSettings
from resumatch_monitor.rules.managed_store import ManagedRule, VersionConflictError
from resumatch_monitor.rules.policy import NoDataPolicy
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.rules import MANAGED_RULE_VERSIONS, MANAGED_RULES

_RULES = MANAGED_RULES.c
_VERSIONS = MANAGED_RULE_VERSIONS.c
_MOST_VERSIONS = 100


class SqlManagedRules:
    """Implements `rules.managed_store.ManagedRuleStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[ManagedRule]:
        query = select(MANAGED_RULES).order_by(_RULES.rule_group, _RULES.position, _RULES.id)

        def read(connection: Connection) -> list[ManagedRule]:
            return [
                _parse_row(row, row["id"], row["position"])
                for row in connection.execute(query).mappings()
            ]

        return await self._database.read(read)

    async def save(self, rules: Sequence[ManagedRule]) -> None:
        def write(connection: Connection) -> None:
            for rule in rules:
                _save(connection, rule)

        await self._database.write(write)

    async def list_versions(
        self, rule_id: str, *, before: int | None, limit: int
    ) -> list[ManagedRule]:
        query = select(MANAGED_RULE_VERSIONS).where(_VERSIONS.rule_id == rule_id)
        if before is not None:
            query = query.where(_VERSIONS.version < before)
        query = query.order_by(_VERSIONS.version.desc()).limit(limit)

        def read(connection: Connection) -> list[ManagedRule]:
            return [
                _parse_row(row, row["rule_id"], 0) for row in connection.execute(query).mappings()
            ]

        return await self._database.read(read)


def _save(connection: Connection, rule: ManagedRule) -> None:
    # The history tells of a rule that was deleted, too.
    last = connection.execute(
        select(func.max(_VERSIONS.version)).where(_VERSIONS.rule_id == rule.id)
    ).scalar_one()
    if (last or 0) + 1 != rule.version:
        raise VersionConflictError(rule.id)
    common = {
        "rule_group": rule.group,
        "name": rule.name,
        "body": None if rule.is_deleted else _render_body(rule),
        "version": rule.version,
        "updated_at": rule.updated_at,
        "updated_by": rule.updated_by,
    }
    connection.execute(delete(MANAGED_RULES).where(_RULES.id == rule.id))
    if not rule.is_deleted:
        connection.execute(
            insert(MANAGED_RULES).values(
                id=rule.id, position=rule.position, is_enabled=rule.is_enabled, **common
            )
        )
    connection.execute(insert(MANAGED_RULE_VERSIONS).values(rule_id=rule.id, **common))
    connection.execute(
        delete(MANAGED_RULE_VERSIONS).where(
            _VERSIONS.rule_id == rule.id, _VERSIONS.version <= rule.version - _MOST_VERSIONS
        )
    )


def _render_body(rule: ManagedRule) -> dict[str, Any]:
    settings = rule.settings
    return {
        "rule": dict(rule.body),
        "group": {
            "interval": settings.interval,
            "query_offset": settings.query_offset,
            "limit": settings.limit,
        },
        "on_no_data": rule.on_no_data and rule.on_no_data.value,
        "is_enabled": rule.is_enabled,
    }


def _parse_row(row: RowMapping, rule_id: str, position: int) -> ManagedRule:
    body: Mapping[str, Any] = row["body"] or {}
    policy = body.get("on_no_data")
    return ManagedRule(
        id=rule_id,
        group=row["rule_group"],
        position=position,
        name=row["name"],
        body=body.get("rule", {}),
        settings=GroupSettings(**body.get("group", {})),
        on_no_data=NoDataPolicy(policy) if policy else None,
        is_enabled=body.get("is_enabled", False),
        version=row["version"],
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
        is_deleted=row["body"] is None,
    )
