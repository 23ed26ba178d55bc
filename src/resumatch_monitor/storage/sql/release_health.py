"""What was counted of releases, as people see it."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    exists,
    func,
    or_,
    select,
    union_all,
)

from resumatch_monitor.releases.health import Health, HealthByHour, ReleaseFilter, ReleaseSummary
from resumatch_monitor.releases.users import UserSketch
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.errors import ERROR_RELEASES, ISSUES
from resumatch_monitor.storage.sql.tables.release_health import RELEASE_SESSIONS
from resumatch_monitor.storage.sql.tables.symbols import RELEASES

_ENVIRONMENTS_SHOWN = 100

_ROWS_MAX = 20_000


class SqlHealthReader:
    """Implements `releases.health.HealthReader`."""

    def __init__(self, database: Database, *, rows_max: int = _ROWS_MAX) -> None:
        """Read `database`; of a release's detail at most `rows_max` hours by environments."""
        self._database = database
        self._rows_max = rows_max

    async def list_releases(
        self, wanted: ReleaseFilter, *, offset: int, limit: int
    ) -> Sequence[ReleaseSummary]:
        """See `HealthReader`."""
        query = _select_releases(wanted.project_id, None, wanted)
        return await self._list(query.offset(offset).limit(limit))

    async def list_environments(self, project_id: int | None, *, since: datetime) -> Sequence[str]:
        """See `HealthReader`."""
        table = RELEASE_SESSIONS
        query = (
            select(table.c.environment)
            .distinct()
            .where(table.c.hour >= since)
            .order_by(table.c.environment)
            .limit(_ENVIRONMENTS_SHOWN)
        )
        if project_id is not None:
            query = query.where(table.c.project_id == project_id)
        return await self._database.read(lambda connection: list(connection.scalars(query)))

    async def find_release(self, project_id: int, version: str) -> ReleaseSummary | None:
        """See `HealthReader`."""
        found = await self._list(_select_releases(project_id, version))
        return found[0] if found else None

    async def health(
        self, releases: Sequence[ReleaseSummary], *, since: datetime, environment: str | None
    ) -> Mapping[tuple[int, str], Health]:
        """See `HealthReader`."""
        if not releases:
            return {}
        table = RELEASE_SESSIONS
        query = select(table).where(
            or_(
                *(
                    and_(table.c.project_id == each.project_id, table.c.version == each.version)
                    for each in releases
                )
            ),
            table.c.hour >= since,
        )
        if environment is not None:
            query = query.where(table.c.environment == environment)

        # Many rows take seconds to unite: not in the event loop's thread.
        def read(connection: Connection) -> dict[tuple[int, str], Health]:
            groups: dict[tuple[int, str], list[Row[Any]]] = defaultdict(list)
            for row in connection.execute(query):
                groups[row.project_id, row.version].append(row)
            return {key: _unite(found) for key, found in groups.items()}

        return await self._database.read(read)

    async def count_sessions(
        self, project_ids: Sequence[int], *, since: datetime, environment: str | None
    ) -> Mapping[int, int]:
        """See `HealthReader`."""
        table = RELEASE_SESSIONS
        query = (
            select(table.c.project_id, func.sum(table.c.total))
            .where(table.c.project_id.in_(project_ids), table.c.hour >= since)
            .group_by(table.c.project_id)
        )
        if environment is not None:
            query = query.where(table.c.environment == environment)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {project_id: int(total) for project_id, total in rows}

    async def by_hour(self, project_id: int, version: str, *, since: datetime) -> HealthByHour:
        """See `HealthReader`."""
        table = RELEASE_SESSIONS
        query = (
            select(table)
            .where(
                table.c.project_id == project_id,
                table.c.version == version,
                table.c.hour >= since,
            )
            .order_by(table.c.hour.desc(), table.c.environment)
            .limit(self._rows_max + 1)
        )

        def read(connection: Connection) -> HealthByHour:
            hours: dict[datetime, list[Row[Any]]] = defaultdict(list)
            environments: dict[str, list[Row[Any]]] = defaultdict(list)
            rows = connection.execute(query).all()
            is_cut = len(rows) > self._rows_max
            # Of the oldest hour some may be missing.
            oldest = rows[-1].hour if is_cut else None
            for row in reversed(rows):
                if row.hour != oldest:
                    hours[row.hour].append(row)
                    environments[row.environment].append(row)
            return HealthByHour(
                {hour: _unite(found) for hour, found in hours.items()},
                {name: _unite(found) for name, found in environments.items()},
                is_cut=is_cut,
            )

        return await self._database.read(read)

    async def count_regressed(
        self, releases: Sequence[ReleaseSummary]
    ) -> Mapping[tuple[int, str], int]:
        """See `HealthReader`."""
        query = (
            select(ISSUES.c.project_id, ISSUES.c.last_release, func.count())
            .where(
                ISSUES.c.is_regressed.is_(True),
                ISSUES.c.project_id.in_({each.project_id for each in releases}),
                ISSUES.c.last_release.in_({each.version for each in releases}),
            )
            .group_by(ISSUES.c.project_id, ISSUES.c.last_release)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {(project_id, version): count for project_id, version, count in rows}

    async def current(
        self, *, since: datetime, limit: int
    ) -> Sequence[tuple[int, str, str, int, int]]:
        """See `HealthReader`."""
        table = RELEASE_SESSIONS
        key = (table.c.project_id, table.c.version, table.c.environment)
        total = func.sum(table.c.total)
        query = (
            select(*key, total, func.sum(table.c.crashed))
            .where(table.c.hour >= since)
            .group_by(*key)
            .having(total > 0)
            .order_by(total.desc())
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            (project_id, version, environment, int(count), int(crashed))
            for project_id, version, environment, count, crashed in rows
        ]

    async def _list(self, query: Select[Any, Any, Any]) -> list[ReleaseSummary]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [ReleaseSummary(row.project_id, row.version, row.first_at) for row in rows]


def _select_releases(
    project_id: int | None, version: str | None, wanted: ReleaseFilter | None = None
) -> Select[Any, Any, Any]:
    parts = [
        select(table.c.project_id, table.c.version, at.label("at"))
        for table, at in (
            (RELEASES, RELEASES.c.created_at),
            (ERROR_RELEASES, ERROR_RELEASES.c.first_seen_at),
        )
    ]
    if project_id is not None:
        parts = [part.where(part.selected_columns.project_id == project_id) for part in parts]
    if version is not None:
        parts = [part.where(part.selected_columns.version == version) for part in parts]
    if wanted is not None and wanted.text:
        parts = [
            part.where(part.selected_columns.version.icontains(wanted.text, autoescape=True))
            for part in parts
        ]
    both = union_all(*parts).subquery()
    conditions = [] if wanted is None else list(_use_conditions(both, wanted))
    first = func.min(both.c.at, type_=RELEASES.c.created_at.type)
    return (
        select(both.c.project_id, both.c.version, first.label("first_at"))
        .where(*conditions)
        .group_by(both.c.project_id, both.c.version)
        .order_by(first.desc(), both.c.project_id, both.c.version)
    )


def _use_conditions(releases: Subquery, wanted: ReleaseFilter) -> Generator[ColumnElement[bool]]:
    if wanted.in_use_since is None:
        return
    table = RELEASE_SESSIONS
    used = exists().where(
        table.c.project_id == releases.c.project_id,
        table.c.version == releases.c.version,
        table.c.hour >= wanted.in_use_since,
    )
    yield (
        used
        if wanted.environment is None
        else used.where(table.c.environment == wanted.environment)
    )


def _unite(rows: Iterable[Row[Any]]) -> Health:
    users, crashed_users = UserSketch(), UserSketch()
    total = errored = abnormal = crashed = 0
    for row in rows:
        total += row.total
        errored += row.errored
        abnormal += row.abnormal
        crashed += row.crashed
        # Unpacking costs most of the time; sessions of servers have no users.
        if row.users:
            users.unite(UserSketch(row.users))
        if row.crashed_users:
            crashed_users.unite(UserSketch(row.crashed_users))
    return Health(total, errored, abnormal, crashed, users.count(), crashed_users.count())
