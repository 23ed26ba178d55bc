"""A monitor in the test's own process, on a clock that says when something was recorded."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import zstandard
from anyio.from_thread import BlockingPortal, start_blocking_portal
from sqlalchemy import Connection, select

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.storage.sql.tables.errors import ERROR_DEAD_LETTERS
from tests.clients.recorder import KEY

_CONFIG = f"""
projects: [{{id: 1, slug: app, key: {KEY}}}]
intake: {{store_profiles: true, store_replays: true}}
storage: {{min_free_bytes: 0}}
default_rules: false
"""
_ITEMS = "resumatch_monitor_errors_items"
_DRAIN_SECONDS = 120


class RecordedClock:
    """Runs as fast as the machine's clock, from `start` on; it can be set to another moment."""

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, time.monotonic()

    def set(self, moment: datetime) -> None:
        """Let it be `moment`."""
        self._start, self._began = moment, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Inside:
    """A running monitor, from the thread of a test."""

    monitor: Monitor
    clock: RecordedClock
    client: httpx.AsyncClient
    portal: BlockingPortal

    def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Send a request to the monitor's edge.

        Raises:
            Exception: Whatever the edge does not handle.
        """

        async def send() -> httpx.Response:
            return await self.client.request(method, path, content=body, headers=dict(headers))

        return self.portal.call(send)

    def count_items(self) -> Counter[tuple[str, str]]:
        """Return how many items of each type had which outcome at the door."""
        found: Counter[tuple[str, str]] = Counter()
        for family in self.monitor.telemetry.registry.collect():
            if family.name == _ITEMS:
                for sample in family.samples:
                    if sample.name.endswith("_total"):
                        key = (sample.labels["type"], sample.labels["outcome"])
                        found[key] += int(sample.value)
        return found

    def read_metric(self, name: str, **labels: str) -> float:
        """Return the sum of one of the monitor's own metrics over what `labels` leave open."""
        return sum(
            sample.value
            for family in self.monitor.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def read_set_aside(self) -> list[tuple[str, bytes]]:
        """Return the reason and the record of what could not be digested."""
        columns = ERROR_DEAD_LETTERS.c
        query = select(columns.reason, columns.record).order_by(columns.id).limit(5)
        unpack = zstandard.ZstdDecompressor().decompress

        def read(connection: Connection) -> list[tuple[str, bytes]]:
            rows = connection.execute(query).all()
            return [(row.reason, unpack(row.record, 1_000_000)) for row in rows]

        return self.portal.call(self.monitor.stores.database.read, read)

    def drain(self) -> None:
        """Wait until everything that was taken is digested."""
        stores, deadline = self.monitor.stores, time.monotonic() + _DRAIN_SECONDS
        while stores.errors_spool.pending or stores.traces_spool.pending:
            assert time.monotonic() < deadline, "the digests do not end"
            time.sleep(0.02)


@contextlib.contextmanager
def run_inside(folder: Path, *, now: datetime | None = None) -> Generator[Inside]:
    """Run a monitor on `folder`, in a thread of its own."""
    clock = RecordedClock(now or datetime.now(UTC))
    with start_blocking_portal() as portal:

        async def start() -> tuple[Monitor, httpx.AsyncClient]:
            monitor = Monitor(
                parse_config(_CONFIG, source="test", environment={}),
                folder=folder,
                address="http://monitor.test",
                clock=clock,
                ids=RandomIds(),
            )
            web = build_web(monitor, folder=folder)
            await monitor.start()
            monitor.is_ready = True
            transport = httpx.ASGITransport(app=web)
            return monitor, httpx.AsyncClient(transport=transport, base_url="http://monitor.test")

        monitor, client = portal.call(start)
        try:
            yield Inside(monitor, clock, client, portal)
        finally:
            portal.call(client.aclose)
            portal.call(monitor.stop)
