"""A process to kill: it reports one alert that fires and one that has resolved, and delivers."""

import asyncio
import sys
from pathlib import Path

from resumatch_monitor.dispatch.config import AlertingConfig
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.outbox import Outbox
from resumatch_monitor.dispatch.route_build import build_route
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
from tests.dispatch.builders import make_alert, resolve


async def main(path: str, url: str, phase: str) -> None:
    config = AlertingConfig.model_validate(
        {
            "receivers": [{"name": "default", "webhook": [{"url": url}]}],
            "route": {"group_interval": "1s"},
        }
    )
    clock, telemetry = SystemClock(), Telemetry()
    database = Database(Path(path))
    database.start()
    context = NotifierContext(client=build_client(verify=False), clock=clock, links=Links(""))
    integrations = build_integrations(config.receivers, context)
    outbox = Outbox(
        store=SqlOutbox(database), integrations=integrations, clock=clock, telemetry=telemetry
    )
    dispatcher = Dispatcher(
        store=SqlAlerts(database),
        route=build_route(config),
        integrations=integrations,
        on_outbox_change=outbox.wake,
        clock=clock,
        ids=RandomIds(),
        telemetry=telemetry,
    )
    await dispatcher.load()
    await outbox.prepare()
    # What the process before left behind, so that nothing newer takes its place.
    await outbox.deliver_due()
    supervisor = Supervisor(clock=clock, telemetry=telemetry)
    supervisor.start("dispatch", dispatcher.run)
    for name, loop in outbox.loops().items():
        supervisor.start(name, loop)
    alert = make_alert()
    await dispatcher.put([alert if phase == "firing" else resolve(alert, clock.now())])
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
