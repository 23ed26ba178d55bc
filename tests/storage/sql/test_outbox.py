from datetime import timedelta

import pytest

from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.dispatch.reading import DeliveryQuery, DeliveryStatus, LastFailure
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import IntegrationId
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox, insert_deliveries
from tests.dispatch.builders import START, make_alert
from tests.notify.catchers import make_notification

pytestmark = pytest.mark.anyio

MAIL = IntegrationId("team", "email", 0)
CHAT = IntegrationId("team", "slack", 0)


@pytest.fixture
def store(database: Database) -> SqlOutbox:
    return SqlOutbox(database)


async def add(database: Database, notification: Notification, *targets: IntegrationId) -> None:
    new = [NewDelivery(target, "somewhere/…") for target in targets or (MAIL,)]
    await database.write(lambda c: insert_deliveries(c, [(notification, new)]))


async def test_takes_only_what_is_for_the_integration_and_the_oldest_of_a_group(
    store: SqlOutbox, database: Database
) -> None:
    first = make_notification(make_alert(n="1"), id="n1")
    await add(database, first, MAIL, CHAT)
    await add(database, make_notification(make_alert(n="2"), id="n2"))
    await add(database, make_notification(make_alert("Other"), id="n3", group_key="other"))

    due = await store.take_due(MAIL, now=START.replace(year=2027), limit=10)

    assert [each.notification.id for each in due] == ["n1", "n3"]
    assert due[0].notification == first
    assert len({each.key for each in due}) == 2


async def test_a_newer_one_supersedes_per_integration(store: SqlOutbox, database: Database) -> None:
    await add(database, make_notification(id="n1"), MAIL, CHAT)

    await add(database, make_notification(id="n2"), MAIL)

    found = await store.list_deliveries(limit=10)
    assert [(each.integration, each.status.value) for each in found] == [
        ("email", "queued"),
        ("slack", "queued"),
        ("email", "superseded"),
    ]
    detail = await store.get_detail(found[-1].id)
    assert detail is not None
    assert [step.kind.value for step in detail.steps] == ["queued", "superseded"]
    assert detail.notification.id == "n1"


async def test_knows_what_waits_and_when(store: SqlOutbox, database: Database) -> None:
    notification = make_notification()
    await add(database, notification, MAIL, CHAT)

    assert await store.count_waiting() == {MAIL: 1, CHAT: 1}
    assert await store.next_due_at(MAIL) == notification.created_at
    assert await store.next_due_at(IntegrationId("team", "email", 1)) is None


async def test_finds_notifications_by_alert(store: SqlOutbox, database: Database) -> None:
    alert = make_alert(n="7")
    await add(database, make_notification(alert, id="n1"))
    await add(database, make_notification(make_alert("Other"), id="n2", group_key="other"))

    found = await store.list_deliveries(fingerprint=alert.fingerprint, limit=10)

    assert [each.alerts[0].fingerprint for each in found] == [alert.fingerprint]


async def test_only_what_has_failed_can_be_queued_again(
    store: SqlOutbox, database: Database
) -> None:
    await add(database, make_notification())

    assert not await store.requeue(1, at=START)
    assert not await store.requeue(99, at=START)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (DeliveryQuery(), ["n2", "n1", "n1"]),
        (DeliveryQuery(receiver="ops"), ["n2"]),
        (DeliveryQuery(receiver="ops", integration="slack"), []),
        (DeliveryQuery(integration="email"), ["n2", "n1"]),
        (DeliveryQuery(status=DeliveryStatus.FAILED), ["n1"]),
        (DeliveryQuery(text="disk"), ["n2"]),
        (DeliveryQuery(text="no_service"), ["n1"]),
        (DeliveryQuery(text="100%"), []),
        (DeliveryQuery(text="_"), ["n1"]),
        (DeliveryQuery(since=START + timedelta(minutes=4)), ["n2"]),
        (DeliveryQuery(until=START + timedelta(minutes=4)), ["n1", "n1"]),
    ],
)
async def test_finds_deliveries_by_what_people_know(
    store: SqlOutbox, database: Database, wanted: DeliveryQuery, ids: list[str]
) -> None:
    await add(database, make_notification(id="n1"), MAIL, CHAT)
    later = make_notification(
        make_alert("DiskFull"),
        id="n2",
        receiver="ops",
        group_key="other",
        created_at=START + timedelta(minutes=5),
    )
    await add(database, later, IntegrationId("ops", "email", 0))
    await store.mark(2, Outcome(START, is_sent=False, error="404 no_service"))

    found = await store.find_deliveries(wanted, before_id=None, limit=10)
    details = [await store.get_detail(each.id) for each in found]

    assert [each.notification.id for each in details if each is not None] == ids


async def test_remembers_what_last_went_wrong_with_each_integration(
    store: SqlOutbox, database: Database
) -> None:
    await add(database, make_notification(), MAIL, CHAT)
    for minute, error in enumerate(("503", "504", "")):
        outcome = Outcome(
            START + timedelta(minutes=minute),
            is_sent=not error,
            error=error,
            next_attempt_at=START if error else None,
        )
        await store.mark(1, outcome)

    assert await store.last_failures() == {
        MAIL: LastFailure(START + timedelta(minutes=1), "504"),
    }
    assert await store.last_sent_at() == {MAIL: START + timedelta(minutes=2)}
