"""Files of events in SQL: packed, bounded in bytes and in age."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import zstandard
from sqlalchemy import Connection, Row, delete, func, insert, select

from resumatch_monitor.sentry.files import EventFile, NewFile
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digested_items import keep_new
from resumatch_monitor.storage.sql.tables.errors import ISSUE_EVENTS
from resumatch_monitor.storage.sql.tables.intake import EVENT_FILES

_LISTED_MAX = 200
_DELETED_AT_ONCE = 100
_DROPPED_AT_ONCE = 5_000
_LEVEL = 3
_COLUMNS = [column for column in EVENT_FILES.c if column.name not in ("data", "stored_bytes")]


class SqlFileStore:
    """Keeps the latest files: as many bytes, and as long, as it is told."""

    def __init__(self, database: Database, *, max_bytes: int, retention: timedelta) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._retention = retention

    async def store(self, files: Sequence[NewFile]) -> None:
        packed = await asyncio.to_thread(_pack_all, files)
        await self._database.write(lambda connection: self._store(connection, files, packed))

    async def list_of_event(self, issue_id: int, event_id: str) -> Sequence[EventFile] | None:
        """Return the files of an issue's event in order, at most 200; None if there is no event."""
        try:
            wanted = bytes.fromhex(event_id)
        except ValueError:
            return None
        return await self._database.read(
            lambda connection: _list_of_event(connection, issue_id, wanted)
        )

    async def read_content(self, file: EventFile) -> bytes | None:
        """Return what is in a file; None if it is gone."""
        query = select(EVENT_FILES.c.data).where(EVENT_FILES.c.id == file.id)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            return None
        return await asyncio.to_thread(_unpack, row.data, file.size_bytes)

    async def expire(self, now: datetime) -> int:
        """Delete some of what is too old or too much; return how many files that were."""
        return await self._database.write(
            lambda connection: self._expire(connection, now - self._retention)
        )

    def _store(
        self, connection: Connection, files: Sequence[NewFile], packed: Sequence[bytes]
    ) -> None:
        fresh = {each.item_id for each in keep_new(connection, [file.record for file in files])}
        rows: list[dict[str, Any]] = []
        for file, data in zip(files, packed, strict=True):
            record = file.record
            if record.item_id not in fresh:
                continue
            fresh.discard(record.item_id)
            rows.append(
                {
                    "project_id": record.project_id,
                    "event_id": bytes.fromhex(record.event_id or record.item_id),
                    "kind": record.kind.value,
                    "name": file.name,
                    "content_type": file.content_type,
                    "attachment_type": file.attachment_type,
                    "received_at": record.received_at,
                    "size_bytes": len(file.content),
                    "stored_bytes": len(data),
                    "data": data,
                }
            )
        if rows:
            connection.execute(insert(EVENT_FILES), rows)
            self._make_room(connection)

    def _make_room(self, connection: Connection) -> int:
        surplus = (connection.scalar(select(func.sum(EVENT_FILES.c.stored_bytes))) or 0) - (
            self._max_bytes
        )
        if surplus <= 0:
            return 0
        oldest = connection.execute(
            select(EVENT_FILES.c.id, EVENT_FILES.c.stored_bytes)
            .order_by(EVENT_FILES.c.id)
            .limit(_DROPPED_AT_ONCE)
        )
        doomed: list[int] = []
        for row in oldest:
            if surplus <= 0:
                break
            doomed.append(row.id)
            surplus -= row.stored_bytes
        connection.execute(delete(EVENT_FILES).where(EVENT_FILES.c.id.in_(doomed)))
        return len(doomed)

    def _expire(self, connection: Connection, before: datetime) -> int:
        old = list(
            connection.scalars(
                select(EVENT_FILES.c.id)
                .where(EVENT_FILES.c.received_at < before)
                .order_by(EVENT_FILES.c.received_at)
                .limit(_DELETED_AT_ONCE)
            )
        )
        if old:
            connection.execute(delete(EVENT_FILES).where(EVENT_FILES.c.id.in_(old)))
            return len(old)
        return self._make_room(connection)


def _list_of_event(
    connection: Connection, issue_id: int, event_id: bytes
) -> list[EventFile] | None:
    project_id = connection.scalar(
        select(ISSUE_EVENTS.c.project_id).where(
            ISSUE_EVENTS.c.issue_id == issue_id, ISSUE_EVENTS.c.event_id == event_id
        )
    )
    if project_id is None:
        return None
    query = (
        select(*_COLUMNS)
        .where(EVENT_FILES.c.project_id == project_id, EVENT_FILES.c.event_id == event_id)
        .order_by(EVENT_FILES.c.id)
        .limit(_LISTED_MAX)
    )
    return [_to_file(row) for row in connection.execute(query)]


def _pack_all(files: Sequence[NewFile]) -> list[bytes]:
    return [_pack(file.content) for file in files]


def _pack(content: bytes) -> bytes:
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    return packed if len(packed) < len(content) else content


def _unpack(data: bytes, size_bytes: int) -> bytes:
    if len(data) == size_bytes:
        return data
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size_bytes)


def _to_file(row: Row[Any]) -> EventFile:
    return EventFile(
        id=row.id,
        project_id=row.project_id,
        event_id=row.event_id.hex(),
        kind=ItemKind(row.kind),
        name=row.name,
        content_type=row.content_type,
        attachment_type=row.attachment_type,
        received_at=row.received_at,
        size_bytes=row.size_bytes,
    )
