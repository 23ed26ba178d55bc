import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handlings import Request
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.reading import DeliveryQuery
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import Recorder, make_alert, make_dispatcher, make_integration
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

ALICE = Actor("alice@example.org", Via.UI)
FIRST, SECOND = make_alert(instance="a"), make_alert(instance="b")


class Scene:
    """PagerDuty and mail; both have been told."""

    def __init__(self, database: Database, clock: FakeClock, ids: SequentialIds) -> None:
        self.page, self.mail = Recorder(), Recorder()
        self.clock = clock
        self.store = SqlOutbox(database)
        self.handlings = SqlHandlings(database)
        integrations = [
            make_integration(self.page, kind="pagerduty"),
            make_integration(self.mail, kind="email"),
        ]
        self.dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)
        self.outbox = Outbox(
            store=self.store, integrations=integrations, clock=clock, telemetry=Telemetry()
        )

    async def tell(self, *alerts: Alert) -> None:
        await self.dispatcher.load()
        await self.dispatcher.put(alerts)
        await self.clock.advance(20)
        await self.dispatcher.flush_due()

    async def acknowledge(self, alert: Alert, actor: Actor = ALICE) -> None:
        request = Request(alert.fingerprint, Action(ActionKind.ACKNOWLEDGE), actor)
        await self.handlings.change([request], at=self.clock.now())
        await self.outbox.deliver_due()


@pytest.fixture
def scene(database: Database, clock: FakeClock, ids: SequentialIds) -> Scene:
    return Scene(database, clock, ids)


async def test_the_way_of_a_message_says_who_acknowledged_it(scene: Scene) -> None:
    await scene.tell(FIRST)
    await scene.outbox.deliver_due()
    await scene.acknowledge(FIRST)

    wanted = DeliveryQuery(integration="email", text="alice@")
    (mail,) = await scene.store.find_deliveries(wanted, before_id=None, limit=9)
    detail = await scene.store.get_detail(mail.id)

    assert detail is not None
    assert [(step.kind.value, step.detail) for step in detail.steps] == [
        ("queued", ""),
        ("accepted", "ok"),
        ("acknowledged", "by alice@example.org"),
    ]


async def test_only_the_last_message_is_noted_and_once(scene: Scene) -> None:
    await scene.tell(FIRST)
    await scene.outbox.deliver_due()
    await scene.clock.advance(60)
    await scene.tell(SECOND)
    await scene.outbox.deliver_due()
    await scene.acknowledge(FIRST)
    await scene.acknowledge(FIRST)

    mails = await scene.store.find_deliveries(
        DeliveryQuery(integration="email"), before_id=None, limit=9
    )
    details = [await scene.store.get_detail(each.id) for each in mails]

    ways = [[step.kind.value for step in each.steps] for each in details if each is not None]
    assert ways == [["queued", "accepted", "acknowledged"], ["queued", "accepted"]]
