"""The whole monitor in the test's process, in simulated time, with real stores and real catchers.

No loop runs. Instead, time goes from one moment at which a part has something to do to the next,
and there every part does what its loop would do: days pass in seconds, and always in the same way.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web import build_web
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.kit.ids import RandomIds
from tests.support.clock import FakeClock

TOKEN = "a-token-that-is-long-enough"
URL = "http://monitor.test"
_HEAD = f"""
auth: {{tokens: [{{name: tests, token: {TOKEN}, role: editor}}]}}
storage: {{min_free_bytes: 0}}
default_rules: false
"""
_LONGEST_STEP = timedelta(minutes=1)


@dataclass
class Simulation:
    """A monitor, a client of its HTTP edge, and the clock that it goes by.

    Attributes:
        on_moment: Called when everything that was due at a moment is done.
    """

    monitor: Monitor
    client: httpx.AsyncClient
    clock: FakeClock
    on_moment: Callable[[], None] = field(default=lambda: None)

    async def advance(self, *, longest_step: timedelta = _LONGEST_STEP, **span: float) -> None:
        """Let time pass.

        Args:
            longest_step: How long nobody looks at anything at most; the loops look each minute.
            span: How much, for example `minutes=14`.
        """
        target = self.clock.now() + timedelta(**span)
        while True:
            next_at = await self._do_what_is_due()
            now = self.clock.now()
            if now >= target:
                return
            soonest = now + timedelta(milliseconds=1)
            step_to = min(max(next_at or target, soonest), now + longest_step, target)
            self.clock.jump_monotonic((step_to - now).total_seconds())

    async def settle(self) -> None:
        """Do what is due at this moment."""
        await self.advance(seconds=0)

    async def _do_what_is_due(self) -> datetime | None:
        monitor = self.monitor
        moments = [
            await monitor.alerting.silences.tick(),
            await monitor.alerting.pushed.expire_due(),
            await monitor.alerting.dispatcher.flush_due(),
        ]
        await monitor.alerting.digester.make_due()
        await monitor.alerting.outbox.deliver_due()
        now = self.clock.now()
        moments += [plan.calendar.next(now) for plan in monitor.alerting.digester.plans]
        self.on_moment()
        return min((each for each in moments if each is not None), default=None)

    async def push(self, *alerts: dict[str, Any]) -> None:
        """Push alerts as Prometheus does, and let what is due happen."""
        answer = await self.client.post("/api/v2/alerts", json=list(alerts))
        assert answer.status_code == 200, answer.text
        await self.settle()

    async def fire(self, name: str, severity: str, **labels: str) -> None:
        """Push one alert that fires until it is ended."""
        await self.push(self.describe(name, severity, hours=1000, **labels))

    async def end(self, name: str, severity: str, **labels: str) -> None:
        """Push its end."""
        await self.push(self.describe(name, severity, hours=0, **labels))

    def describe(self, name: str, severity: str, *, hours: float, **labels: str) -> dict[str, Any]:
        """Return an alert that began now, or before, and ends after so many hours."""
        return {
            "labels": {"alertname": name, "severity": severity, **labels},
            "annotations": {"summary": f"{name} is what it is called"},
            "endsAt": (self.clock.now() + timedelta(hours=hours)).isoformat(),
        }

    async def post(self, path: str, body: object) -> Any:
        """Send JSON to the monitor's API and return what it answers."""
        answer = await self.client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@asynccontextmanager
async def simulate(folder: Path, *, clock: FakeClock, alerting: str) -> AsyncGenerator[Simulation]:
    """Build a monitor on `folder` with an `alerting` section, and close it at the end."""
    monitor = Monitor(
        parse_config(f"{_HEAD}\n{alerting}", source="test", environment={}),
        folder=folder,
        address=URL,
        clock=clock,
        ids=RandomIds(),
    )
    transport = httpx.ASGITransport(app=build_web(monitor, folder=folder))
    await monitor.open()
    monitor.is_ready = True
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as client:
            yield Simulation(monitor, client, clock)
    finally:
        await monitor.stop()
