import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handling import Handling, Outcome
from resumatch_monitor.dispatch.handling.handlings import (
    DEFAULT_CLOSING,
    Handlings,
    Request,
    Result,
)
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.handling import SqlHandlings
from tests.dispatch.builders import START, make_alert, resolve
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

ADA = Actor("ada@example.org", Via.UI)
ALERT = make_alert()
ID = OccurrenceId(ALERT.fingerprint, START)
ACKNOWLEDGE = Action(ActionKind.ACKNOWLEDGE)


class World:
    """Handlings over a database, and what they told others."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.alerts = SqlAlerts(database)
        self.changes = 0
        self.closed: list[tuple[OccurrenceId, str, datetime]] = []
        self.failures = 0
        self.handlings = Handlings(
            store=SqlHandlings(database), clock=clock, on_change=self._change, close=self._close
        )

    def _change(self) -> None:
        self.changes += 1

    async def _close(
        self, occurrence_ids: Sequence[OccurrenceId], by: str, until: datetime
    ) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        self.closed.extend((each, by, until) for each in occurrence_ids)

    async def act(self, *actions: Action, fingerprint: str = ALERT.fingerprint) -> list[Result]:
        return await self.handlings.act([Request(fingerprint, each, ADA) for each in actions])


@pytest.fixture
async def world(database: Database, clock: FakeClock) -> World:
    made = World(database, clock)
    await made.alerts.put([ALERT], at=START)
    return made


async def test_what_was_done_is_known_at_once_and_after_a_restart(
    world: World, database: Database, clock: FakeClock
) -> None:
    (result,) = await world.act(ACKNOWLEDGE)
    restarted = World(database, clock).handlings
    await restarted.load()

    expected = Handling(ID, acknowledged_at=START, acknowledged_by=ADA.name)
    assert result == Result(ALERT.fingerprint, expected, is_changed=True)
    assert world.handlings.find(ID) == restarted.find(ID) == expected
    assert world.changes == 1


async def test_what_is_done_twice_changes_nothing(world: World) -> None:
    await world.act(ACKNOWLEDGE)
    (again,) = await world.act(ACKNOWLEDGE)

    assert (again.code, again.is_changed) == ("", False)
    assert world.changes == 1


async def test_requests_build_on_each_other_in_one_transaction(world: World) -> None:
    snooze = Action(ActionKind.SNOOZE, until=START + timedelta(hours=2))
    results = await world.act(ACKNOWLEDGE, ACKNOWLEDGE, snooze, Action(ActionKind.ASSIGN, "bob"))

    assert [each.is_changed for each in results] == [True, False, True, True]
    expected = Handling(ID, snoozed_until=START + timedelta(hours=2), assignee="bob")
    assert world.handlings.find(ID) == expected


async def test_refusals_take_nothing_else_with_them(world: World) -> None:
    over = make_alert("Over")
    await world.alerts.put([over, resolve(over, START)], at=START)
    requests = [
        Request("0" * 16, ACKNOWLEDGE, ADA),
        Request(over.fingerprint, ACKNOWLEDGE, ADA),
        Request(ALERT.fingerprint, ACKNOWLEDGE, ADA),
    ]

    results = await world.handlings.act(requests)

    assert [each.code for each in results] == ["not_found", "over", ""]


async def test_an_occurrence_is_handled_anew_when_the_alert_fires_again(world: World) -> None:
    await world.act(ACKNOWLEDGE)
    again = make_alert(starts_at=START + timedelta(hours=1))
    await world.alerts.put(
        [resolve(ALERT, START + timedelta(minutes=1)), again], at=again.starts_at
    )

    assert world.handlings.find(OccurrenceId(ALERT.fingerprint, again.starts_at)) is None
    (result,) = await world.act(ACKNOWLEDGE)
    assert result.is_changed


async def test_a_past_occurrence_can_be_judged(world: World) -> None:
    await world.alerts.put([resolve(ALERT, START + timedelta(minutes=1))], at=START)
    judge = Action(ActionKind.JUDGE, outcome=Outcome.NOISE)

    (result,) = await world.handlings.act([Request(ALERT.fingerprint, judge, ADA, START)])

    assert result.handling is not None
    assert (result.handling.outcome, result.is_over) == (Outcome.NOISE, True)
    assert world.handlings.find(ID) is None


async def test_what_a_person_resolves_is_closed(world: World) -> None:
    await world.act(Action(ActionKind.RESOLVE))

    assert world.closed == [(ID, ADA.name, START + DEFAULT_CLOSING)]
    assert world.handlings.find(ID) is None


async def test_a_resolution_that_a_sudden_end_cut_off_is_finished_at_the_start(
    world: World, database: Database, clock: FakeClock
) -> None:
    await SqlHandlings(database).change(
        [Request(ALERT.fingerprint, Action(ActionKind.RESOLVE), ADA)], at=START
    )
    restarted = World(database, clock)
    await restarted.handlings.load()
    await restarted.handlings.finish()

    assert restarted.closed == [(ID, ADA.name, START + DEFAULT_CLOSING)]


async def test_for_how_long_a_resolution_holds_is_kept(
    world: World, database: Database, clock: FakeClock
) -> None:
    until = START + timedelta(days=2)
    await SqlHandlings(database).change(
        [Request(ALERT.fingerprint, Action(ActionKind.RESOLVE, until=until), ADA)], at=START
    )
    restarted = World(database, clock)
    await restarted.handlings.load()
    await restarted.handlings.finish()
    await restarted.act(Action(ActionKind.RESOLVE))

    assert restarted.closed == [(ID, ADA.name, until)] * 2


async def test_a_resolution_that_cannot_be_carried_out_is_finished_within_a_minute(
    world: World, clock: FakeClock
) -> None:
    world.failures = 2
    loop = asyncio.create_task(world.handlings.run())

    with pytest.raises(OSError, match="disk"):
        await world.act(Action(ActionKind.RESOLVE))
    assert world.changes == 1
    await clock.advance(60)
    assert world.closed == []
    await clock.advance(60)

    assert world.closed == [(ID, ADA.name, START + DEFAULT_CLOSING)]
    assert world.changes == 2
    assert world.handlings.find(ID) is None
    await clock.advance(60)
    assert len(world.closed) == 1
    loop.cancel()


async def test_a_thousand_alerts_are_handled_in_one_transaction(world: World) -> None:
    alerts = [make_alert(n=str(number)) for number in range(1000)]
    await world.alerts.put(alerts, at=START)

    results = await world.handlings.act(
        [Request(each.fingerprint, ACKNOWLEDGE, ADA) for each in alerts]
    )

    assert all(result.is_changed for result in results)


async def test_what_is_gone_is_forgotten_after_a_while_and_nothing_else(
    world: World, database: Database, clock: FakeClock
) -> None:
    over = make_alert("Over")
    await world.alerts.put([over], at=START)
    await world.act(ACKNOWLEDGE)
    await world.act(ACKNOWLEDGE, fingerprint=over.fingerprint)
    await world.alerts.put([resolve(over, START + timedelta(minutes=1))], at=START)
    await _settle(world.alerts, [OccurrenceId(over.fingerprint, START)])
    later = START + timedelta(days=90)

    kept = await world.handlings.prune(later, limit=100)
    await world.alerts.prune(later, limit=100)
    gone = await world.handlings.prune(later, limit=100)

    assert (kept, gone) == (0, 1)
    assert world.handlings.find(ID) is not None
    assert world.handlings.find(OccurrenceId(over.fingerprint, START)) is None
    restarted = World(database, clock).handlings
    await restarted.load()
    assert restarted.find(ID) is not None


OPERATIONS = st.one_of(
    st.tuples(st.just("do"), st.sampled_from(list(ActionKind)), st.sampled_from(["ada", "bob"])),
    st.tuples(st.sampled_from(["end", "fire", "restart", "wait"])),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(OPERATIONS, max_size=15))
def test_memory_is_what_a_restart_would_read_whatever_happens(
    operations: list[tuple[Any, ...]],
) -> None:
    asyncio.run(_check_memory(operations))


async def _check_memory(operations: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "monitor.sqlite3")
        database.start()
        try:
            await _carry_out(World(database, FakeClock()), database, operations)
        finally:
            database.stop()


async def _carry_out(world: World, database: Database, operations: list[tuple[Any, ...]]) -> None:
    clock = FakeClock()
    handlings = Handlings(store=SqlHandlings(database), clock=clock)
    current = ALERT
    await world.alerts.put([current], at=START)
    for name, *details in operations:
        match name:
            case "do":
                until = clock.now() + timedelta(minutes=10)
                action = Action(details[0], "text", until=until, outcome=Outcome.REAL)
                actor = Actor(details[1], Via.UI)
                await handlings.act([Request(ALERT.fingerprint, action, actor)])
            case "end":
                await world.alerts.put([resolve(current, clock.now())], at=clock.now())
            case "fire":
                current = make_alert(starts_at=clock.now())
                await world.alerts.put([current], at=clock.now())
            case "wait":
                clock.jump(timedelta(minutes=7))
            case _:
                handlings = Handlings(store=SqlHandlings(database), clock=clock)
                await handlings.load()
        restarted = Handlings(store=SqlHandlings(database), clock=clock)
        await restarted.load()
        latest = await SqlHandledAlerts(database).get(ALERT.fingerprint, None)
        assert latest is not None
        if latest.record.alert.ends_at is None:
            occurrence_id = OccurrenceId(ALERT.fingerprint, latest.record.alert.starts_at)
            known = handlings.find(occurrence_id)
            assert known == restarted.find(occurrence_id) == latest.handling


async def _settle(alerts: SqlAlerts, settled: Sequence[OccurrenceId]) -> None:
    await alerts.record([], settled=settled, at=START)
