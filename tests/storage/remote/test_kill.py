"""What is acknowledged survives `kill -9` of the monitor and of the server."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from resumatch_monitor.kit.clock import SystemClock, to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.remote.store import QueueConfig, RemoteStore
from tests.storage.remote.support import START_MS, make_layout, remote_store
from tests.support import peers
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS, Peer
from tests.support.remote_write import Answer, receive_remote_write

pytestmark = pytest.mark.anyio

_REPOSITORY = Path(__file__).parents[3]
_NO_LATE_SAMPLES = "global: {scrape_interval: 15s}\n"
Run = Callable[[Path, int | None], AbstractContextManager[Peer]]


@contextlib.contextmanager
def run_prometheus(folder: Path, port: int | None = None) -> Generator[Peer]:
    # As it is without further ado: it refuses samples that are older than the last.
    with peers.run_prometheus(folder, config=_NO_LATE_SAMPLES, port=port) as peer:
        yield peer


@contextlib.contextmanager
def run_victoria_metrics(folder: Path, port: int | None = None) -> Generator[Peer]:
    with peers.run_victoria_metrics(folder, port=port) as peer:
        yield peer


BOTH = pytest.mark.parametrize(
    "run",
    [
        pytest.param(run_prometheus, marks=pytest.mark.peer(PROMETHEUS), id=PROMETHEUS),
        pytest.param(
            run_victoria_metrics, marks=pytest.mark.peer(VICTORIA_METRICS), id=VICTORIA_METRICS
        ),
    ],
)


def now_ms() -> int:
    return to_milliseconds(SystemClock().now())


async def wait_until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not holds():  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.01)


async def read_back(url: str, name: str) -> dict[str, dict[int, float]]:
    """Return the raw samples of a metric by their handler and time."""
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{url}/internal/force_flush")
        answer = await client.get(
            f"{url}/api/v1/query", params={"query": f"{name}[10m]", "nocache": "1"}
        )
        result: list[Any] = answer.json()["data"]["result"]
    return {
        each["metric"]["handler"]: {
            round(time * 1000): float(text) for time, text in each["values"]
        }
        for each in result
    }


async def write_until(store: RemoteStore, stop: asyncio.Event, count: int) -> dict[int, float]:
    """Write rows of `count` series as fast as they are acknowledged; return all of them."""
    layout = make_layout(count, "pushed")
    written: dict[int, float] = {}
    for number in itertools.count():
        if stop.is_set():
            return written
        time = max(now_ms(), max(written, default=0) + 1)
        await store.append_row("api", layout, time, np.full(count, float(number)))
        written[time] = float(number)
    raise AssertionError


async def assert_arrived(url: str, written: dict[int, float], count: int) -> None:
    async with asyncio.timeout(45):
        while True:
            found = await read_back(url, "pushed")
            if len(found) == count and all(each == written for each in found.values()):
                return
            # VictoriaMetrics shows a new series some seconds later.
            await asyncio.sleep(0.2)


@BOTH
async def test_a_server_that_is_killed_under_load_loses_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "server"
    stop = asyncio.Event()
    with run(folder, None) as first:
        port = urlsplit(first.url).port
        async with remote_store(tmp_path / "queue", first.url) as remote:
            writing = asyncio.create_task(write_until(remote.store, stop, 20))
            # Servers tell when they were started in whole seconds.
            started_ms = now_ms()
            await wait_until(lambda: now_ms() // 1000 > started_ms // 1000)
            await wait_until(lambda: remote.read("remote_write_samples_sent_total") > 2_000)
            peers.kill(first)
            await wait_until(lambda: remote.store.problem != "")
            with run(folder, port) as second:
                await wait_until(lambda: remote.store.problem == "")
                stop.set()
                written = await writing
                await remote.wait_until_sent()
                await assert_arrived(second.url, written, 20)

            for reason in ("rejected", "queue_full", "too_old"):
                assert remote.read("remote_write_samples_dropped_total", reason=reason) == 0


@pytest.mark.peer(VICTORIA_METRICS)
async def test_a_server_that_is_killed_while_nothing_is_sent_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    queue = QueueConfig(resend_window=timedelta(seconds=4))
    stop = asyncio.Event()
    with run_victoria_metrics(folder) as first:
        port = urlsplit(first.url).port
        async with remote_store(tmp_path / "queue", first.url, queue=queue) as remote:
            writing = asyncio.create_task(write_until(remote.store, stop, 20))
            # Servers tell when they were started in whole seconds.
            started_ms = now_ms()
            await wait_until(lambda: now_ms() // 1000 > started_ms // 1000)
            stop.set()
            written = await writing
            await remote.wait_until_sent()
            # It has them in memory alone.
            peers.kill(first)
            with run_victoria_metrics(folder, port) as second:
                assert remote.store.problem == ""
                await assert_arrived(second.url, written, 20)
                assert remote.read("remote_write_samples_resent_total") > 0


async def test_a_monitor_that_is_killed_loses_nothing_that_waits(tmp_path: Path) -> None:
    async with receive_remote_write() as receiver:
        receiver.judge = lambda _: Answer(503)
        acknowledged = await asyncio.to_thread(_append_and_kill, tmp_path, receiver.url)
        receiver.judge = lambda _: None
        async with remote_store(tmp_path, receiver.url) as remote:
            await remote.wait_until_sent()

        assert len(acknowledged) > 10
        for labels in make_layout(5).labels:
            times = [time for time, _ in receiver.series[labels.pairs]]
            assert times[: len(acknowledged)] == [START_MS + each * 1000 for each in acknowledged]
            assert times == sorted(set(times))


def _append_and_kill(folder: Path, url: str) -> list[int]:
    command = [sys.executable, "-m", "tests.storage.remote.appender", str(folder), url]
    environment = os.environ | {"PYTHONPATH": f"{_REPOSITORY / 'src'}:{_REPOSITORY}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=_REPOSITORY, env=environment
    ) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(50)]
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
    return [int(line) for line in lines if line.endswith(b"\n")]


@pytest.mark.peer(PROMETHEUS)
async def test_what_prometheus_refuses_is_counted_and_takes_nothing_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start_ms = now_ms() - 60_000
    late, fine = Labels.of(__name__="late", handler="x"), Labels.of(__name__="fine", handler="y")
    with run_prometheus(tmp_path / "server") as peer:
        async with remote_store(tmp_path / "queue", peer.url) as remote:
            for late_at, fine_at in ((10, 10), (5, 20), (20, 30)):
                await remote.store.append_samples(
                    [
                        (series, np.array([start_ms + at * 1000]), np.array([1.0]))
                        for series, at in ((late, late_at), (fine, fine_at))
                    ]
                )
                await remote.wait_until_sent()

            assert remote.read("remote_write_samples_dropped_total", reason="rejected") == 1
            found = {**await read_back(peer.url, "late"), **await read_back(peer.url, "fine")}

    assert sorted(found["x"]) == [start_ms + 10_000, start_ms + 20_000]
    assert sorted(found["y"]) == [start_ms + 10_000, start_ms + 20_000, start_ms + 30_000]
    told = [each for each in caplog.messages if "refuses samples" in each]
    assert len(told) == 1
    assert "out of order sample" in told[0]
