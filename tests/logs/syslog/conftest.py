"""A listener on a port of its own, and the spool that messages come to."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import Clock, SystemClock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.reading import ChunkReader
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.syslog.config import SyslogConfig
from resumatch_monitor.logs.syslog.listener import SyslogListener
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from tests.support.ports import find_free_port

PROJECT_ID = 7


class Listening:
    """A running listener."""

    def __init__(self, folder: Path, *, max_bytes: int, clock: Clock, config: object) -> None:
        self.port = find_free_port()
        self._telemetry = telemetry = Telemetry()
        self.spool = Spool(
            folder / "spool",
            limits=SpoolLimits(max_bytes=max_bytes, min_free_bytes=1, segment_bytes=16 * 1024),
            metrics=SpoolTelemetry(telemetry).for_signal("logs"),
        )
        metrics = LogMetrics(telemetry)
        values = {"listen": f"127.0.0.1:{self.port}"} | dict(config)  # type: ignore[call-overload]
        self.listener = SyslogListener(
            SyslogConfig.model_validate(values),
            receiver=LogReceiver(spool=self.spool, metrics=metrics, clock=SystemClock()),
            metrics=metrics,
            clock=clock,
            find_project={"shop": PROJECT_ID}.get,
        )
        self.records: list[LogRecord] = []

    async def connect(
        self, **arguments: object
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect as soon as it listens."""
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    return await asyncio.open_connection("127.0.0.1", self.port, **arguments)  # type: ignore[arg-type]
                await asyncio.sleep(0)

    async def drain(self) -> None:
        """Read what the spool has."""
        batch = await self.spool.read_batch(1_000, 64 * 1024 * 1024)
        await self.spool.commit(batch)
        self.records += ChunkReader(oldest=timedelta(days=3650)).read(batch.records).records

    async def wait_for(self, wanted: int) -> list[LogRecord]:
        """Return the records as soon as there are so many."""
        async with asyncio.timeout(20):
            while len(self.records) < wanted:
                await self.spool.wait_for_records()
                await self.drain()
        return self.records

    def refused(self, reason: str) -> float:
        """Return how many connections were refused."""
        labels = {"door": "syslog", "reason": reason}
        name = "resumatch_monitor_logs_rejected_total"
        return self._telemetry.registry.get_sample_value(name, labels) or 0.0

    async def wait_until_refused(self, reason: str) -> None:
        """Wait until something was refused."""
        while True:
            if self.refused(reason):
                return
            await asyncio.sleep(0)


Listen = Callable[..., AbstractAsyncContextManager[Listening]]


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    """Run a listener with the configuration that a test gives."""

    @contextlib.asynccontextmanager
    async def listen(
        *, max_bytes: int = 64 * 1024 * 1024, clock: Clock | None = None, **config: object
    ) -> AsyncGenerator[Listening]:
        listening = Listening(
            tmp_path, max_bytes=max_bytes, clock=clock or SystemClock(), config=config
        )
        listening.spool.start()
        task = asyncio.create_task(listening.listener.run())
        try:
            yield listening
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await listening.drain()
            listening.spool.stop()

    return listen
