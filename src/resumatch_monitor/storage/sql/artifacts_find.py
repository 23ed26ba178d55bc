"""Finds uploaded files for frames, in the relational database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update

from resumatch_monitor.sourcemaps.model import BundleUse, FileKind, FoundFile
from resumatch_monitor.storage.sql.artifacts import read_file
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.symbols import (
    ARTIFACT_BUNDLES,
    ARTIFACT_FILES,
    ARTIFACT_USES,
)

_MOST_FOUND = 20


class SqlArtifactFinder:
    """Implements `sourcemaps.store.ArtifactFinder` and `ArtifactUsage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_by_debug_id(self, debug_id: bytes) -> Sequence[FoundFile]:
        """See `ArtifactFinder`."""
        found = self._run(
            _select_files().where(ARTIFACT_FILES.c.debug_id == debug_id).order_by(*_NEWEST_FIRST)
        )
        return [each for each in found if each.bundle_id == found[0].bundle_id]

    def find_by_url(self, use: BundleUse, urls: Sequence[str]) -> Sequence[FoundFile]:
        """See `ArtifactFinder`."""
        query = (
            _select_files()
            .join(ARTIFACT_USES, ARTIFACT_USES.c.bundle_id == ARTIFACT_BUNDLES.c.id)
            .where(*_is_of(use), ARTIFACT_FILES.c.url.in_(urls))
            .order_by(ARTIFACT_USES.c.created_at.desc(), *_NEWEST_FIRST)
        )
        found = self._run(query)
        # The first candidate is the likeliest, whatever was uploaded last.
        rank = {url: position for position, url in enumerate(urls)}
        return sorted(found, key=lambda each: rank[each.file.url])

    def find_in_bundle(self, bundle_id: int, urls: Sequence[str]) -> Sequence[FoundFile]:
        """See `ArtifactFinder`."""
        return self._run(
            _select_files().where(
                ARTIFACT_FILES.c.bundle_id == bundle_id, ARTIFACT_FILES.c.url.in_(urls)
            )
        )

    def release_urls(self, use: BundleUse, *, limit: int) -> tuple[int, Sequence[str]]:
        """See `ArtifactFinder`."""
        of_release = (
            select(ARTIFACT_FILES.c.url)
            .join(ARTIFACT_USES, ARTIFACT_USES.c.bundle_id == ARTIFACT_FILES.c.bundle_id)
            .where(*_is_of(use), ARTIFACT_FILES.c.kind == FileKind.MINIFIED.value)
            .distinct()
        )
        count = select(func.count()).select_from(of_release.subquery())
        some = of_release.order_by(ARTIFACT_FILES.c.url).limit(limit)
        return self._database.read_blocking(
            lambda connection: (connection.scalar(count) or 0, connection.scalars(some).all())
        )

    async def note_use(self, bundle_ids: Collection[int], at: datetime) -> None:
        """See `ArtifactUsage`."""
        statement = (
            update(ARTIFACT_BUNDLES)
            .where(ARTIFACT_BUNDLES.c.id.in_(bundle_ids))
            .values(used_at=at, resolved_at=at)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    def _run(self, query: Select[Any]) -> list[FoundFile]:
        rows = self._database.read_blocking(
            lambda connection: connection.execute(query.limit(_MOST_FOUND)).mappings().all()
        )
        return [FoundFile(row["bundle_id"], row["checksum"], read_file(row)) for row in rows]


_NEWEST_FIRST = (ARTIFACT_BUNDLES.c.created_at.desc(), ARTIFACT_BUNDLES.c.id.desc())


def _select_files() -> Select[Any]:
    return select(ARTIFACT_FILES, ARTIFACT_BUNDLES.c.checksum).join(
        ARTIFACT_BUNDLES, ARTIFACT_BUNDLES.c.id == ARTIFACT_FILES.c.bundle_id
    )


def _is_of(use: BundleUse) -> tuple[ColumnElement[bool], ...]:
    return (
        ARTIFACT_USES.c.project_id == use.project_id,
        ARTIFACT_USES.c.version == use.version,
        ARTIFACT_USES.c.dist == use.dist,
    )
