"""What is in which uploaded bundle, in the relational database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from resumatch_monitor.sourcemaps.model import ArtifactFile, BundleUse, FileKind, NewBundle
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.symbols import (
    ARTIFACT_BUNDLES,
    ARTIFACT_FILES,
    ARTIFACT_USES,
)

_MOST_USES = 200
"""Of one bundle; builds that are the same upload the same bundle for ever new releases."""
_EXPIRED_AT_ONCE = 20


class SqlArtifactIndex:
    """Implements `sourcemaps.store.ArtifactIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def register(self, checksum: str, uses: Sequence[BundleUse], at: datetime) -> bool:
        """See `ArtifactIndex`."""
        return await self._database.write(
            lambda connection: _register(connection, checksum, uses, at)
        )

    async def add(self, bundle: NewBundle, uses: Sequence[BundleUse], at: datetime) -> None:
        """See `ArtifactIndex`."""

        def add(connection: Connection) -> None:
            if _register(connection, bundle.checksum, uses, at):
                return
            key = connection.execute(
                insert(ARTIFACT_BUNDLES).values(
                    checksum=bundle.checksum,
                    size_bytes=bundle.size_bytes,
                    file_count=len(bundle.files),
                    created_at=at,
                    used_at=at,
                )
            ).inserted_primary_key
            bundle_id = 0 if key is None else int(key[0])
            if bundle.files:
                connection.execute(
                    insert(ARTIFACT_FILES), [_file_values(bundle_id, each) for each in bundle.files]
                )
            _add_uses(connection, bundle_id, uses, at)

        await self._database.write(add)

    async def remove(self, bundle_id: int) -> str | None:
        """See `ArtifactIndex`."""

        def remove(connection: Connection) -> str | None:
            checksum = connection.scalar(
                select(ARTIFACT_BUNDLES.c.checksum).where(ARTIFACT_BUNDLES.c.id == bundle_id)
            )
            connection.execute(delete(ARTIFACT_BUNDLES).where(ARTIFACT_BUNDLES.c.id == bundle_id))
            return checksum

        return await self._database.write(remove)

    async def expire(self, before: datetime, *, max_bytes: int) -> Sequence[str]:
        """See `ArtifactIndex`."""
        unused_first = (
            select(
                ARTIFACT_BUNDLES.c.id,
                ARTIFACT_BUNDLES.c.checksum,
                ARTIFACT_BUNDLES.c.size_bytes,
                ARTIFACT_BUNDLES.c.used_at,
            )
            .order_by(ARTIFACT_BUNDLES.c.used_at, ARTIFACT_BUNDLES.c.id)
            .limit(_EXPIRED_AT_ONCE)
        )

        def expire(connection: Connection) -> list[str]:
            surplus = _size(connection) - max_bytes
            expired: list[str] = []
            for row in connection.execute(unused_first).all():
                if row.used_at >= before and surplus <= 0:
                    break
                surplus -= row.size_bytes
                connection.execute(delete(ARTIFACT_BUNDLES).where(ARTIFACT_BUNDLES.c.id == row.id))
                expired.append(row.checksum)
            return expired

        return await self._database.write(expire)

    async def checksums(self) -> Collection[str]:
        """See `ArtifactIndex`."""
        query = select(ARTIFACT_BUNDLES.c.checksum)
        return set(await self._database.read(lambda c: c.scalars(query).all()))

    async def usage(self) -> tuple[int, int]:
        """See `ArtifactIndex`."""
        query = select(func.count()).select_from(ARTIFACT_BUNDLES)
        return await self._database.read(lambda c: (c.scalar(query) or 0, _size(c)))


def read_file(row: RowMapping) -> ArtifactFile:
    """Return the file that a row of `artifact_files` is."""
    return ArtifactFile(
        path=row["path"],
        url=row["url"],
        kind=FileKind(row["kind"]),
        debug_id=row["debug_id"],
        sourcemap=row["sourcemap"],
        size_bytes=row["size_bytes"],
    )


def _register(
    connection: Connection, checksum: str, uses: Sequence[BundleUse], at: datetime
) -> bool:
    bundle_id = connection.scalar(
        select(ARTIFACT_BUNDLES.c.id).where(ARTIFACT_BUNDLES.c.checksum == checksum)
    )
    if bundle_id is None:
        return False
    connection.execute(
        update(ARTIFACT_BUNDLES).where(ARTIFACT_BUNDLES.c.id == bundle_id).values(used_at=at)
    )
    _add_uses(connection, bundle_id, uses, at)
    return True


def _add_uses(
    connection: Connection, bundle_id: int, uses: Sequence[BundleUse], at: datetime
) -> None:
    for use in uses:
        statement = upsert(ARTIFACT_USES).values(
            project_id=use.project_id,
            version=use.version,
            dist=use.dist,
            bundle_id=bundle_id,
            created_at=at,
        )
        # Uploaded again, it is the newest once more.
        connection.execute(statement.on_conflict_do_update(set_={"created_at": at}))
    _drop_oldest_uses(connection, bundle_id)


def _drop_oldest_uses(connection: Connection, bundle_id: int) -> None:
    surplus = connection.execute(
        select(ARTIFACT_USES.c.project_id, ARTIFACT_USES.c.version, ARTIFACT_USES.c.dist)
        .where(ARTIFACT_USES.c.bundle_id == bundle_id)
        .order_by(ARTIFACT_USES.c.created_at.desc(), ARTIFACT_USES.c.version.desc())
        .offset(_MOST_USES)
    ).all()
    for row in surplus:
        connection.execute(
            delete(ARTIFACT_USES).where(
                ARTIFACT_USES.c.project_id == row.project_id,
                ARTIFACT_USES.c.version == row.version,
                ARTIFACT_USES.c.dist == row.dist,
                ARTIFACT_USES.c.bundle_id == bundle_id,
            )
        )


def _size(connection: Connection) -> int:
    return connection.scalar(select(func.sum(ARTIFACT_BUNDLES.c.size_bytes))) or 0


def _file_values(bundle_id: int, file: ArtifactFile) -> dict[str, Any]:
    return {
        "bundle_id": bundle_id,
        "path": file.path,
        "url": file.url,
        "kind": file.kind.value,
        "debug_id": file.debug_id,
        "sourcemap": file.sourcemap,
        "size_bytes": file.size_bytes,
    }
