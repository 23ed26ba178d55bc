import pytest

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
