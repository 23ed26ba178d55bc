"""An acknowledgement goes to PagerDuty, which was told, and to nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.handling.acknowledgements import AcknowledgementComposer
from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handlings import Handlings, Request
from resumatch_monitor.dispatch.reading import DeliveryRecord
from resumatch_monitor.notify.notifier import Integration, IntegrationId
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import START, make_alert, make_dispatcher, make_integration, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

ADA = Actor("ada@example.org", Via.UI)
ONE, OTHER = make_alert(n="1"), make_alert(n="2")
CONFIG = {
    "receivers": [{"name": "ops"}, {"name": "chat"}],
    "route": {
        "receiver": "ops",
        "group_by": ["alertname"],
        "group_wait": "0s",
        "routes": [{"receiver": "chat", "matchers": ["severity=warning"]}],
    },
}


@dataclass
class Scene:
    """A dispatcher with PagerDuty and a webhook, and people."""

    dispatcher: Dispatcher
    handlings: Handlings
    outbox: SqlOutbox

    async def fire(self, *alerts: Alert) -> None:
        await self.dispatcher.put(alerts)
        await self.dispatcher.flush_due()

    async def do(
        self, *alerts: Alert, kind: ActionKind = ActionKind.ACKNOWLEDGE, origin: str = ""
    ) -> None:
        await self.handlings.act(
            [Request(each.fingerprint, Action(kind), ADA, origin=origin) for each in alerts]
        )

    async def acknowledged(self) -> Sequence[DeliveryRecord]:
        found = await self.outbox.list_deliveries(limit=50)
        return [each for each in found if each.kind == "acknowledged"]


def make_integrations() -> list[Integration]:
    return [
        make_integration(receiver="ops", kind="pagerduty"),
        make_integration(receiver="ops", kind="webhook"),
        make_integration(receiver="chat", kind="webhook"),
    ]


@pytest.fixture
async def scene(database: Database, clock: FakeClock, ids: SequentialIds) -> Scene:
    integrations = make_integrations()
    dispatcher = make_dispatcher(database, clock, ids, config=CONFIG, integrations=integrations)
    await dispatcher.load()
    composer = AcknowledgementComposer(integrations, ids=ids)
    handlings = Handlings(store=SqlHandlings(database, composer), clock=clock)
    return Scene(dispatcher, handlings, SqlOutbox(database))


async def test_pagerduty_hears_of_it_once(scene: Scene) -> None:
    await scene.fire(ONE)
    await scene.do(ONE)
    await scene.do(ONE)

    (delivery,) = await scene.acknowledged()
    assert (delivery.receiver, delivery.integration) == ("ops", "pagerduty")
    assert delivery.title == "[ACKNOWLEDGED] DatabaseConnectionFailed (critical)"


async def test_it_follows_the_message_that_it_is_about(scene: Scene, clock: FakeClock) -> None:
    await scene.fire(ONE)
    await scene.do(ONE)
    (first,) = await scene.outbox.take_due(
        IntegrationId("ops", "pagerduty", 0), now=clock.now(), limit=9
    )

    assert first.notification.acknowledged_by == ""
    assert {each.status.value for each in await scene.outbox.list_deliveries(limit=9)} == {"queued"}


async def test_it_names_the_group_as_the_message_did(scene: Scene, database: Database) -> None:
    await scene.fire(ONE)
    await scene.do(ONE)
    await scene.dispatcher.put([resolve(ONE, START + timedelta(seconds=1))])
    found = await scene.outbox.list_deliveries(limit=9)
    keys = {await read_dedup_key(database, each) for each in found}

    assert len(found) == 3
    assert len(keys) == 1


async def read_dedup_key(database: Database, record: DeliveryRecord) -> str:
    due = await SqlOutbox(database).take_due(
        IntegrationId(record.receiver, record.integration, 0), now=START, limit=9
    )
    return due[0].notification.dedup_key


async def test_an_incident_of_several_alerts_is_taken_when_all_of_them_are(scene: Scene) -> None:
    await scene.fire(ONE, OTHER)
    await scene.do(ONE)
    first = await scene.acknowledged()
    await scene.do(OTHER)
    second = await scene.acknowledged()

    assert (len(first), len(second)) == (0, 1)


async def test_many_at_once_are_one_message_a_group(scene: Scene) -> None:
    await scene.fire(ONE, OTHER, make_alert("Another"))
    await scene.do(ONE, OTHER, make_alert("Another"))

    assert len(await scene.acknowledged()) == 2


async def test_who_was_not_paged_hears_nothing(scene: Scene) -> None:
    warning = make_alert("Slow", severity="warning")
    await scene.fire(warning)
    await scene.do(warning)
    await scene.dispatcher.put([ONE])
    await scene.do(ONE)

    assert await scene.acknowledged() == []


async def test_whoever_says_it_is_not_told_it(scene: Scene, database: Database) -> None:
    await scene.fire(ONE)
    (record, _) = await scene.outbox.list_deliveries(limit=9)
    await scene.do(ONE, origin=await read_dedup_key(database, record))

    assert await scene.acknowledged() == []


async def test_what_is_not_an_acknowledgement_is_not_told(scene: Scene) -> None:
    await scene.fire(ONE)
    await scene.do(ONE, kind=ActionKind.UNACKNOWLEDGE)

    assert await scene.acknowledged() == []


async def test_another_occurrence_is_another_incident(scene: Scene, clock: FakeClock) -> None:
    await scene.fire(ONE)
    clock.jump(timedelta(minutes=1))
    await scene.fire(resolve(ONE, START + timedelta(minutes=1)))
    clock.jump(timedelta(minutes=9))
    again = make_alert(n="1", starts_at=clock.now())
    await scene.dispatcher.put([again])
    await scene.do(again)

    # Nobody was paged yet.
    assert await scene.acknowledged() == []


async def test_who_was_told_by_an_escalation_hears_of_it(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    config = {
        "receivers": [{"name": "chat"}, {"name": "pager"}],
        "route": {"receiver": "chat", "group_wait": "0s", "escalation": "unheard"},
        "escalations": [{"name": "unheard", "steps": [{"after": "15m", "receiver": "pager"}]}],
    }
    integrations = [
        make_integration(receiver="chat", kind="webhook"),
        make_integration(receiver="pager", kind="pagerduty"),
    ]
    dispatcher = make_dispatcher(database, clock, ids, config=config, integrations=integrations)
    await dispatcher.load()
    composer = AcknowledgementComposer(integrations, ids=ids)
    handlings = Handlings(store=SqlHandlings(database, composer), clock=clock)
    scene = Scene(dispatcher, handlings, SqlOutbox(database))
    await scene.fire(ONE)
    for _ in range(16):
        await clock.advance(60)
        await dispatcher.flush_due()

    await scene.do(ONE)

    paged = [each for each in await scene.outbox.list_deliveries(limit=9) if each.kind == "firing"]
    assert {each.receiver for each in paged} == {"chat", "pager"}
    assert [each.receiver for each in await scene.acknowledged()] == ["pager"]
