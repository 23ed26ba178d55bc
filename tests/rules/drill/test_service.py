"""Drills over a real database and a real outbox; only the channels are recorders."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.drills import build_router
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.practice.drills import DrillSender
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.notifier import (
    FailureReason,
    Integration,
    IntegrationId,
    NotifyError,
)
from resumatch_monitor.rules.drill.model import DirectTarget, DrillRecord, Target
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.service import (
    Drills,
    DrillsBusyError,
    TooLongError,
    UnknownAlertError,
)
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.drills import SqlDrills
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import Recorder
from tests.rules.support import make_group, make_rule
from tests.support.memory_store import MemoryStore
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

HOOK = IntegrationId("default", "webhook", 0)
PAGER = IntegrationId("default", "pagerduty", 0)
PERMANENT = NotifyError("410 the hook is gone", retryable=False, reason=FailureReason.REFUSED)


class Ground:
    """Everything around the drills; `start` begins to deliver."""

    def __init__(self, database: Database) -> None:
        self.clock = SystemClock()
        self.store = SqlDrills(database)
        self.outbox_store = SqlOutbox(database)
        self.hook = Recorder()
        self.mute: Mute | None = None
        self.integrations = [Integration(HOOK, self.hook)]
        self.direct: list[DirectTarget] = []
        self.rules = [make_rule("Down", expr="up == 0", hold_seconds=60)]
        self._alerts = SqlAlerts(database)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> Drills:
        outbox = Outbox(
            store=self.outbox_store,
            integrations=self.integrations,
            clock=self.clock,
            telemetry=Telemetry(),
        )
        drills = Drills(
            shadow=ShadowRunner(
                MemoryStore(),
                clock=self.clock,
                external_labels={},
                external_url="",
                subquery_step=timedelta(minutes=1),
            ),
            list_targets=self._list_targets,
            direct=self.direct,
            sender=DrillSender(
                store=self._alerts,
                route=build_route(AlertingConfig()),
                integrations=self.integrations,
                on_outbox_change=outbox.wake,
                clock=self.clock,
                ids=RandomIds(),
            ),
            deliveries=self.outbox_store,
            store=self.store,
            mute_of=self._find_mute,
            clock=self.clock,
            ids=RandomIds(),
        )
        loops = [drills.run, *outbox.loops().values()]
        self._tasks = [asyncio.ensure_future(loop()) for loop in loops]
        return drills

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def finish(self, drills: Drills, records: Sequence[DrillRecord]) -> list[DrillRecord]:
        async with asyncio.timeout(30):
            while True:
                found = [await drills.get(record.id) for record in records]
                if all(record.finished_at for record in found):
                    return found
                await self.clock.sleep(0.01)

    async def drill(self, alert: str = "Down", **more: Any) -> dict[str, Any]:
        drills = self.start()
        (record,) = await self.finish(drills, await drills.start(alert, by="ada", **more))
        return {"is_passed": record.is_passed, **record.report}

    def _list_targets(self) -> list[Target]:
        return [Target(make_group(rule), rule) for rule in self.rules]

    def _find_mute(self, alert: Alert, now: datetime) -> Mute | None:
        assert "drill" not in alert.labels
        return self.mute


@pytest.fixture
async def ground(database: Database) -> AsyncIterator[Ground]:
    ground = Ground(database)
    yield ground
    await ground.stop()


async def test_reports_the_whole_way(ground: Ground) -> None:
    report = await ground.drill()

    assert report["is_passed"] is True
    assert report["problems"] == []
    assert report["fired_after_seconds"] == 60.0
    assert report["alert"]["labels"]["drill"] == "true"
    (delivery,) = report["deliveries"]
    assert (delivery["status"], delivery["integration"]) == ("sent", "webhook")
    assert 0 <= delivery["delivered_after_seconds"] < 30
    assert ground.hook.sent[0].is_drill
    assert ground.hook.sent[0].alerts[0].generator_path.startswith("/drills/")


async def test_a_channel_that_refuses_fails_the_drill_in_its_own_words(ground: Ground) -> None:
    ground.hook = Recorder([PERMANENT])
    ground.integrations = [Integration(HOOK, ground.hook)]

    report = await ground.drill()

    assert report["is_passed"] is False
    assert "410 the hook is gone" in report["problems"][0]
    assert report["deliveries"][0]["status"] == "failed"


@pytest.mark.parametrize(
    ("integrations", "problem"),
    [
        ([], "No channel is configured"),
        ([Integration(PAGER, Recorder())], "Only pagers would hear of it"),
    ],
)
async def test_an_alert_that_reaches_nobody_fails(
    ground: Ground, integrations: list[Integration], problem: str
) -> None:
    ground.integrations = integrations

    report = await ground.drill()

    assert report["is_passed"] is False
    assert problem in report["problems"][0]


async def test_a_pager_is_told_if_asked_for(ground: Ground) -> None:
    pager = Recorder()
    ground.integrations = [Integration(PAGER, pager)]

    report = await ground.drill(pages=True)

    assert report["is_passed"] is True
    assert pager.sent[0].is_drill


async def test_says_what_would_hold_it_back(ground: Ground) -> None:
    ground.mute = Mute(MuteKind.SILENCED, "s1", "silenced by ada until noon")

    report = await ground.drill()

    assert report["would_be_muted"]["text"] == "silenced by ada until noon"
    assert report["is_passed"] is True


@pytest.mark.parametrize(
    ("is_event", "kinds"), [(True, ["firing"]), (False, ["firing", "resolved"])]
)
async def test_the_way_of_an_alert_of_the_monitors_own(
    ground: Ground, is_event: bool, kinds: list[str]
) -> None:
    ground.direct = [
        DirectTarget("NewIssue", "warning", "Something new", is_event=is_event),
        DirectTarget("Down", "warning", "there is a rule of that name"),
    ]

    report = await ground.drill("NewIssue")
    async with asyncio.timeout(30):
        while len(ground.hook.sent) < len(kinds):
            await ground.clock.sleep(0.01)

    assert (report["is_passed"], report["method"], report["rule"]) == (True, "direct", None)
    assert [each.kind.value for each in ground.hook.sent] == kinds
    assert (await ground.store.latest())["NewIssue"].is_passed


async def test_all_rules_one_after_the_other_and_no_other_drill_meanwhile(ground: Ground) -> None:
    ground.rules += [make_rule("Slow", expr="latency > 3"), make_rule("Odd", expr="stddev(x) > 1")]
    drills = ground.start()

    records = await drills.start("all", by="ada")
    with pytest.raises(DrillsBusyError):
        await drills.start("Down", by="bob")
    found = await ground.finish(drills, records)

    assert [record.is_passed for record in found] == [True, True, True]
    assert [record.report["method"] for record in found] == ["series", "series", "replaced"]
    with pytest.raises(UnknownAlertError):
        await drills.start("Nosuch", by="ada")


async def test_nobody_waits_for_hours_in_real_time(ground: Ground) -> None:
    ground.rules = [make_rule("Down", expr="up == 0", hold_seconds=7200)]
    drills = ground.start()

    with pytest.raises(TooLongError):
        await drills.start("Down", by="ada", is_real_time=True)
    (record,) = await ground.finish(drills, await drills.start("Down", by="ada"))

    assert record.report["fired_after_seconds"] == 7200.0


async def test_a_drill_that_a_restart_has_interrupted_is_over(ground: Ground) -> None:
    begun = DrillRecord("d1", "Down", ground.clock.now(), None, "ada", None)
    await ground.store.save(begun)

    drills = ground.start()
    (record,) = await ground.finish(drills, [begun])

    assert record.is_passed is False
    assert record.report["problems"] == ["The monitor was restarted meanwhile."]


async def test_keeps_the_last_drill_of_each_alert_as_evidence(ground: Ground) -> None:
    now = ground.clock.now().replace(microsecond=0)
    for number in range(5):
        at = now - timedelta(days=number)
        alert = "A" if number % 2 else "B"
        await ground.store.save(DrillRecord(f"d{number}", alert, at, at, "ada", True, {"n": 1}))

    pruned = await ground.store.prune(now - timedelta(hours=1), limit=100)

    left = await ground.store.list_drills(alert=None, before=None, limit=10)
    assert pruned == 3
    assert [record.id for record in left] == ["d0", "d1"]
    assert {name: record.id for name, record in (await ground.store.latest()).items()} == {
        "A": "d1",
        "B": "d0",
    }


async def test_the_api_begins_pages_and_acknowledges(ground: Ground) -> None:
    drills = ground.start()
    router = build_router(drills=drills, store=ground.store, guard=make_guard())
    async with serve(router, token=BOB) as client:
        begun = await client.post("/api/monitor/drills", json={"alert": "Down"})
        unknown = await client.post("/api/monitor/drills", json={"alert": "Nosuch"})
        wrong = await client.post("/api/monitor/drills", json={"alert": "", "x": 1})
        (item,) = begun.json()["items"]
        record = await drills.get(item["id"])
        await ground.finish(drills, [record])
        await ground.store.save(replace(record, id="z", finished_at=None))
        first = (await client.get("/api/monitor/drills?limit=1")).json()
        second = (
            await client.get(f"/api/monitor/drills?limit=1&cursor={first['next_cursor']}")
        ).json()
        heard = await client.post(f"/api/monitor/drills/{item['id']}/acknowledge")
        coverage = (await client.get("/api/monitor/drills/coverage")).json()
        missing = await client.get("/api/monitor/drills/nosuch")
        bad = await client.get("/api/monitor/drills?cursor=x")
    async with serve(router, token=CHARLIE) as viewer:
        refused = await viewer.post("/api/monitor/drills", json={"alert": "Down"})
        seen = await viewer.get(f"/api/monitor/drills/{item['id']}")

    assert (begun.status_code, item["finished_at"], item["is_passed"]) == (202, None, None)
    assert (unknown.status_code, wrong.status_code) == (404, 422)
    assert [each["id"] for each in (*first["items"], *second["items"])] == ["z", item["id"]]
    assert second["next_cursor"] is None
    assert heard.json()["report"]["acknowledged_by"] == "bob@example.org"
    assert (coverage["alerts"], coverage["passed"], coverage["never"]) == (1, 1, 0)
    assert (missing.status_code, bad.status_code, refused.status_code) == (404, 400, 403)
    assert seen.status_code == 200
