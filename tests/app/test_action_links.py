"""A message of a real monitor, and its link pressed by somebody who is not signed in."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.notify.catchers import HttpCatcher
from tests.support.monitor import TOKEN, run_monitor

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

PUSHED = {
    "labels": {"alertname": "PushedByOthers", "severity": "critical"},
    "annotations": {"summary": "something is wrong"},
    "startsAt": "2026-01-05T12:00:00Z",
    "endsAt": "2099-01-05T12:00:00Z",
}
LINK = re.compile(r'http://[^"\s]+/act/[\w.-]+')


class Slack(HttpCatcher):
    """Takes messages; `arrived` is set by each."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super().handle(reader, writer)
        self.arrived.set()


async def test_a_link_in_a_message_acknowledges_without_a_sign_in(tmp_path: Path) -> None:
    slack = Slack()
    server = await asyncio.start_server(slack.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/services/T0/B0/secret"
    config = f"""
outgoing: {{allowed_hosts: [127.0.0.1]}}
alerting:
  receivers: [{{name: default, slack: [{{webhook_url: "{url}"}}]}}]
"""
    manager = run_monitor(tmp_path, config=config)
    monitor = await asyncio.to_thread(manager.__enter__)
    try:
        async with httpx.AsyncClient(base_url=monitor.url, trust_env=False) as client:
            found = await press_first_link(client, slack)
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
        server.close()

    assert (found["state"], found["handling"]["acknowledged_by"]) == ("acknowledged", "link: slack")


async def press_first_link(client: httpx.AsyncClient, slack: Slack) -> dict[str, Any]:
    signed_in = {"Authorization": f"Bearer {TOKEN}"}
    answer = await client.post("/api/v2/alerts", json=[PUSHED], headers=signed_in)
    assert answer.status_code == 200, answer.text
    async with asyncio.timeout(60):
        await slack.arrived.wait()
    link = LINK.search(slack.requests[0].body.decode())
    assert link is not None, slack.requests[0].body
    looked = await client.get(link[0])
    before = (await client.get("/api/monitor/alerts", headers=signed_in)).json()["items"]
    pressed = await client.post(link[0])
    after = (await client.get("/api/monitor/alerts", headers=signed_in)).json()["items"]
    assert (looked.status_code, pressed.status_code) == (200, 200)
    assert before[0]["state"] == "firing"
    return after[0]
