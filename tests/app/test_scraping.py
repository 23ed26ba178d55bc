"""A Prometheus user's scrape configuration, from files to answers, in the whole monitor."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import load_config
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from tests.metrics.support import respond, serve

pytestmark = pytest.mark.anyio

TOKEN = "a-token-that-is-long-enough"
CONFIG = f"""
auth:
  tokens:
    - {{name: test, token: {TOKEN}, role: viewer}}
storage: {{min_free_bytes: 0}}
default_rules: false
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: web
    file_sd_configs:
      - files: [targets/*.json]
        refresh_interval: 1s
    relabel_configs:
      - {{source_labels: [__meta_filepath], regex: '.*/(.*).json', target_label: file}}
      - {{source_labels: [__address__], regex: 'gone.*', action: drop}}
    metric_relabel_configs:
      - {{source_labels: [__name__], regex: 'go_.*', action: drop}}
"""
EXPOSED = 'requests_total{path="/"} 5 # {trace_id="abc"} 1\ngo_threads 7\n# EOF\n'


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    path = folder / "monitor.yaml"
    path.write_text(CONFIG)
    data = folder / "data"
    data.mkdir()
    monitor = Monitor(
        load_config(path, {}),
        folder=data,
        address="http://monitor.test",
        clock=SystemClock(),
        ids=RandomIds(),
    )
    transport = httpx.ASGITransport(app=build_web(monitor, folder=data))
    await monitor.start()
    monitor.is_ready = True
    try:
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://monitor.test",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield client
    finally:
        await monitor.stop()


async def get(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def wait_for(client: httpx.AsyncClient, expr: str, is_so: Callable[[Any], bool]) -> Any:
    with anyio.fail_after(20):
        while True:
            result = (await get(client, "/api/v1/query", query=expr))["data"]["result"]
            if is_so(result):
                return result
            await anyio.sleep(0.05)


def list_targets(path: Path, *addresses: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([{"targets": list(addresses), "labels": {"env": "test"}}]))
    fresh.replace(path)


async def test_targets_come_are_relabelled_scraped_and_go(tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    path = tmp_path / "targets" / "shop.json"
    kind = "application/openmetrics-text; version=1.0.0"
    async with serve(respond(EXPOSED, content_type=kind)) as server:
        list_targets(path, server.address, "gone.example:80")
        async with running(tmp_path) as client:
            (found,) = await wait_for(client, 'requests_total{job="web"}', bool)
            labels = {"job": "web", "instance": server.address, "env": "test", "file": "shop"}
            assert found["metric"] == {"__name__": "requests_total", "path": "/", **labels}
            assert (await get(client, "/api/v1/query", query="go_threads"))["data"]["result"] == []

            data = (await get(client, "/api/v1/targets"))["data"]
            (target,) = data["activeTargets"]
            assert target["labels"] == labels
            assert target["discoveredLabels"]["__meta_filepath"] == str(path)
            assert target["scrapePool"] == "web"
            (dropped,) = data["droppedTargets"]
            assert dropped["discoveredLabels"]["__address__"] == "gone.example:80"
            (pool,) = (await get(client, "/api/monitor/targets/pools"))["items"]
            assert (pool["up"], pool["dropped"], pool["error"]) == (1, 1, None)
            (own,) = (await get(client, "/api/monitor/targets", health="up"))["items"]
            assert (own["samples_scraped"], own["samples_after_relabelling"]) == (2, 1)
            window = {"start": "0", "end": "9999999999"}
            told = await get(client, "/api/v1/query_exemplars", query="requests_total", **window)
            (series,) = told["data"]
            assert series["exemplars"][0]["labels"] == {"trace_id": "abc"}

            path.write_text("[")
            with anyio.fail_after(20):
                while True:
                    (pool,) = (await get(client, "/api/monitor/targets/pools"))["items"]
                    if pool["discoveries"][0]["last_error"]:
                        break
                    await anyio.sleep(0.05)
            assert "shop.json: line 1, column 2" in pool["discoveries"][0]["last_error"]
            assert pool["up"] == 1

            list_targets(path)
            await wait_for(client, 'up{job="web"}', lambda result: not result)
            assert (await get(client, "/api/v1/targets"))["data"]["activeTargets"] == []
