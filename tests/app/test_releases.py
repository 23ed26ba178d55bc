import asyncio
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from resumatch_monitor.app.releases import build_release_loops
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.errortracking.releases import NewRelease, ReleaseTeller
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.releases import SqlReleaseLog
from tests.dispatch.builders import Recorder, make_dispatcher, make_integration
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT, ErrorStack, build_stack, make_event
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio


async def see(stack: ErrorStack, clock: FakeClock, number: int, release: str, hours: int) -> None:
    at = (clock.now() - timedelta(hours=hours)).isoformat()
    event = make_event(number, timestamp=at, release=release)
    await stack.client.post(f"/api/1/store/?sentry_key={PROJECT.key}", content=orjson.dumps(event))
    await stack.drain()


async def test_each_new_release_is_told_once(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    told: list[NewRelease] = []

    async def tell(release: NewRelease) -> None:
        told.append(release)

    log = SqlReleaseLog(database)
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await see(stack, clock, 1, "shop@1.0", 30)
        await see(stack, clock, 2, "shop@2.0", 2)
        await see(stack, clock, 3, "shop@2.1", 1)
        for _ in range(2):
            await ReleaseTeller(log=log, tell=tell, clock=clock).tell_all()
        await see(stack, clock, 4, "shop@2.1", 0)
        await ReleaseTeller(log=log, tell=tell, clock=clock).tell_all()

    assert [each.version for each in told] == ["shop@2.0", "shop@2.1"]
    assert told[0].first_seen_at == clock.now() - timedelta(hours=2)


async def test_pagerduty_shows_a_release_as_a_change_and_the_others_say_nothing(
    tmp_path: Path, database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    pages, mails = Recorder(), Recorder()
    integrations = [
        make_integration(pages, kind="pagerduty"),
        make_integration(mails, kind="email"),
    ]
    announced = asyncio.Event()
    dispatcher = make_dispatcher(
        database, clock, ids, integrations=integrations, on_outbox_change=announced.set
    )
    await dispatcher.load()
    outbox = Outbox(
        store=SqlOutbox(database), integrations=integrations, clock=clock, telemetry=Telemetry()
    )
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await see(stack, clock, 1, "shop@2.1", 1)
    loops = build_release_loops(
        database=database, dispatcher=dispatcher, integrations=integrations, clock=clock
    )
    supervisor = Supervisor(clock=clock, telemetry=Telemetry())
    for name, loop in loops.items():
        supervisor.start(name, loop)
    async with asyncio.timeout(30):
        await announced.wait()
    await supervisor.stop()
    await outbox.deliver_due()

    (said,) = pages.sent
    assert said.notice is not None
    assert said.notice.title == f"Release shop@2.1 of {PROJECT.slug}"
    assert mails.sent == []


def test_nothing_runs_where_nobody_would_hear_of_it(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    integrations = [make_integration(kind="email")]
    dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)

    loops = build_release_loops(
        database=database, dispatcher=dispatcher, integrations=integrations, clock=clock
    )

    assert loops == {}
