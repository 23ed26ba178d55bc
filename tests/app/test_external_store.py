"""The whole monitor with its samples in a real server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS, Peer, kill
from tests.support.peers import run_prometheus as _run_prometheus
from tests.support.peers import run_victoria_metrics as _run_victoria_metrics
from tests.support.prompb import pack, write_request

pytestmark = pytest.mark.anyio

TOKEN = "a-token-that-is-long-enough"
SECRET = "open-sesame-open-sesame"
RULES = """
groups:
  - name: test
    interval: 1s
    rules:
      - {record: demo_double, expr: demo_value * 2}
"""
CONFIG = """
auth:
  tokens: [{{name: test, token: {token}, role: admin}}]
storage: {{min_free_bytes: 0}}
default_rules: false
rule_files: [{rules}]
metrics:
  store:
    url: {url}
    bearer_token: {secret}
    timeout: 5s
scrape_configs:
  - job_name: demo
    scrape_interval: 500ms
    scrape_timeout: 500ms
    static_configs: [{{targets: ['{target}']}}]
"""

ResultT = TypeVar("ResultT")
Run = Callable[[Path, int | None], AbstractContextManager[Peer]]


@contextlib.contextmanager
def run_prometheus(folder: Path, port: int | None = None) -> Generator[Peer]:
    with _run_prometheus(folder, port=port) as peer:
        yield peer


@contextlib.contextmanager
def run_victoria_metrics(folder: Path, port: int | None = None) -> Generator[Peer]:
    with _run_victoria_metrics(folder, port=port) as peer:
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


async def _answer_scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
    body = b'# TYPE demo_value gauge\n# HELP demo_value What it is.\ndemo_value{kind="a"} 21\n'
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    await writer.drain()
    writer.close()


def _prepare(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    rules = folder / "rules.yml"
    rules.write_text(RULES)
    return rules


@asynccontextmanager
async def running(folder: Path, url: str) -> AsyncGenerator[tuple[Monitor, httpx.AsyncClient]]:
    """Run a monitor that scrapes a small target and keeps its samples at `url`."""
    rules = _prepare(folder)
    server = await asyncio.start_server(_answer_scrape, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = CONFIG.format(
        token=TOKEN, rules=rules, url=url, secret=SECRET, target=f"127.0.0.1:{port}"
    )
    monitor = Monitor(
        parse_config(text, source="test", environment={}),
        folder=folder,
        address="http://monitor.test",
        clock=SystemClock(),
        ids=RandomIds(),
    )
    await monitor.start()
    monitor.is_ready = True
    transport = httpx.ASGITransport(app=build_web(monitor, folder=folder))
    try:
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://monitor.test",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield monitor, client
    finally:
        await monitor.stop()
        server.close()


async def ask(client: httpx.AsyncClient, query: str) -> list[Any]:
    answer = await client.get("/api/v1/query", params={"query": query})
    assert answer.status_code == 200, answer.text
    result: list[Any] = answer.json()["data"]["result"]
    return result


async def wait_for(client: httpx.AsyncClient, query: str) -> list[Any]:
    return await wait_until(partial(ask, client, query))


async def wait_until(look: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Return what `look` finds once it finds something."""
    # VictoriaMetrics shows a new series ten seconds later.
    with anyio.fail_after(60):
        while not (found := await look()):  # noqa: ASYNC110 - of another process
            await anyio.sleep(0.05)
    return found


async def draw(client: httpx.AsyncClient) -> list[Any]:
    span = {"expr": "demo_value", "from": "now-1m", "to": "now"}
    answer = await client.get("/api/monitor/chart", params=span)
    series: list[Any] = answer.json()["series"]
    return series


@BOTH
async def test_scrapes_rules_and_pushed_samples_are_read_back_through_the_monitor(
    run: Run, tmp_path: Path
) -> None:
    with run(tmp_path / "server", None) as peer:
        async with running(tmp_path / "data", peer.url) as (monitor, client):
            pushed = write_request(({"__name__": "pushed", "a": "b"}, [(_now_ms(), 7.0)]))
            answer = await client.post("/api/v1/write", content=pack(pushed), headers=_SNAPPY)
            assert answer.status_code in (200, 204), answer.text
            (scraped,) = await wait_for(client, 'demo_value{kind="a"}')
            if peer.name == PROMETHEUS:
                (recorded,) = await wait_for(client, "demo_double")
                assert recorded["value"][1] == "42"
            (found,) = await wait_for(client, "pushed")
            (drawn,) = await wait_until(partial(draw, client))
            series = await client.get("/api/v1/series", params={"match[]": "demo_value"})
            names = await client.get("/api/v1/label/__name__/values")
            metadata = await client.get("/api/v1/metadata", params={"metric": "demo_value"})
            health = await client.get("/health")

            assert (scraped["metric"]["job"], scraped["value"][1]) == ("demo", "21")
            assert found["value"][1] == "7"
            assert drawn["labels"]["kind"] == "a"
            assert [each["kind"] for each in series.json()["data"]] == ["a"]
            assert {"up", "demo_value", "pushed"} <= set(names.json()["data"])
            assert metadata.json()["data"]["demo_value"][0]["help"] == "What it is."
            assert health.json()["checks"]["metrics store"] == "ok"
            assert not (tmp_path / "data" / "metrics").exists()
            assert monitor.stores.embedded is None


async def test_what_only_the_own_store_can_do_is_declined_in_words(tmp_path: Path) -> None:
    async with running(tmp_path, "http://127.0.0.1:9") as (_, client):
        for method, path, status in (
            ("GET", "/api/monitor/cardinality", 501),
            ("GET", "/api/v1/status/tsdb", 400),
            ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up", 501),
            ("POST", "/api/v1/admin/tsdb/clean_tombstones", 501),
            ("POST", "/api/v1/admin/tsdb/snapshot", 501),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == status, path
            assert "another server" in answer.text


async def test_a_store_that_is_away_is_told_and_no_secret_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path, "http://127.0.0.1:9") as (monitor, client):
        query = await client.get("/api/v1/query", params={"query": "up"})
        labels = await client.get("/api/v1/labels")
        chart = await client.get("/api/monitor/chart", params={"expr": "up"})
        external = monitor.stores.external
        assert external is not None

        async def find_problem() -> str:
            return external.writer.problem

        await wait_until(find_problem)
        health = await client.get("/health")
        metrics = await client.get("/metrics")

    for answer in (query, labels):
        assert answer.status_code == 503
        assert answer.json()["errorType"] == "unavailable"
        assert answer.json()["error"] == (
            "the metrics store http://127.0.0.1:9 is not available: connection refused"
        )
    assert chart.status_code == 503
    assert "connection refused" in chart.text
    assert health.status_code == 503
    assert health.json()["checks"]["metrics store"] == "connection refused"
    assert "resumatch_monitor_remote_write_up 0.0" in metrics.text
    for text in (caplog.text, query.text, chart.text, health.text, metrics.text):
        assert SECRET not in text


@BOTH
async def test_nothing_is_lost_while_the_store_is_away(run: Run, tmp_path: Path) -> None:
    with run(tmp_path / "server", None) as first:
        port = urlsplit(first.url).port
        async with running(tmp_path / "data", first.url) as (monitor, client):
            await wait_until(partial(count_sent, monitor))
            kill(first)
            first_ms = _now_ms() - 2_000
            stamps = [first_ms + number * 10 for number in range(100)]
            for stamp in stamps:
                body = write_request(({"__name__": "pushed"}, [(stamp, float(stamp % 1000))]))
                answer = await client.post("/api/v1/write", content=pack(body), headers=_SNAPPY)
                assert answer.status_code in (200, 204)
            away = await client.get("/api/v1/query", params={"query": "up"})
            assert away.status_code == 503
            with run(tmp_path / "server", port):
                await wait_for(client, f"count_over_time(pushed[1m]) >= {len(stamps)}")
                at = {"query": "pushed[1m]"}
                result = (await client.get("/api/v1/query", params=at)).json()["data"]["result"]

    assert {round(time * 1000): float(value) for time, value in result[0]["values"]} == {
        stamp: float(stamp % 1000) for stamp in stamps
    }


async def count_sent(monitor: Monitor) -> float | None:
    return monitor.telemetry.registry.get_sample_value(
        "resumatch_monitor_remote_write_samples_sent_total"
    )


def _now_ms() -> int:
    return round(SystemClock().now().timestamp() * 1000)


_SNAPPY = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
