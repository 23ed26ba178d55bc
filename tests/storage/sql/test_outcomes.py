from datetime import UTC, datetime, timedelta

import pytest

from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.outcomes import Outcome, OutcomeLedger, Tally
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

_HOUR = datetime(2026, 11, 26, 10, tzinfo=UTC)


def make_tally(quantity: int = 1, **over: object) -> Tally:
    fields = {
        "project_id": 1,
        "hour": _HOUR,
        "category": Category.ERROR,
        "outcome": Outcome.ACCEPTED,
        "reason": "",
        **over,
    }
    return Tally(**fields, quantity=quantity)  # pyright: ignore[reportArgumentType]


async def test_quantities_of_an_hour_add_up(database: Database) -> None:
    store = SqlOutcomeStore(database)
    filtered = make_tally(outcome=Outcome.FILTERED, reason="localhost")

    await store.add([make_tally(2), filtered])
    await store.add([make_tally(3), make_tally(7, project_id=2)])
    await store.add([])

    found = await store.read_project(1, _HOUR, _HOUR + timedelta(hours=1))
    assert sorted(found, key=lambda each: each.quantity) == [filtered, make_tally(5)]


async def test_a_project_s_hours_are_read_from_begin_to_before_end(database: Database) -> None:
    store = SqlOutcomeStore(database)
    hours = [_HOUR + timedelta(hours=number) for number in range(5)]
    await store.add([make_tally(hour=hour) for hour in hours])

    found = await store.read_project(1, hours[1], hours[3])

    assert [each.hour for each in found] == hours[1:3]


async def test_what_was_accepted_is_read_of_all_projects(database: Database) -> None:
    store = SqlOutcomeStore(database)
    await store.add(
        [
            make_tally(hour=_HOUR - timedelta(hours=1)),
            make_tally(),
            make_tally(project_id=2),
            make_tally(outcome=Outcome.INVALID, reason="malformed"),
        ]
    )

    assert await store.read_accepted(_HOUR) == [make_tally(), make_tally(project_id=2)]


async def test_three_months_are_kept(database: Database) -> None:
    store = SqlOutcomeStore(database)
    old = _HOUR - timedelta(days=91)
    await store.add([make_tally(), *(make_tally(hour=old - timedelta(hours=n)) for n in range(30))])

    deleted = [await store.expire(_HOUR) for _ in range(3)]

    assert deleted == [24, 6, 0]
    assert await store.read_accepted(old - timedelta(days=9)) == [make_tally()]


async def test_the_ledger_writes_down_what_it_counted_once(
    database: Database, clock: FakeClock
) -> None:
    store = SqlOutcomeStore(database)
    ledger = OutcomeLedger(store, clock=clock)
    ledger.count(1, Category.ERROR, Outcome.ACCEPTED)
    ledger.count(1, Category.ERROR, Outcome.ACCEPTED, quantity=4)

    await ledger.flush()
    await ledger.flush()

    (tally,) = await store.read_accepted(clock.now() - timedelta(hours=2))
    assert (tally.quantity, tally.hour.minute) == (5, 0)
