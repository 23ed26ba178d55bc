"""Notices: said durably, to whom and by what they are meant for."""

import pytest

from resumatch_monitor.notify.notification import Notice, NotificationKind
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import make_dispatcher, make_integration
from tests.dispatch.muting.test_muting import notifications
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

NOTICE = Notice("The drill passed", "It took 3 s.", severity="warning")


async def test_a_notice_is_in_the_outbox_of_all_it_is_meant_for(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    woken: list[None] = []
    dispatcher = make_dispatcher(
        database,
        clock,
        ids,
        integrations=[
            make_integration(receiver="team", kind="email"),
            make_integration(receiver="team", kind="slack"),
            make_integration(receiver="boss", kind="email"),
        ],
        on_outbox_change=lambda: woken.append(None),
    )

    said = await dispatcher.announce(
        NOTICE, ["team", "boss", "team", "nobody"], channels=["email"], is_drill=True
    )

    told = await notifications(database)
    assert sorted(said) == sorted(each.id for each in told)
    assert {(each.receiver, each.kind, each.is_drill) for each in told} == {
        ("team", NotificationKind.NOTICE, True),
        ("boss", NotificationKind.NOTICE, True),
    }
    deliveries = await SqlOutbox(database).list_deliveries(limit=9)
    assert {(each.receiver, each.integration, each.title) for each in deliveries} == {
        ("team", "email", told[0].notice and deliveries[0].title),
        ("boss", "email", deliveries[0].title),
    }
    assert len(woken) == 1


async def test_a_later_notice_takes_no_earlier_ones_place(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    for _ in range(2):
        await dispatcher.announce(NOTICE, ["default"])

    deliveries = await SqlOutbox(database).list_deliveries(limit=9)
    assert [each.status.value for each in deliveries] == ["queued", "queued"]


async def test_nobody_to_tell_is_no_notification(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)

    assert await dispatcher.announce(NOTICE, ["nobody"]) == []
    assert await notifications(database) == []
