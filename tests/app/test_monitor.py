"""The whole monitor in the test's own process, on the machine's clock."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from tests.support.errors import ENVELOPE_URL, KEY, make_envelope, make_event

pytestmark = pytest.mark.anyio

TOKEN = "a-token-that-is-long-enough"
CONFIG = f"""
projects:
  - {{id: 1, slug: api, key: {KEY}}}
auth:
  tokens:
    - {{name: test, token: {TOKEN}, role: viewer}}
storage:
  min_free_bytes: 0
"""


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[tuple[Monitor, httpx.AsyncClient]]:
    """Run a monitor on `folder` and yield it with a client of its API."""
    config = parse_config(CONFIG, source="test", environment={})
    monitor = Monitor(
        config,
        folder=folder,
        address="http://monitor.test",
        clock=SystemClock(),
        ids=RandomIds(),
    )
    transport = httpx.ASGITransport(app=build_web(monitor, folder=folder))
    await monitor.start()
    monitor.is_ready = True
    try:
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://monitor.test",
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield monitor, client
    finally:
        await monitor.stop()


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def wait_for_issues(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    with anyio.fail_after(10):
        while True:
            items = (await get(client, "/api/monitor/issues"))["items"]
            if items:
                return items
            await anyio.sleep(0.01)


async def test_a_second_start_finds_what_the_first_one_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as (monitor, client):
        made_up = await monitor.accounts.ensure_admin("alice@example.org", None)
        answer = await client.post(ENVELOPE_URL, content=make_envelope(make_event()))
        assert answer.status_code == 200
        (issue,) = await wait_for_issues(client)

    async with running(tmp_path) as (monitor, client):
        assert await monitor.accounts.ensure_admin("alice@example.org", None) is None
        assert await monitor.accounts.sign_in(
            "alice@example.org", made_up or "", address="127.0.0.1", user_agent=""
        )
        (found,) = await wait_for_issues(client)

    assert (found["id"], found["event_count"]) == (issue["id"], 1)


async def test_it_is_ready_while_it_runs_and_healthy(tmp_path: Path) -> None:
    async with running(tmp_path) as (monitor, client):
        assert (await client.get("/-/ready")).status_code == 200
        assert (await get(client, "/health"))["status"] == "healthy"
        assert (await get(client, "/api/monitor/overview"))["status"] == "ok"

    assert not monitor.is_ready


async def test_nothing_runs_on_after_it_was_stopped(tmp_path: Path) -> None:
    before = set(anyio.get_running_tasks())

    async with running(tmp_path):
        assert set(anyio.get_running_tasks()) > before

    assert set(anyio.get_running_tasks()) == before


async def test_the_shipped_rules_are_all_well(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, client):
        rules = await get(client, "/api/monitor/rules")

    assert rules["errors"] == []
    names = {rule["name"] for group in rules["groups"] for rule in group["rules"]}
    assert {"HighErrorRate", "DatabaseConnectionFailed", "SuspiciousFileUpload"} <= names
