"""Remote stores over real folders and real servers."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from resumatch_monitor.kit.clock import Clock, SystemClock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.http_config import HTTPClientConfig
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.remote.connection import Connection, ServerConfig
from resumatch_monitor.storage.remote.store import QueueConfig, RemoteStore
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from tests.support.clock import FakeClock

START_MS = 1_790_000_000_000
SECRET = "hunter2-hunter2"
OTHER_SECRET = "open-sesame"


class Remote:
    """A store, and what its metrics say."""

    def __init__(self, store: RemoteStore, telemetry: Telemetry) -> None:
        self.store = store
        self.telemetry = telemetry

    def read(self, name: str, **labels: str) -> float:
        """Return one of the store's own metrics."""
        value = self.telemetry.registry.get_sample_value(f"resumatch_monitor_{name}", labels)
        assert value is not None, name
        return value

    async def wait_until_sent(self) -> None:
        """Return once nothing waits."""
        async with asyncio.timeout(60):
            while self.read("ingest_pending", signal="metrics"):  # noqa: ASYNC110 - a gauge
                await asyncio.sleep(0.005)


@asynccontextmanager
async def remote_store(
    folder: Path,
    url: str,
    *,
    queue: QueueConfig | None = None,
    clock: Clock | None = None,
    is_sending: bool = True,
) -> AsyncGenerator[Remote]:
    """Run a store on `folder` that sends to `url`."""
    telemetry = Telemetry()
    async with build_client(verify=False) as client:
        store = RemoteStore(
            folder,
            connection=Connection(
                ServerConfig(
                    url=url,
                    write_url=f"{url}/api/v1/write",
                    headers={"X-Key": OTHER_SECRET},
                    timeout=timedelta(seconds=10),
                ),
                AccessProvider(HTTPClientConfig(bearer_token=SecretStr(SECRET)), client),
            ),
            queue=queue or QueueConfig(),
            clock=clock or SystemClock(),
            telemetry=telemetry,
            spools=SpoolTelemetry(telemetry),
        )
        store.open()
        task = asyncio.create_task(store.run()) if is_sending else None
        try:
            yield Remote(store, telemetry)
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            store.close()


def make_layout(count: int, name: str = "requests_total") -> RowLayout:
    """Return `count` series."""
    return RowLayout(
        [
            Labels.of(__name__=name, job="api", handler=f"/api/{number}", instance="a:1")
            for number in range(count)
        ]
    )


class ImpatientClock(FakeClock):
    """Does not wait: time passes at once, and `slept` says how much was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.jump_monotonic(seconds)
        await asyncio.sleep(0)


async def append_rows(
    store: RemoteStore, layout: RowLayout, rows: range, *, step_ms: int = 1000
) -> None:
    """Append a row for each of `rows`; its number is its time and every value."""
    for number in rows:
        values = np.full(len(layout.labels), float(number))
        await store.append_row("api", layout, START_MS + number * step_ms, values)
