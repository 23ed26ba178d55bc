"""Uploads as people see them, in the relational database."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from resumatch_monitor.sourcemaps.model import (
    ArtifactFile,
    BundleUse,
    FoundFile,
    Upload,
    UploadPage,
)
from resumatch_monitor.storage.sql.artifacts import read_file
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables.symbols import (
    ARTIFACT_BUNDLES,
    ARTIFACT_FILES,
    ARTIFACT_USES,
)

_MOST_USES_SHOWN = 20


class SqlArtifactReader:
    """Implements `sourcemaps.store.ArtifactReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def uploads(
        self, *, project_id: int | None, text: str, cursor: int | None, limit: int
    ) -> UploadPage:
        """See `ArtifactReader`."""
        query = select(ARTIFACT_BUNDLES)
        if project_id is not None:
            query = query.where(_has_use(ARTIFACT_USES.c.project_id == project_id))
        if text:
            query = query.where(_mentions(text))
        if cursor is not None:
            query = query.where(ARTIFACT_BUNDLES.c.id < cursor)
        query = query.order_by(ARTIFACT_BUNDLES.c.id.desc()).limit(limit + 1)

        def read(connection: Connection) -> UploadPage:
            rows = connection.execute(query).mappings().all()
            items = _read_uploads(connection, rows[:limit])
            return UploadPage(items, str(items[-1].id) if len(rows) > limit else None)

        return await self._database.read(read)

    async def upload(self, bundle_id: int) -> Upload | None:
        """See `ArtifactReader`."""
        query = select(ARTIFACT_BUNDLES).where(ARTIFACT_BUNDLES.c.id == bundle_id)

        def read(connection: Connection) -> Upload | None:
            rows = connection.execute(query).mappings().all()
            return next(iter(_read_uploads(connection, rows)), None)

        return await self._database.read(read)

    async def files(
        self, bundle_id: int, *, cursor: int | None, limit: int
    ) -> tuple[Sequence[ArtifactFile], str | None]:
        """See `ArtifactReader`."""
        query = select(ARTIFACT_FILES).where(ARTIFACT_FILES.c.bundle_id == bundle_id)
        if cursor is not None:
            query = query.where(ARTIFACT_FILES.c.id > cursor)
        query = query.order_by(ARTIFACT_FILES.c.id).limit(limit + 1)
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        following = str(rows[limit - 1]["id"]) if len(rows) > limit else None
        return [read_file(row) for row in rows[:limit]], following

    async def files_of_release(
        self, project_ids: Sequence[int], version: str, *, limit: int
    ) -> Sequence[FoundFile]:
        """See `ArtifactReader`."""
        has_use = _has_use(
            and_(ARTIFACT_USES.c.project_id.in_(project_ids), ARTIFACT_USES.c.version == version)
        )
        query = (
            select(ARTIFACT_FILES, ARTIFACT_BUNDLES.c.checksum)
            .join(ARTIFACT_BUNDLES, ARTIFACT_BUNDLES.c.id == ARTIFACT_FILES.c.bundle_id)
            .where(has_use)
            .order_by(ARTIFACT_FILES.c.url, ARTIFACT_FILES.c.id)
            .limit(limit)
        )
        rows = await self._database.read(lambda c: c.execute(query).mappings().all())
        return [FoundFile(row["bundle_id"], row["checksum"], read_file(row)) for row in rows]


def _has_use(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(ARTIFACT_USES.c.bundle_id == ARTIFACT_BUNDLES.c.id, condition)


def _mentions(text: str) -> ColumnElement[bool]:
    """Match uploads by a part of a version or a URL, or by a whole debug id."""
    conditions = [
        _has_use(ARTIFACT_USES.c.version.contains(text, autoescape=True)),
        exists().where(
            ARTIFACT_FILES.c.bundle_id == ARTIFACT_BUNDLES.c.id,
            ARTIFACT_FILES.c.url.contains(text, autoescape=True),
        ),
    ]
    debug_id = _parse_hex(text)
    if debug_id is not None:
        conditions.append(ARTIFACT_BUNDLES.c.id.in_(_bundles_with(debug_id)))
    return or_(*conditions)


def _bundles_with(debug_id: bytes) -> Select[tuple[int]]:
    return select(ARTIFACT_FILES.c.bundle_id).where(ARTIFACT_FILES.c.debug_id == debug_id)


def _parse_hex(text: str) -> bytes | None:
    try:
        found = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return None
    return found if len(found) == 16 else None


def _read_uploads(connection: Connection, rows: Sequence[RowMapping]) -> list[Upload]:
    ids = [row["id"] for row in rows]
    uses: defaultdict[int, list[BundleUse]] = defaultdict(list)
    for use in connection.execute(
        select(ARTIFACT_USES)
        .where(ARTIFACT_USES.c.bundle_id.in_(ids))
        .order_by(ARTIFACT_USES.c.created_at.desc())
    ):
        if len(uses[use.bundle_id]) < _MOST_USES_SHOWN:
            uses[use.bundle_id].append(BundleUse(use.project_id, use.version, use.dist))
    counts = {
        row.bundle_id: row.total
        for row in connection.execute(
            select(
                ARTIFACT_FILES.c.bundle_id,
                func.count(ARTIFACT_FILES.c.debug_id.distinct()).label("total"),
            )
            .where(ARTIFACT_FILES.c.bundle_id.in_(ids))
            .group_by(ARTIFACT_FILES.c.bundle_id)
        )
    }
    return [
        Upload(**row, uses=uses[row["id"]], debug_id_count=counts.get(row["id"], 0)) for row in rows
    ]
