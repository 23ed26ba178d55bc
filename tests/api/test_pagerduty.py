from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from resumatch_monitor.api.pagerduty import build_router
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.handling.acknowledgements import AcknowledgementComposer
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.dispatch.handling.pagerduty_hook import PagerDutyHook
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.practice.drills import DrillSender
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.incidents import SqlIncidents
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import START, Recorder, make_alert, make_dispatcher, make_integration
from tests.dispatch.handling.pagerduty_events import INTEGRATION, make_event, make_note, sign
from tests.dispatch.practice.drill_receipts import DRILL_ID, Drills
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import serve

pytestmark = pytest.mark.anyio

URL = "/api/monitor/hooks/pagerduty"
SECRET, OTHER_SECRET = "the-secret-of-a-subscription", "another-one"
ONE, TWO = make_alert(n="1"), make_alert(n="2")
EVENT = make_alert("NewIssue", is_event=True)


@dataclass
class World:
    """A monitor whose alerts have gone to PagerDuty, and PagerDuty's voice."""

    client: httpx.AsyncClient
    dispatcher: Dispatcher
    database: Database
    key: str
    drills: Drills

    async def send(self, event: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps(event)
        headers = {"X-PagerDuty-Signature": sign(body, SECRET)}
        answer = await self.client.post(URL, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def handling(self, fingerprint: str = ONE.fingerprint) -> Handling | None:
        handled = await SqlHandledAlerts(self.database).get(fingerprint, None)
        return None if handled is None else handled.handling

    async def journal(self) -> list[tuple[str, str, str, str]]:
        found = await SqlHandledAlerts(self.database).list_journal(ONE.fingerprint, START, limit=9)
        return [(each.action, each.actor, each.via.value, each.text) for each in found]


@pytest.fixture
async def world(database: Database, clock: FakeClock, ids: SequentialIds) -> AsyncGenerator[World]:
    recorder = Recorder()
    integrations = [make_integration(recorder, kind="pagerduty")]
    dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)
    await dispatcher.load()
    await dispatcher.put([ONE, TWO])
    await dispatcher.flush_due()
    (due,) = await SqlOutbox(database).take_due(integrations[0].id, now=clock.now(), limit=9)
    drills = Drills()
    composer = AcknowledgementComposer(integrations, ids=ids)
    hook = PagerDutyHook(
        secrets=[OTHER_SECRET, SECRET],
        incidents=SqlIncidents(database),
        handlings=Handlings(
            store=SqlHandlings(database, composer), clock=clock, close=dispatcher.close_all
        ),
        drills=drills,
        clock=clock,
    )
    async with serve(build_router(hook=hook), token=None) as client:
        yield World(client, dispatcher, database, due.notification.dedup_key, drills)


async def test_an_acknowledgement_there_is_one_here_of_all_alerts_of_the_incident(
    world: World,
) -> None:
    answer = await world.send(make_event(key=world.key))

    assert answer == {"outcome": "applied", "changed": 2}
    for alert in (ONE, TWO):
        handling = await world.handling(alert.fingerprint)
        assert handling is not None
        assert handling.acknowledged_by == "Tenex Engineer"
    assert await world.journal() == [("acknowledged", "Tenex Engineer", "pagerduty", "")]
    kinds = [each.kind for each in await SqlOutbox(world.database).list_deliveries(limit=9)]
    assert kinds == ["firing"], "PagerDuty is not told what it said"


async def test_an_event_that_comes_again_does_nothing(world: World) -> None:
    await world.send(make_event(key=world.key, event_id="1"))
    await world.send(make_event("incident.unacknowledged", key=world.key, event_id="2"))
    again = await world.send(make_event(key=world.key, event_id="1"))

    handling = await world.handling()
    assert again == {"outcome": "repeated", "changed": 0}
    assert handling is not None
    assert handling.acknowledged_at is None


async def test_the_life_of_an_incident(world: World) -> None:
    await world.send(make_event("incident.triggered", key=world.key, agent=INTEGRATION))
    await world.send(make_note("looking"))
    await world.send(make_event("incident.delegated", key=world.key, event_id="2"))
    await world.send(make_event("incident.resolved", key=world.key, event_id="3"))
    late = await world.send(make_event(key=world.key, event_id="4"))

    assert await world.journal() == [
        ("commented", "Tenex Engineer", "pagerduty", "looking"),
        ("assigned", "Tenex Engineer", "pagerduty", "User 123"),
        ("resolved", "Tenex Engineer", "pagerduty", ""),
    ]
    handled = await SqlHandledAlerts(world.database).get(ONE.fingerprint, None)
    assert handled is not None
    assert handled.record.alert.ends_at == START
    # It is over here: nothing is left to acknowledge.
    assert late == {"outcome": "applied", "changed": 0}


async def test_an_event_of_an_alert_that_merely_happened_finds_it(
    world: World, clock: FakeClock
) -> None:
    await world.dispatcher.put([EVENT])
    clock.jump(timedelta(seconds=15))
    await world.dispatcher.flush_due()
    due = await SqlOutbox(world.database).take_due(
        make_integration(kind="pagerduty").id, now=clock.now(), limit=9
    )
    key = due[-1].notification.dedup_key

    answer = await world.send(make_event(key=key))

    assert answer == {"outcome": "applied", "changed": 1}
    assert await world.handling(EVENT.fingerprint) is not None


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (make_event(key="of somebody else"), "unknown"),
        (make_event(key=""), "unknown"),
        (make_note("about an incident of others"), "unknown"),
        (make_event("incident.priority_updated"), "ignored"),
        (make_event("pagey.ping"), "ignored"),
        (make_event(agent=INTEGRATION), "ignored"),
    ],
)
async def test_what_is_about_nothing_of_ours_is_taken_and_changes_nothing(
    world: World, event: dict[str, Any], outcome: str
) -> None:
    assert await world.send(event) == {"outcome": outcome, "changed": 0}
    assert await world.handling() is None


@pytest.mark.parametrize(
    ("signature", "status"),
    [
        ("{right}", 200),
        ("v1=0000, {right}", 200),
        ("{other},v1=0000", 200),
        ("", 401),
        ("v1=", 401),
        ("{stranger}", 401),
        ("v0={right}", 401),
        ("é", 401),
        ("v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,v1=0,{right}", 401),
    ],
)
async def test_only_pagerduty_is_heard(world: World, signature: str, status: int) -> None:
    body = orjson.dumps(make_event(key=world.key))
    text = signature.format(
        right=sign(body, SECRET), other=sign(body, OTHER_SECRET), stranger=sign(body, "x")
    )

    answer = await world.client.post(
        URL, content=body, headers={b"X-PagerDuty-Signature": text.encode("latin-1")}
    )

    assert answer.status_code == status
    assert (await world.handling() is not None) == (status == 200)
    assert SECRET not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"event": {"id": 1}}', b"\xff"])
async def test_what_is_no_event_is_refused(world: World, body: bytes) -> None:
    answer = await world.client.post(
        URL, content=body, headers={"X-PagerDuty-Signature": sign(body, SECRET)}
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_event")


async def test_without_a_secret_nobody_is_heard(database: Database, clock: FakeClock) -> None:
    hook = PagerDutyHook(
        secrets=[],
        incidents=SqlIncidents(database),
        handlings=Handlings(store=SqlHandlings(database), clock=clock),
        drills=Drills(),
        clock=clock,
    )
    async with serve(build_router(hook=hook), token=None) as client:
        answer = await client.post(URL, content=b"{}", headers={"X-PagerDuty-Signature": "v1="})

    assert answer.status_code == 404


async def test_incidents_are_forgotten_after_a_while(world: World) -> None:
    incidents = SqlIncidents(world.database)
    await world.send(make_event("incident.triggered", key=world.key))

    assert await incidents.prune(START, limit=9) == 0
    assert await incidents.prune(START + timedelta(seconds=1), limit=9) == 1


async def test_an_acknowledged_page_of_a_drill_tells_who_has_heard_of_it(
    world: World, clock: FakeClock, ids: SequentialIds
) -> None:
    sender = DrillSender(
        store=SqlAlerts(world.database),
        route=build_route(AlertingConfig.model_validate({})),
        integrations=[make_integration(kind="pagerduty")],
        on_outbox_change=lambda: None,
        clock=clock,
        ids=ids,
    )
    (sent, *_) = await sender.send(DRILL_ID, [make_alert(drill="yes")], pages=True)
    assert sent.notification is not None
    key = sent.notification.dedup_key

    note = await world.send(make_event("incident.delegated", key=key, event_id="1"))
    answer = await world.send(make_event(key=key, event_id="2"))

    assert (note["outcome"], answer["outcome"]) == ("ignored", "applied")
    assert world.drills.receipt.confirmed_by == "Tenex Engineer"
