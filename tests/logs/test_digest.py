"""From the spool to the store: each record once, whatever stops in between."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from resumatch_monitor.kit.spool import Position, SpoolBatch
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.digest import LogDigest, LogSpool
from resumatch_monitor.logs.formats.documents import PLAIN
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.processing import Processor
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.logs.store import LogQuery, LogStore, LogsUnavailableError
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    """A spool and a store on the disk, with everything between them."""

    clock: FakeClock
    spool: Spool
    store: TantivyLogStore
    telemetry: Telemetry
    metrics: LogMetrics

    def digest(self, store: LogStore | None = None, spool: LogSpool | None = None) -> LogDigest:
        """Return a digest that has done nothing yet."""
        return LogDigest(
            spool=spool or self.spool,
            store=store or self.store,
            reader=ChunkReader(oldest=timedelta(days=30)),
            processor=Processor(scrubber_of=lambda _project_id: RecordScrubber(Scrubber([]))),
            metrics=self.metrics,
            clock=self.clock,
        )

    async def take(self, *bodies: str) -> None:
        """Let the door take lines."""
        receiver = LogReceiver(spool=self.spool, metrics=self.metrics, clock=self.clock)
        lines = [b'{"message": "%s"}' % body.encode() for body in bodies]
        await receiver.take(lines, format_name=PLAIN, hints={"source": "http"})

    async def bodies(self) -> list[str]:
        """Return what can be found."""
        page = await self.store.search(LogQuery(), limit=1_000)
        return sorted(item.record.body for item in page.items)

    def count(self, outcome: str) -> float:
        """Return how many records the monitor says came to an end."""
        value = self.telemetry.registry.get_sample_value(
            "resumatch_monitor_logs_records_total", {"outcome": outcome}
        )
        return value or 0.0


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[Scene]:
    clock, telemetry = FakeClock(), Telemetry()
    spool = Spool(
        folder / "spool",
        limits=SpoolLimits(max_bytes=1 << 28),
        metrics=SpoolTelemetry(telemetry).for_signal("logs"),
    )
    store = TantivyLogStore(folder / "logs", clock=clock, min_free_bytes=0)
    store.open()
    spool.start()
    try:
        yield Scene(clock, spool, store, telemetry, LogMetrics(telemetry))
    finally:
        spool.stop()
        store.close()


class FlakyStore:
    """A store that fails at first, and then passes on to a real one."""

    def __init__(self, scene: Scene, failures: int) -> None:
        self._scene = scene
        self._failures = failures
        self.attempts: list[float] = []
        self.kept = 0

    def position(self) -> Position | None:
        return self._scene.store.position()

    async def append(self, records: Sequence[LogRecord], *, until: Position) -> int:
        self.attempts.append(self._scene.clock.monotonic())
        if len(self.attempts) <= self._failures:
            raise LogsUnavailableError("the disk is full")
        kept = await self._scene.store.append(records, until=until)
        self.kept += kept
        return kept


class SlowSpool:
    """A spool that says that there is nothing more only after a batch was committed."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._committed = asyncio.Event()
        self.waits = 0

    @property
    def position(self) -> Position:
        return self._spool.position

    @property
    def end(self) -> Position:
        return self._spool.end

    async def wait_for_records(self) -> None:
        self.waits += 1
        await self._spool.wait_for_records()

    async def read_batch(
        self,
        max_records: int,
        max_bytes: int,
        *,
        after: Position | None = None,
        until: Position | None = None,
    ) -> SpoolBatch:
        batch = await self._spool.read_batch(max_records, max_bytes, after=after, until=until)
        if not batch.count:
            await self._committed.wait()
        return batch

    async def commit(self, batch: SpoolBatch) -> None:
        await self._spool.commit(batch)
        self._committed.set()

    async def drop_consumed(self) -> None:
        await self._spool.drop_consumed()


async def test_what_a_door_took_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        await scene.take("a", "b")
        await scene.take("c")

        assert await scene.digest().digest_batch() == 3

        assert await scene.bodies() == ["a", "b", "c"]
        assert scene.spool.pending == 0
        assert scene.store.position() == scene.spool.end
        assert scene.count("indexed") == 3


async def test_does_not_store_again_what_the_spool_was_not_told_of(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        await scene.take("a", "b")
        batch = await scene.spool.read_batch(10, 10_000)
        read = ChunkReader(oldest=timedelta(days=30)).read(batch.records)
        # The store has it; the process ends before the spool is told.
        await scene.store.append(read.records, until=batch.end)

    async with opened(tmp_path) as scene:
        await scene.take("c")
        assert scene.spool.pending == 2
        digest = scene.digest()
        await digest.skip_stored()
        assert scene.spool.pending == 1
        assert await digest.digest_batch() == 1

        assert await scene.bodies() == ["a", "b", "c"]


async def test_goes_on_with_a_spool_that_was_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        for body in ("a", "b", "c"):
            await scene.take(body * 50)
        await scene.digest().digest_batch()
    shutil.rmtree(tmp_path / "spool")

    async with opened(tmp_path) as scene:
        await scene.take("d")
        digest = scene.digest()
        await digest.skip_stored()
        assert await digest.digest_batch() == 1
        assert "d" in await scene.bodies()

    async with opened(tmp_path) as scene:
        await scene.digest().skip_stored()
        await scene.take("e")
        await scene.digest().digest_batch()
        assert len(await scene.bodies()) == 5


async def test_goes_on_with_a_store_that_was_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        await scene.take("gone")
        await scene.digest().digest_batch()
        await scene.take("waiting")
    shutil.rmtree(tmp_path / "logs")

    async with opened(tmp_path) as scene:
        digest = scene.digest()
        await digest.skip_stored()
        await digest.digest_batch()

        assert await scene.bodies() == ["waiting"]


async def test_counts_and_passes_over_what_cannot_be_read(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        await scene.take("before")
        for damaged in (b"", b"\x00\xff", b'{"log":1}\nx', b'{"log":99,"format":"documents"}\n{}'):
            await scene.spool.append(damaged)
        await scene.spool.append(
            b'{"log":1,"format":"unknown","received_ms":1,"project":0,"hints":{}}\n'
        )
        await scene.take("after")

        await scene.digest().digest_batch()

        assert await scene.bodies() == ["after", "before"]
        assert scene.count("unreadable") == 5
        assert scene.spool.pending == 0


async def test_waits_for_a_store_that_is_not_available(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene, asyncio.timeout(20):
        await scene.take("a")
        store = FlakyStore(scene, failures=3)
        running = asyncio.create_task(scene.digest(store).run())
        while store.kept < 1:
            await scene.clock.advance(0.125)
        await scene.take("b")
        while store.kept < 2:
            await scene.clock.advance(0.125)
        running.cancel()
        await asyncio.wait([running])

        pauses = [later - before for before, later in pairwise(store.attempts[:4])]
        assert pauses[0] >= 0.5
        assert pauses[1] >= 1.0
        assert pauses[2] >= 2.0
        assert await scene.bodies() == ["a", "b"]
        assert scene.count("indexed") == 2
        assert scene.count("duplicate") == 0


async def test_rests_when_the_spool_turns_out_to_be_empty_late(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene, asyncio.timeout(20):
        await scene.spool.append(b"of no use")
        spool = SlowSpool(scene.spool)
        running = asyncio.create_task(scene.digest(spool=spool).run())

        while spool.waits < 2:
            await scene.clock.advance(0.125)

        running.cancel()
        await asyncio.wait([running])
        assert scene.count("unreadable") == 1


async def test_it_tells_until_when_what_arrived_can_be_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as scene:
        digest = scene.digest()
        assert digest.found_until() == scene.clock.now()
        await scene.take("one")
        await scene.clock.advance(60)
        assert digest.found_until() is None
        arrived_at = scene.clock.now() - timedelta(seconds=60)
        await digest.digest_batch()
        assert digest.found_until() == scene.clock.now()
        await scene.take("two")
        assert digest.found_until() == arrived_at
