import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from tests.support.clock import FakeClock
from tests.support.errors import ENVELOPE_URL, build_stack, make_envelope, make_event

pytestmark = pytest.mark.anyio

_ROOT = Path(__file__).parents[2]
_CHILD = Path(__file__).with_name("digester.py")
_EVENTS = 2_000


def start_digester(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(_CHILD), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{_ROOT}:{_ROOT / 'src'}"},
    )


def kill_after(child: subprocess.Popen[str], lines: int) -> None:
    assert child.stdout is not None
    for _ in range(lines):
        assert child.stdout.readline()
    child.kill()
    child.wait(10)
    child.stdout.close()


async def test_kill_9_while_digesting_counts_every_event_once(tmp_path: Path) -> None:
    clock = SystemClock()
    database = Database(tmp_path / "monitor.sqlite3")
    database.start()
    async with build_stack(tmp_path / "spool", database=database, clock=clock) as stack:
        records = [
            encode_record(
                ItemRecord(
                    ItemKind.EVENT,
                    1,
                    f"{number:032x}",
                    clock.now(),
                    orjson.dumps(make_event()),
                    f"{number:032x}",
                )
            )
            for number in range(1, _EVENTS + 1)
        ]
        await asyncio.gather(*(stack.spool.append(record) for record in records))
    database.stop()

    # Killed right after a batch was stored, and at whatever moment the next line falls.
    for lines in (2, 3):
        await asyncio.to_thread(kill_after, start_digester(tmp_path), lines)

    database = Database(tmp_path / "monitor.sqlite3")
    database.start()
    async with build_stack(tmp_path / "spool", database=database, clock=clock) as stack:
        assert 0 < stack.spool.pending < _EVENTS
        await stack.drain()
        page = await stack.reader.list_issues(IssueQuery(), clock.now())
        assert [issue.event_count for issue in page.items] == [_EVENTS]
        assert len(stack.sink.alerts) == 1
    database.stop()


async def test_the_loop_digests_what_comes_and_says_what_waits(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(1)))
        pending = "resumatch_monitor_ingest_pending"
        assert stack.sample(pending, signal="errors") == 1

        digesting = asyncio.create_task(stack.digest.run())
        relaying = asyncio.create_task(stack.relay.run())
        async with asyncio.timeout(20):
            while not stack.sink.alerts:
                await asyncio.to_thread(lambda: None)
            while stack.spool.pending:
                await asyncio.to_thread(lambda: None)
        digesting.cancel()
        relaying.cancel()

        assert stack.sample(pending, signal="errors") == 0


async def test_waits_while_the_store_cannot_write(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(1)))
        await database.write(lambda c: c.exec_driver_sql("ALTER TABLE issues RENAME TO away"))

        digesting = asyncio.create_task(stack.digest.digest_batch())
        for _ in range(50):
            await asyncio.to_thread(lambda: None)
            await clock.advance(1)
        assert stack.spool.pending == 1
        assert not digesting.done()

        await database.write(lambda c: c.exec_driver_sql("ALTER TABLE away RENAME TO issues"))
        while not digesting.done():
            await asyncio.to_thread(lambda: None)
            await clock.advance(31)
        assert stack.spool.pending == 0
        page = await stack.reader.list_issues(IssueQuery(), clock.now())
        assert page.total == 1


class Processor:
    """Refuses a batch with feedback that says `bad`; remembers the rest."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def process(self, records: Sequence[ItemRecord]) -> None:
        if any(record.payload == b"bad" for record in records):
            raise ValueError("it cannot be made sense of")
        self.taken += [record.payload for record in records]


async def test_an_item_that_its_processor_refuses_is_set_aside(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    processor = Processor()
    async with build_stack(
        tmp_path, database=database, clock=clock, processors={ItemKind.FEEDBACK: processor}
    ) as stack:
        for number, payload in enumerate((b"one", b"bad", b"two"), start=1):
            record = ItemRecord(ItemKind.FEEDBACK, 1, f"{number:032x}", clock.now(), payload)
            await stack.spool.append(encode_record(record))
        await stack.drain()

        assert processor.taken == [b"one", b"two"]
        assert await stack.store.count_dead_letters() == 1


async def test_what_is_set_aside_waits_while_the_store_cannot_write(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await stack.spool.append(
            encode_record(ItemRecord(ItemKind.FEEDBACK, 1, "1" * 32, clock.now(), b"{}"))
        )
        rename = "ALTER TABLE {} RENAME TO {}".format
        table = "error_dead_letters"
        await database.write(lambda c: c.exec_driver_sql(rename(table, "away")))
        digesting = asyncio.create_task(stack.digest.digest_batch())
        for _ in range(50):
            await asyncio.to_thread(lambda: None)
            await clock.advance(1)
        assert not digesting.done()
        await database.write(lambda c: c.exec_driver_sql(rename("away", table)))
        async with asyncio.timeout(60):
            while not digesting.done():
                await asyncio.to_thread(lambda: None)
                await clock.advance(31)

        assert stack.spool.pending == 0
        assert await stack.store.count_dead_letters() == 1


async def make_room(database: Database) -> None:
    while True:
        # A write that shares its transaction with one that fails fails, too.
        with suppress(DatabaseFullError):
            await database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1000000"))
            return


async def test_a_full_disk_is_said_and_nothing_is_lost(
    tmp_path: Path, database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        pages = await database.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
        # SQLite's own bound answers as a full disk does.
        await database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}"))
        for number in range(1, 41):
            extra = {f"key{n}": f"{number * n:x}" * 9 for n in range(200)}
            event = make_event(number, extra=extra)
            response = await stack.client.post(ENVELOPE_URL, content=make_envelope(event))
            assert response.status_code == 200

        digesting = asyncio.create_task(stack.drain())
        async with asyncio.timeout(60):
            while "disk" not in caplog.text:
                await asyncio.to_thread(lambda: None)
                await clock.advance(1)
        assert stack.spool.pending == 40
        assert not digesting.done()

        await make_room(database)
        async with asyncio.timeout(60):
            while not digesting.done():
                await asyncio.to_thread(lambda: None)
                await clock.advance(31)
        await digesting
        page = await stack.reader.list_issues(IssueQuery(), clock.now())
        assert sum(issue.event_count for issue in page.items) == 40
