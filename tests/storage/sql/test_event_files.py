import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from resumatch_monitor.sentry.files import EventFile, NewFile
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.event_files import SqlFileStore
from resumatch_monitor.storage.sql.tables.intake import EVENT_FILES

pytestmark = pytest.mark.anyio

_AT = datetime(2026, 11, 26, tzinfo=UTC)


def make_file(number: int, content: bytes = b"hello", at: datetime = _AT) -> NewFile:
    record = ItemRecord(
        kind=ItemKind.ATTACHMENT,
        project_id=1,
        item_id=f"{number:032x}",
        event_id=f"{7:032x}",
        received_at=at,
        payload=content,
    )
    return NewFile(record, f"{number}.txt", "text/plain", "", content)


def build_store(database: Database, max_bytes: int = 10_000) -> SqlFileStore:
    return SqlFileStore(database, max_bytes=max_bytes, retention=timedelta(days=30))


async def list_names(database: Database) -> list[str]:
    query = select(EVENT_FILES.c.name).order_by(EVENT_FILES.c.id)
    return await database.read(lambda connection: list(connection.scalars(query)))


async def test_a_record_that_comes_again_is_kept_once(database: Database) -> None:
    store = build_store(database)

    await store.store([make_file(1), make_file(2), make_file(1)])
    await store.store([make_file(2), make_file(3)])

    assert await list_names(database) == ["1.txt", "2.txt", "3.txt"]


@pytest.mark.parametrize("content", [b"", b"x", b"a" * 5_000, bytes(range(256))])
async def test_what_is_kept_is_what_came(database: Database, content: bytes) -> None:
    store = build_store(database)
    await store.store([make_file(1, content)])
    row = await database.read(lambda connection: connection.execute(select(EVENT_FILES)).one())
    file = EventFile(
        id=row.id,
        project_id=1,
        event_id=f"{7:032x}",
        kind=ItemKind.ATTACHMENT,
        name="1.txt",
        content_type="text/plain",
        attachment_type="",
        received_at=_AT,
        size_bytes=row.size_bytes,
    )

    assert await store.read_content(file) == content
    assert row.stored_bytes <= len(content)


class WatchedBytes(bytes):
    """Remembers the threads in which it is measured."""

    threads: set[threading.Thread]

    def __len__(self) -> int:
        self.threads.add(threading.current_thread())
        return super().__len__()


class WatchedSize(int):
    """Remembers the threads in which it is compared."""

    threads: set[threading.Thread]

    def __eq__(self, other: object) -> bool:
        self.threads.add(threading.current_thread())
        return super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()


async def test_nothing_is_packed_or_unpacked_in_the_event_loops_thread(
    database: Database,
) -> None:
    store = build_store(database)
    content, size = WatchedBytes(b"a" * 5_000), WatchedSize(5_000)
    content.threads, size.threads = set(), set()

    await store.store([make_file(1, content)])
    query = select(EVENT_FILES.c.id)
    number = await database.read(lambda connection: connection.execute(query).scalar_one())
    file = EventFile(
        id=number,
        project_id=1,
        event_id=f"{7:032x}",
        kind=ItemKind.ATTACHMENT,
        name="1.txt",
        content_type="text/plain",
        attachment_type="",
        received_at=_AT,
        size_bytes=size,
    )
    assert await store.read_content(file) == content

    assert content.threads
    assert size.threads
    assert threading.current_thread() not in content.threads | size.threads


async def test_the_oldest_make_room(database: Database) -> None:
    store = build_store(database, max_bytes=700)

    for number in range(10):
        await store.store([make_file(number, bytes(range(256)))])

    assert await list_names(database) == ["8.txt", "9.txt"]


async def test_the_old_are_deleted(database: Database) -> None:
    store = build_store(database)
    await store.store([make_file(1, at=_AT - timedelta(days=31)), make_file(2)])

    deleted = [await store.expire(_AT) for _ in range(2)]

    assert (deleted, await list_names(database)) == ([1, 0], ["2.txt"])
