"""A process to kill: it does what its phase says, and delivers."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.muting.silences import SilenceDraft, Silences
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.registry import build_integrations
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.dispatch.builders import make_alert, resolve

SILENCED = make_alert("Silenced")


def build_config(url: str) -> AlertingConfig:
    receivers: list[dict[str, Any]] = [
        {"name": name, "webhook": [{"url": url}]} for name in ("default", "boss")
    ]
    return AlertingConfig.model_validate(
        {
            "receivers": receivers,
            "escalations": [{"name": "up", "steps": [{"after": "2s", "receiver": "boss"}]}],
            "route": {
                "group_interval": "1s",
                "routes": [{"matchers": ["escalates=yes"], "escalation": "up"}],
            },
        }
    )


class World:
    """Everything between an alert and a webhook, as the monitor joins it."""

    def __init__(self, path: str, url: str) -> None:
        self.clock, self.ids, telemetry = SystemClock(), RandomIds(), Telemetry()
        config = build_config(url)
        self.database = Database(Path(path))
        context = NotifierContext(
            client=build_client(verify=False), clock=self.clock, links=Links("")
        )
        integrations = build_integrations(config.receivers, context)
        self.outbox = Outbox(
            store=SqlOutbox(self.database),
            integrations=integrations,
            clock=self.clock,
            telemetry=telemetry,
        )
        self.silences = Silences(
            store=SqlSilences(self.database),
            on_change=lambda: self.dispatcher.reconsider(),
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry,
        )
        self.dispatcher = Dispatcher(
            store=SqlAlerts(self.database),
            route=build_route(config),
            integrations=integrations,
            on_outbox_change=self.outbox.wake,
            clock=self.clock,
            ids=self.ids,
            telemetry=telemetry,
            muter=self.silences,
        )
        self.supervisor = Supervisor(clock=self.clock, telemetry=telemetry)

    async def start(self) -> None:
        self.database.start()
        await self.silences.load()
        await self.dispatcher.load()
        await self.outbox.prepare()
        # What the process before left behind, so that nothing newer takes its place.
        await self.outbox.deliver_due()
        self.supervisor.start("dispatch", self.dispatcher.run)
        for name, loop in self.outbox.loops().items():
            self.supervisor.start(name, loop)

    async def act(self, phase: str) -> None:
        escalating = make_alert(escalates="yes")
        match phase:
            case "firing":
                await self.dispatcher.put([make_alert()])
            case "resolved":
                await self.dispatcher.put([resolve(make_alert(), self.clock.now())])
            case "escalating":
                await self.dispatcher.put([escalating])
            case "escalated and resolved":
                await self.dispatcher.put([resolve(escalating, self.clock.now())])
            case "silenced":
                if not self.silences.list_silences():
                    await self.silences.set(self.draft())
                await self.dispatcher.put([SILENCED, make_alert()])
            case "afterwards":
                await self.dispatcher.put([SILENCED, make_alert(), make_alert("Other")])
            case _:
                for silence in self.silences.list_silences():
                    await self.silences.expire(silence.id)
                await self.dispatcher.put([SILENCED, make_alert()])

    def draft(self) -> SilenceDraft:
        now = self.clock.now()
        matchers = parse_matchers("alertname=Silenced")
        return SilenceDraft(matchers, now, now + timedelta(hours=1), "ada", "planned")


async def main(path: str, url: str, phase: str) -> None:
    world = World(path, url)
    await world.start()
    await world.act(phase)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
