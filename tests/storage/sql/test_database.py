import pytest
from sqlalchemy import Connection, text

from resumatch_monitor.storage.sql.database import Database

pytestmark = pytest.mark.anyio


async def test_reads_what_was_written(database: Database) -> None:
    await database.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER)")))
    await database.write(lambda c: c.execute(text("INSERT INTO t VALUES (7)")))

    assert await database.read(lambda c: c.scalar(text("SELECT n FROM t"))) == 7


async def test_rolls_back_only_the_write_that_fails(database: Database) -> None:
    await database.write(lambda c: c.execute(text("CREATE TABLE t (n INTEGER)")))

    def fail_half_way(connection: Connection) -> None:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(fail_half_way)
    await database.write(lambda c: c.execute(text("INSERT INTO t VALUES (2)")))

    assert await database.read(lambda c: c.scalars(text("SELECT n FROM t")).all()) == [2]


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(Exception, match="readonly"):
        await database.read(lambda c: c.execute(text("CREATE TABLE t (n INTEGER)")))
