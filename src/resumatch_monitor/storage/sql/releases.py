"""Releases of which people are told, in SQL."""

from datetime import datetime

from sqlalchemy import and_, exists, select
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.errortracking.releases import NewRelease
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.errors import (
    ERROR_PROJECTS,
    ERROR_RELEASES,
    TOLD_RELEASES,
)


class SqlReleaseLog:
    """The `ReleaseLog` of the relational database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def untold_releases(self, since: datetime, *, limit: int) -> list[NewRelease]:
        """Return the releases first seen since then of which nobody was told, oldest first."""
        is_told = exists().where(
            and_(
                TOLD_RELEASES.c.project_id == ERROR_RELEASES.c.project_id,
                TOLD_RELEASES.c.version == ERROR_RELEASES.c.version,
            )
        )
        query = (
            select(ERROR_RELEASES, ERROR_PROJECTS.c.slug)
            .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ERROR_RELEASES.c.project_id)
            .where(ERROR_RELEASES.c.first_seen_at >= since, ~is_told)
            .order_by(ERROR_RELEASES.c.first_seen_at)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            NewRelease(row.project_id, row.slug, row.version, row.first_seen_at) for row in rows
        ]

    async def mark_told(self, release: NewRelease, at: datetime) -> None:
        """Note that people were told."""
        query = (
            upsert(TOLD_RELEASES)
            .values(project_id=release.project_id, version=release.version, told_at=at)
            .on_conflict_do_nothing()
        )
        await self._database.write(lambda connection: connection.execute(query))
