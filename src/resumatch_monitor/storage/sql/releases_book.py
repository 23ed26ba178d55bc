"""Releases, their commits and their deploys in the relational database."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.releases.model import Commit, Deploy, Release, ReleaseChange, ReleasePage
from resumatch_monitor.releases.store import MOST_COMMITS, MOST_DEPLOYS, MOST_RELEASES
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.errors import ISSUES
from resumatch_monitor.storage.sql.tables.symbols import DEPLOYS, RELEASE_COMMITS, RELEASES

_LARGEST_ID = 2**63 - 1


class SqlReleaseBook:
    """Implements `ReleaseBook`, `DeployBook` and `NewIssues` of `releases.store`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def announce(
        self, project_ids: Sequence[int], version: str, change: ReleaseChange, at: datetime
    ) -> Sequence[Release]:
        """See `ReleaseBook`."""
        given = {name: value for name, value in asdict(change).items() if value is not None}

        def announce(connection: Connection) -> list[Release]:
            for project_id in project_ids:
                connection.execute(
                    upsert(RELEASES)
                    .values(project_id=project_id, version=version, created_at=at)
                    .on_conflict_do_nothing()
                )
                if given:
                    connection.execute(
                        update(RELEASES).where(*_are(RELEASES, [project_id], version)).values(given)
                    )
                drop_oldest_releases(connection, project_id)
            return _find(connection, project_ids, version)

        return await self._database.write(announce)

    async def find(self, project_ids: Sequence[int], version: str) -> Sequence[Release]:
        """See `ReleaseBook`."""
        return await self._database.read(lambda connection: _find(connection, project_ids, version))

    async def page(
        self, project_ids: Sequence[int], *, cursor: str | None, limit: int
    ) -> ReleasePage:
        """See `ReleaseBook`."""
        columns = (RELEASES.c.created_at, RELEASES.c.project_id, RELEASES.c.version)
        query = select(RELEASES).where(RELEASES.c.project_id.in_(project_ids))
        if cursor:
            at, project_id, version = _parse_cursor(cursor)
            query = query.where(
                or_(
                    columns[0] < at,
                    and_(columns[0] == at, columns[1] < project_id),
                    and_(columns[0] == at, columns[1] == project_id, columns[2] < version),
                )
            )
        query = query.order_by(*(column.desc() for column in columns)).limit(limit + 1)
        rows = await self._database.read(
            lambda connection: connection.execute(query).mappings().all()
        )
        items = [Release(**row) for row in rows[:limit]]
        return ReleasePage(items, _render_cursor(items[-1]) if len(rows) > limit else None)

    async def delete(self, project_ids: Sequence[int], version: str) -> int:
        """See `ReleaseBook`."""

        def forget(connection: Connection) -> int:
            for table in (RELEASE_COMMITS, DEPLOYS):
                connection.execute(delete(table).where(*_are(table, project_ids, version)))
            return connection.execute(
                delete(RELEASES).where(*_are(RELEASES, project_ids, version))
            ).rowcount

        return await self._database.write(forget)

    async def set_commits(
        self, project_ids: Sequence[int], version: str, commits: Sequence[Commit]
    ) -> None:
        """See `ReleaseBook`."""
        rows: list[dict[str, Any]] = [
            {"project_id": project_id, "version": version, "position": position, **asdict(commit)}
            for project_id in project_ids
            for position, commit in enumerate(commits[:MOST_COMMITS])
        ]

        def put(connection: Connection) -> None:
            connection.execute(
                delete(RELEASE_COMMITS).where(*_are(RELEASE_COMMITS, project_ids, version))
            )
            if rows:
                connection.execute(insert(RELEASE_COMMITS), rows)

        await self._database.write(put)

    async def commits(self, project_id: int, version: str, *, limit: int) -> Sequence[Commit]:
        """See `ReleaseBook`."""
        names = ("sha", "repository", "message", "author_name", "author_email", "committed_at")
        query = (
            select(*(RELEASE_COMMITS.c[name] for name in names))
            .where(*_are(RELEASE_COMMITS, [project_id], version))
            .order_by(RELEASE_COMMITS.c.position)
            .limit(limit)
        )
        rows = await self._database.read(
            lambda connection: connection.execute(query).mappings().all()
        )
        return [Commit(**row) for row in rows]

    async def add_deploys(self, deploys: Sequence[Deploy]) -> Sequence[Deploy]:
        """See `DeployBook`."""

        def add(connection: Connection) -> list[Deploy]:
            added: list[Deploy] = []
            for deploy in deploys:
                values = asdict(deploy)
                del values["id"]
                key = connection.execute(insert(DEPLOYS).values(values)).inserted_primary_key
                added.append(replace(deploy, id=int(key[0]) if key is not None else 0))
                _drop_oldest_deploys(connection, deploy)
            return added

        return await self._database.write(add)

    async def deploys(
        self, project_ids: Sequence[int], version: str, *, limit: int
    ) -> Sequence[Deploy]:
        """See `DeployBook`."""
        query = (
            select(DEPLOYS)
            .where(*_are(DEPLOYS, project_ids, version))
            .order_by(DEPLOYS.c.id.desc())
            .limit(limit)
        )
        rows = await self._database.read(
            lambda connection: connection.execute(query).mappings().all()
        )
        return [Deploy(**row) for row in rows]

    async def count_new_issues(self, releases: Sequence[Release]) -> Mapping[tuple[int, str], int]:
        """See `NewIssues`."""
        query = (
            select(ISSUES.c.project_id, ISSUES.c.first_release, func.count().label("total"))
            .where(
                ISSUES.c.project_id.in_({each.project_id for each in releases}),
                ISSUES.c.first_release.in_({each.version for each in releases}),
            )
            .group_by(ISSUES.c.project_id, ISSUES.c.first_release)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {(row.project_id, row.first_release): row.total for row in rows}


def _are(
    table: Table, project_ids: Sequence[int], version: str
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.project_id.in_(project_ids), table.c.version == version


def _find(connection: Connection, project_ids: Sequence[int], version: str) -> list[Release]:
    query = (
        select(RELEASES)
        .where(*_are(RELEASES, project_ids, version))
        .order_by(RELEASES.c.project_id)
    )
    return [Release(**row) for row in connection.execute(query).mappings()]


def drop_oldest_releases(connection: Connection, project_id: int) -> None:
    """Forget the oldest releases of a project that has too many."""
    surplus = connection.scalars(
        select(RELEASES.c.version)
        .where(RELEASES.c.project_id == project_id)
        .order_by(RELEASES.c.created_at.desc())
        .offset(MOST_RELEASES)
    ).all()
    for version in surplus:
        for table in (RELEASES, RELEASE_COMMITS, DEPLOYS):
            connection.execute(delete(table).where(*_are(table, [project_id], version)))


def _drop_oldest_deploys(connection: Connection, deploy: Deploy) -> None:
    surplus = (
        select(DEPLOYS.c.id)
        .where(*_are(DEPLOYS, [deploy.project_id], deploy.version))
        .order_by(DEPLOYS.c.id.desc())
        .offset(MOST_DEPLOYS)
    )
    connection.execute(delete(DEPLOYS).where(DEPLOYS.c.id.in_(surplus)))


def _render_cursor(last: Release) -> str:
    parts = (to_milliseconds(last.created_at), last.project_id, last.version)
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode()


def _parse_cursor(cursor: str) -> tuple[datetime, int, str]:
    try:
        at, project_id, version = orjson.loads(base64.urlsafe_b64decode(cursor))
        found = from_milliseconds(int(at)), int(project_id), str(version)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise ValueError("the cursor is not one of this list's") from error
    if not 0 <= found[1] <= _LARGEST_ID:
        raise ValueError("the cursor is not one of this list's")
    return found
