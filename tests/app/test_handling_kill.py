"""`kill -9` right after an answer: what people did about an alert is not lost."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.dispatch.handling.pagerduty_events import make_event, sign
from tests.notify.catchers import HttpCatcher
from tests.support.monitor import TOKEN, run_monitor

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

SECRET = "the-secret-of-a-subscription"
HOOK = "/api/monitor/hooks/pagerduty"
PUSHED = [
    {
        "labels": {"alertname": "PushedByOthers", "severity": "critical", "n": str(number)},
        "annotations": {"summary": "something is wrong"},
        "startsAt": "2026-01-05T12:00:00Z",
        "endsAt": "2099-01-05T12:00:00Z",
    }
    for number in range(2)
]
SUCCESS = b'{"status":"success","message":"Event processed","dedup_key":"x"}'


class PagerDuty(HttpCatcher):
    """Takes events; `arrived` is set by each."""

    def __init__(self) -> None:
        head = f"HTTP/1.1 202 Accepted\r\nContent-Length: {len(SUCCESS)}\r\n\r\n".encode()
        super().__init__(default=head + SUCCESS)
        self.arrived = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super().handle(reader, writer)
        self.arrived.set()

    def events(self, action: str) -> list[dict[str, Any]]:
        found = [each.json for each in self.requests]
        return [each for each in found if each["event_action"] == action]

    async def wait_for(self, action: str) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while not self.events(action):
                self.arrived.clear()
                await self.arrived.wait()
        return self.events(action)


@dataclass
class Killable:
    """A monitor that is killed at the end of its block, and a client of it."""

    client: httpx.AsyncClient
    pid: int

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        answer = await self.client.post(path, content=orjson.dumps(body), headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    async def act(self, action: str, *, is_last: bool = True, **fields: Any) -> dict[str, Any]:
        """Act on all alerts; if it is the last thing, the process ends when it has answered."""
        body = {"action": action, "matchers": ['alertname="PushedByOthers"'], **fields}
        answer = await self.post("/api/monitor/alerts/actions", body)
        if is_last:
            self.kill()
        return answer.json()

    async def wait_until_noted(self, kind: str) -> None:
        """Return once it is on the disk that a notification was accepted.

        Killed between the answer and that, the monitor cannot know and says it once more, under
        the same key.
        """
        async with asyncio.timeout(60):
            while True:
                answer = await self.client.get("/api/monitor/notifications?status=sent")
                if any(each["kind"] == kind for each in answer.json()["items"]):
                    return
                await asyncio.sleep(0.05)

    async def alerts(self) -> list[dict[str, Any]]:
        answer = await self.client.get("/api/monitor/alerts?name=PushedByOthers&sort=name")
        return answer.json()["items"]

    async def wait_until_sent(self) -> None:
        """Wait until it is remembered that a message was sent, or a kill would have it repeated."""
        async with asyncio.timeout(60):
            while True:
                answer = await self.client.get("/api/monitor/notifications?status=sent")
                if answer.json()["items"]:
                    return
                await asyncio.sleep(0.01)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def running(folder: Path, pagerduty: str) -> AsyncGenerator[Killable]:
    config = f"""
outgoing: {{allowed_hosts: [127.0.0.1]}}
alerting:
  pagerduty_webhook_secret: {SECRET}
  receivers:
    - name: default
      pagerduty: [{{routing_key: "{"0" * 32}", url: "{pagerduty}"}}]
  route: {{group_by: [alertname], group_wait: 0s, group_interval: 1s}}
"""
    manager = run_monitor(folder, config=config)
    monitor = await asyncio.to_thread(manager.__enter__)
    try:
        async with httpx.AsyncClient(
            base_url=monitor.url,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            trust_env=False,
        ) as client:
            yield Killable(client, monitor.pid)
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def test_what_was_answered_is_true_after_a_kill(tmp_path: Path) -> None:
    pagerduty = PagerDuty()
    server = await asyncio.start_server(pagerduty.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async with running(tmp_path, url) as monitor:
        await monitor.post("/api/v2/alerts", PUSHED)
        (trigger,) = await pagerduty.wait_for("trigger")
        await monitor.wait_until_sent()
        await monitor.wait_until_noted("firing")
        acknowledged = await monitor.act("acknowledge")
    async with running(tmp_path, url) as monitor:
        after_acknowledgement = await monitor.alerts()
        told = await pagerduty.wait_for("acknowledge")
        await monitor.act("assign", assignee="ada", is_last=False)
        event = orjson.dumps(make_event("incident.unacknowledged", key=trigger["dedup_key"]))
        headers = {"X-PagerDuty-Signature": sign(event, SECRET)}
        first = await monitor.post(HOOK, orjson.loads(event), **headers)
        monitor.kill()
    async with running(tmp_path, url) as monitor:
        again = await monitor.post(HOOK, orjson.loads(event), **headers)
        after_event = await monitor.alerts()
        await monitor.act("resolve")
    async with running(tmp_path, url) as monitor:
        resolved = await pagerduty.wait_for("resolve")
        after_resolution = await monitor.alerts()
        await monitor.post("/api/v2/alerts", PUSHED)
        after_push = await monitor.alerts()
    server.close()

    assert acknowledged["changed"] == 2
    assert [each["state"] for each in after_acknowledgement] == ["acknowledged", "acknowledged"]
    assert {each["dedup_key"] for each in told} == {trigger["dedup_key"]}
    assert [each["handling"]["assignee"] for each in after_event] == ["ada", "ada"]
    assert first.json() == {"outcome": "applied", "changed": 2}
    assert again.json() == {"outcome": "repeated", "changed": 0}
    assert [each["state"] for each in after_event] == ["firing", "firing"]
    assert {each["dedup_key"] for each in resolved} == {trigger["dedup_key"]}
    assert [each["state"] for each in after_resolution] == ["resolved", "resolved"]
    assert [each["state"] for each in after_push] == ["resolved", "resolved"]
    assert len(pagerduty.events("trigger")) == 1
