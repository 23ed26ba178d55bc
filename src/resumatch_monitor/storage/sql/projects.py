"""Projects that people make, in SQL."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from resumatch_monitor.sentry.project_book import ConflictError
from resumatch_monitor.sentry.projects import Project, ProjectKey
from resumatch_monitor.sentry.settings import ProjectSettings, RateLimit
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS
from resumatch_monitor.storage.sql.tables.intake import OUTCOMES, PROJECT_KEYS, PROJECTS


class SqlProjectStore:
    """Keeps projects and their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Sequence[Project]:
        return await self._database.read(_load)

    async def create(self, project: Project, *, taken: Collection[int]) -> int:
        try:
            return await self._database.write(
                lambda connection: _create(connection, project, taken)
            )
        except IntegrityError as error:
            # One whose name is hidden behind the configuration's.
            raise ConflictError(f"There was a project {project.slug} before.") from error

    async def update(self, project: Project) -> None:
        statement = (
            update(PROJECTS)
            .where(PROJECTS.c.id == project.id)
            .values(
                name=project.name,
                platform=project.platform,
                settings=_dump_settings(project.settings),
            )
        )
        await self._database.write(lambda connection: _execute(connection, statement))

    async def delete(self, project_id: int) -> None:
        statement = delete(PROJECTS).where(PROJECTS.c.id == project_id)
        await self._database.write(lambda connection: _execute(connection, statement))

    async def add_key(self, project_id: int, key: ProjectKey) -> int:
        return await self._database.write(lambda connection: _add_key(connection, project_id, key))

    async def update_key(self, project_id: int, key: ProjectKey) -> None:
        statement = (
            update(PROJECT_KEYS)
            .where(PROJECT_KEYS.c.id == key.id, PROJECT_KEYS.c.project_id == project_id)
            .values(
                name=key.name,
                is_enabled=key.is_enabled,
                rate_limit=_dump_rate_limit(key.rate_limit),
            )
        )
        await self._database.write(lambda connection: _execute(connection, statement))

    async def delete_key(self, project_id: int, key_id: int) -> None:
        statement = delete(PROJECT_KEYS).where(
            PROJECT_KEYS.c.id == key_id, PROJECT_KEYS.c.project_id == project_id
        )
        await self._database.write(lambda connection: _execute(connection, statement))


def _execute(connection: Connection, statement: Any) -> None:
    connection.execute(statement)


def _create(connection: Connection, project: Project, taken: Collection[int]) -> int:
    # Issues of a project that was deleted are not another project's.
    used = [
        connection.scalar(select(func.max(column))) or 0
        for column in (PROJECTS.c.id, ERROR_PROJECTS.c.project_id, OUTCOMES.c.project_id)
    ]
    number = max([*used, *taken], default=0) + 1
    connection.execute(
        insert(PROJECTS).values(
            id=number,
            slug=project.slug,
            name=project.name,
            platform=project.platform,
            settings=_dump_settings(project.settings),
            created_at=project.created_at,
        )
    )
    for key in project.keys:
        _add_key(connection, number, key)
    return number


def _add_key(connection: Connection, project_id: int, key: ProjectKey) -> int:
    return connection.execute(
        insert(PROJECT_KEYS)
        .values(
            project_id=project_id,
            public=key.public,
            name=key.name,
            is_enabled=key.is_enabled,
            rate_limit=_dump_rate_limit(key.rate_limit),
            created_at=key.created_at,
        )
        .returning(PROJECT_KEYS.c.id)
    ).scalar_one()


def _load(connection: Connection) -> list[Project]:
    keys: defaultdict[int, list[ProjectKey]] = defaultdict(list)
    for row in connection.execute(select(PROJECT_KEYS).order_by(PROJECT_KEYS.c.id)):
        keys[row.project_id].append(
            ProjectKey(
                public=row.public,
                id=row.id,
                name=row.name,
                is_enabled=row.is_enabled,
                rate_limit=_load_rate_limit(row.rate_limit),
                created_at=row.created_at,
            )
        )
    return [
        Project(
            id=row.id,
            slug=row.slug,
            name=row.name,
            platform=row.platform,
            keys=tuple(keys[row.id]),
            settings=_load_settings(row.settings),
            created_at=row.created_at,
        )
        for row in connection.execute(select(PROJECTS).order_by(PROJECTS.c.id))
    ]


def _dump_settings(settings: ProjectSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_defaults=True)


def _load_settings(stored: dict[str, Any]) -> ProjectSettings:
    """Return settings; a part that another version wrote and this one refuses is left out."""
    known: dict[str, Any] = {}
    for name in ProjectSettings.model_fields.keys() & stored.keys():
        try:
            ProjectSettings.model_validate({name: stored[name]})
        except ValidationError:
            continue
        known[name] = stored[name]
    return ProjectSettings.model_validate(known)


def _dump_rate_limit(limit: RateLimit | None) -> dict[str, Any] | None:
    return None if limit is None else limit.model_dump(mode="json")


def _load_rate_limit(stored: dict[str, Any] | None) -> RateLimit | None:
    try:
        return None if stored is None else RateLimit.model_validate(stored)
    except ValidationError:
        return None
