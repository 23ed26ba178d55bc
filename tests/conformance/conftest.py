"""The same samples in the embedded store and in real servers."""

import asyncio
import contextlib
import os
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.kit.clock import SystemClock, to_milliseconds
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.http_config import HTTPClientConfig
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE, FloatArray, Queryable, SampleSink, TimeArray
from resumatch_monitor.promql.engine import QueryEngine, StoreEngine
from resumatch_monitor.storage.remote.connection import Connection, ServerConfig
from resumatch_monitor.storage.remote.reader import RemoteReader
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.remote.support import remote_store
from tests.support.peers import (
    PROMETHEUS,
    VICTORIA_METRICS,
    explain_absence,
    find_peer,
    run_prometheus,
    run_victoria_metrics,
)

STEP_MS = 15_000
ROWS = 80


@dataclass(frozen=True, slots=True)
class Reads:
    """One implementation of reading, over the samples of `build_series`."""

    name: str
    engine: QueryEngine
    queryable: Queryable
    start_ms: int


def choose_start() -> int:
    """Return a whole minute about an hour ago."""
    minute_ms = 60_000
    now_ms = to_milliseconds(SystemClock().now())
    return now_ms // minute_ms * minute_ms - 60 * minute_ms


def build_series(start_ms: int) -> list[tuple[Labels, TimeArray, FloatArray]]:
    """Return 80 rows, 15 s apart, of counters, gauges and series that end."""
    times = start_ms + STEP_MS * np.arange(ROWS, dtype=np.int64)
    rows = np.arange(ROWS, dtype=np.float64)
    series: list[tuple[Labels, TimeArray, FloatArray]] = []
    for number, instance in enumerate("abc"):
        target = {"job": "api" if number < 2 else "web", "instance": instance}
        counter = np.where(rows < 50, rows, rows - 50 * (number == 1)) * (number + 1)
        gauge = 20 + number * 5 + np.sin(rows / 7 + number)
        series.append((Labels.of(target, __name__="requests_total"), times, counter))
        series.append((Labels.of(target, __name__="temperature"), times, gauge))
    ended = rows.copy()
    ended[40] = STALE
    series.append((Labels.of(__name__="ended", job="batch"), times[:41], ended[:41]))
    unicode = Labels.of(__name__="odd", path='/é"\\\n', job="batch")
    series.append((unicode, times, np.where(rows % 9 == 4, np.inf, -rows / 3)))
    not_a_number = np.where(rows % 5 == 2, np.nan, 1e-300 * rows)
    series.append((Labels.of(__name__="holes", job="batch"), times, not_a_number))
    return series


async def write_all(sink: SampleSink, start_ms: int) -> None:
    """Append the series in ten writes, in the order of time."""
    series = build_series(start_ms)
    for part in range(0, ROWS, ROWS // 10):
        inside = slice(part, part + ROWS // 10)
        cut = [(labels, times[inside], values[inside]) for labels, times, values in series]
        await sink.append_samples([each for each in cut if len(each[1])])


@pytest.fixture(scope="session")
def start_ms() -> int:
    return choose_start()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, start_ms: int) -> Generator[Reads]:
    store = TimeSeriesStore(
        tmp_path_factory.mktemp("embedded"),
        clock=SystemClock(),
        telemetry=Telemetry(),
        min_free_bytes=0,
    )
    store.open()
    asyncio.run(write_all(store, start_ms))
    yield Reads("embedded", StoreEngine(store), store, start_ms)
    store.close()


@pytest.fixture(scope="session", params=[PROMETHEUS, VICTORIA_METRICS])
def external(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, start_ms: int
) -> Generator[Reads]:
    name: str = request.param
    if find_peer(name) is None:
        decline = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        decline(explain_absence(name))
    folder = tmp_path_factory.mktemp(name)
    run = run_prometheus if name == PROMETHEUS else run_victoria_metrics
    with ExitStack() as stack:
        url = stack.enter_context(run(folder / "server")).url
        asyncio.run(_fill(folder / "queue", url, start_ms))
        if name == VICTORIA_METRICS:
            urllib.request.urlopen(f"{url}/internal/force_flush").close()
        reader = stack.enter_context(reading(url))
        yield Reads(name, reader, reader, start_ms)


@contextlib.contextmanager
def reading(url: str) -> Generator[RemoteReader]:
    """Yield a reader of the server at `url`."""
    client = build_client(verify=False)
    config = ServerConfig(
        url=url, write_url=f"{url}/api/v1/write", headers={}, timeout=timedelta(seconds=10)
    )
    connection = Connection(config, AccessProvider(HTTPClientConfig(), client), own_client=client)
    reader = RemoteReader(connection, clock=SystemClock(), timeout=timedelta(seconds=10))
    reader.open()
    try:
        yield reader
    finally:
        reader.close()


async def _fill(folder: Path, url: str, start_ms: int) -> None:
    async with remote_store(folder, url) as remote:
        await write_all(remote.store, start_ms)
        await remote.wait_until_sent()
        assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 0
