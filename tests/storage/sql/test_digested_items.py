from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.digested_items import DigestedItems, keep_new

pytestmark = pytest.mark.anyio

_AT = datetime(2026, 11, 26, tzinfo=UTC)


def make_records(*numbers: int, at: datetime = _AT) -> list[ItemRecord]:
    return [
        ItemRecord(
            kind=ItemKind.SESSION,
            project_id=1,
            item_id=f"{number:032x}",
            received_at=at,
            payload=b"{}",
        )
        for number in numbers
    ]


async def test_an_item_is_new_once(database: Database) -> None:
    first, again, later = make_records(1, 2, 1), make_records(2), make_records(2, 3)

    kept = [
        await database.write(lambda connection, batch=batch: keep_new(connection, batch))
        for batch in (first, again, later)
    ]

    assert kept == [make_records(1, 2), [], make_records(3)]


async def test_nothing_is_remembered_of_a_transaction_that_fails(database: Database) -> None:
    def fail(connection: object) -> None:
        keep_new(connection, make_records(1))  # pyright: ignore[reportArgumentType]
        raise ValueError("it cannot be stored")

    with pytest.raises(ValueError, match="cannot be stored"):
        await database.write(fail)

    kept = await database.write(lambda connection: keep_new(connection, make_records(1)))
    assert kept == make_records(1)


async def test_a_batch_of_thousands_and_ids_that_are_none(database: Database) -> None:
    records = make_records(*range(2_000))
    odd = [replace(records[0], item_id=text) for text in ("", "not an id", "not an id")]

    assert len(await database.write(lambda connection: keep_new(connection, records))) == 2_000
    assert await database.write(lambda connection: keep_new(connection, odd)) == odd[:2]


async def test_what_was_digested_a_day_before_the_latest_is_forgotten(database: Database) -> None:
    old = make_records(1, at=_AT - timedelta(days=2))
    await database.write(lambda connection: keep_new(connection, [*old, *make_records(2)]))
    items = DigestedItems(database)

    forgotten = [await items.expire(_AT + timedelta(days=30)) for _ in range(2)]

    assert forgotten == [1, 0]
    kept = await database.write(lambda connection: keep_new(connection, make_records(1, 2)))
    assert kept == make_records(1)
