"""Pushed alerts on a real database: moving ends, expiry, restarts and clocks that jump."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.occurrences import pushed as pushed_module
from resumatch_monitor.dispatch.occurrences.pushed import (
    PushedAlert,
    PushedAlerts,
    TooManyAlertsError,
)
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.pushed import SqlExpiries
from tests.dispatch.builders import START, make_alert, make_dispatcher
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
LABELS = Labels.of(alertname="HighThing", severity="page")


class Parts:
    """A dispatcher and what pushed alerts go through on their way to it."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.dispatcher: Dispatcher = make_dispatcher(database, clock, SequentialIds())
        self.pushed = PushedAlerts(
            store=SqlExpiries(database),
            sink=self.dispatcher,
            firing=self.dispatcher.firing,
            resolve_timeout=5 * MINUTE,
            clock=clock,
            telemetry=Telemetry(),
        )

    async def load(self) -> "Parts":
        await self.dispatcher.load()
        await self.pushed.load()
        return self

    @property
    def firing(self) -> list[Alert]:
        return list(self.dispatcher.firing)

    async def latest(self) -> Alert:
        record = await SqlAlerts(self.database).get_alert(LABELS.fingerprint)
        assert record is not None
        return record.alert


@pytest.fixture
async def parts(database: Database, clock: FakeClock) -> Parts:
    return await Parts(database, clock).load()


def push(
    *,
    starts_at: datetime | None = START,
    ends_at: datetime | None = None,
    labels: Labels = LABELS,
    **over: Any,
) -> PushedAlert:
    url = over.get("url", "http://prometheus.test/graph?g0.expr=up")
    return PushedAlert(labels, {"summary": "too high"}, starts_at, ends_at, url)


async def test_a_pushed_alert_fires_until_its_end_moves_no_more(
    parts: Parts, clock: FakeClock
) -> None:
    for _ in range(3):
        await parts.pushed.take([push(ends_at=clock.now() + 4 * MINUTE)])
        await clock.advance(60)
        await parts.pushed.expire_due()
    (alert,) = parts.firing
    assert (alert.starts_at, alert.source) == (START, AlertSource.PUSHED)
    assert alert.generator_path == "http://prometheus.test/graph?g0.expr=up"

    next_at = await parts.pushed.expire_due()
    assert next_at == START + 6 * MINUTE
    await clock.advance(180)
    await parts.pushed.expire_due()

    assert parts.firing == []
    assert (await parts.latest()).ends_at == START + 6 * MINUTE
    assert await SqlExpiries(parts.database).load() == {}


async def test_an_alert_that_says_nothing_of_its_end_ends_after_the_timeout(
    parts: Parts, clock: FakeClock
) -> None:
    await parts.pushed.take([push(starts_at=None)])
    await clock.advance(120)
    await parts.pushed.take([push(starts_at=None)])

    assert [each.starts_at for each in parts.firing] == [START]
    await clock.advance(299)
    await parts.pushed.expire_due()
    assert len(parts.firing) == 1
    await clock.advance(1)
    await parts.pushed.expire_due()
    assert parts.firing == []


async def test_an_end_in_the_past_resolves_and_its_repetition_changes_nothing(
    parts: Parts, clock: FakeClock
) -> None:
    await parts.pushed.take([push(ends_at=START + 4 * MINUTE)])
    await clock.advance(60)

    for _ in range(3):
        await parts.pushed.take([push(ends_at=START + MINUTE / 2)])

    assert parts.firing == []
    assert (await parts.latest()).ends_at == START + MINUTE / 2
    assert await parts.pushed.expire_due() is None


@pytest.mark.parametrize("is_last_firing", [True, False])
async def test_of_several_words_in_one_request_the_last_holds(
    parts: Parts, is_last_firing: bool
) -> None:
    words = [push(starts_at=None), push(starts_at=None, ends_at=START - MINUTE)]

    await parts.pushed.take(words[::-1] if is_last_firing else words)

    assert len(parts.firing) == is_last_firing


async def test_an_alert_fires_again_after_its_end(parts: Parts, clock: FakeClock) -> None:
    await parts.pushed.take([push()])
    await clock.advance(300)
    await parts.pushed.expire_due()

    await parts.pushed.take([push(starts_at=clock.now())])

    (alert,) = parts.firing
    assert alert.starts_at == START + 5 * MINUTE


async def test_of_two_senders_the_one_that_wants_it_longer_is_heard(
    parts: Parts, clock: FakeClock
) -> None:
    await parts.pushed.take([push(ends_at=START + 10 * MINUTE), push(ends_at=START + 4 * MINUTE)])
    await parts.pushed.take([push(ends_at=START + 3 * MINUTE)])

    assert parts.pushed.expires_at(LABELS.fingerprint) == START + 10 * MINUTE
    await clock.advance(299)
    await parts.pushed.expire_due()

    assert len(parts.firing) == 1


async def test_the_end_outlives_the_process_and_time_away_does_not_count(
    parts: Parts, database: Database, clock: FakeClock
) -> None:
    await parts.pushed.take([push(ends_at=START + 4 * MINUTE)])
    await clock.advance(600)

    after = await Parts(database, clock).load()
    await after.pushed.expire_due()
    assert [each.status for each in after.firing] == [AlertStatus.FIRING]
    await clock.advance(300)
    await after.pushed.expire_due()

    assert after.firing == []
    assert (await after.latest()).ends_at == START + 15 * MINUTE


@pytest.mark.parametrize("jump", [timedelta(hours=3), -timedelta(hours=3)])
async def test_a_clock_that_jumps_neither_ends_an_alert_nor_keeps_it(
    parts: Parts, clock: FakeClock, jump: timedelta
) -> None:
    await parts.pushed.take([push()])

    clock.jump(jump)
    await clock.advance(240)
    await parts.pushed.expire_due()
    assert len(parts.firing) == 1
    await clock.advance(60)
    await parts.pushed.expire_due()

    assert parts.firing == []
    assert (await parts.latest()).ends_at == max(clock.now(), START)


@pytest.mark.parametrize("jump", [timedelta(hours=3), -timedelta(hours=3)])
async def test_after_a_jump_and_a_restart_a_pushed_alert_ends_as_it_was_said(
    parts: Parts, database: Database, clock: FakeClock, jump: timedelta
) -> None:
    clock.jump(jump)
    ends_at = clock.now() + timedelta(hours=1)
    await parts.pushed.take([push(starts_at=None, ends_at=ends_at)])
    assert parts.pushed.expires_at(LABELS.fingerprint) == ends_at

    after = await Parts(database, clock).load()
    await clock.advance(3599)
    await after.pushed.expire_due()
    assert len(after.firing) == 1
    await clock.advance(1)
    await after.pushed.expire_due()

    assert after.firing == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (push(labels=Labels()), "at least one label pair required"),
        (push(labels=Labels.of(alertname="")), "at least one label pair required"),
        (push(ends_at=START - MINUTE), "start time must be before end time"),
        (push(labels=Labels.of(alertname="x" * 3000)), "longer than"),
        (push(labels=Labels.of({f"l{n}": "x" for n in range(100)})), "more than 64 labels"),
    ],
)
async def test_a_bad_alert_does_not_spoil_the_others(
    parts: Parts, bad: PushedAlert, complaint: str
) -> None:
    problems = await parts.pushed.take([bad, push()])

    assert len(problems) == 1
    assert complaint in problems[0]
    assert [each.name for each in parts.firing] == ["HighThing"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/etc/passwd", "", "ftp://x/y"])
async def test_only_an_address_of_the_web_is_kept_as_the_origin(parts: Parts, url: str) -> None:
    await parts.pushed.take([push(url=url)])

    assert parts.firing[0].generator_path == ""


async def test_an_end_in_the_far_future_is_no_error(parts: Parts) -> None:
    await parts.pushed.take([push(ends_at=datetime.max.replace(tzinfo=START.tzinfo))])

    assert len(parts.firing) == 1


@pytest.mark.parametrize(
    ("starts_at", "expected"),
    [
        (datetime.max.replace(tzinfo=UTC), START),
        (START + MINUTE, START),
        (datetime(2, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
async def test_a_start_that_cannot_be_is_corrected(
    parts: Parts, clock: FakeClock, starts_at: datetime, expected: datetime
) -> None:
    await parts.pushed.take([push(starts_at=starts_at)])
    await parts.dispatcher.flush_due()
    await clock.advance(60)
    await parts.pushed.take([push(starts_at=starts_at)])

    assert [each.starts_at for each in parts.firing] == [expected]


async def test_an_end_before_there_was_time_is_no_error(parts: Parts) -> None:
    await parts.pushed.take([push()])
    begin = datetime(2, 1, 1, tzinfo=UTC)

    assert await parts.pushed.take([push(starts_at=begin, ends_at=begin)]) == []


async def test_the_number_of_pushed_alerts_is_bounded(parts: Parts) -> None:
    def many(count: int) -> Sequence[PushedAlert]:
        return [push(labels=Labels.of(alertname="x", n=str(number))) for number in range(count)]

    most = pushed_module.MOST_PUSHED
    await parts.pushed.take(many(10))
    with pytest.raises(TooManyAlertsError):
        await parts.pushed.take(many(most + 1))

    assert len(parts.firing) == 10
    assert await parts.pushed.take(many(10)) == []


async def test_an_alert_of_the_monitors_own_does_not_end_with_a_pushed_one(
    parts: Parts, clock: FakeClock
) -> None:
    own = make_alert("HighThing")
    await parts.pushed.take([push(labels=own.labels)])
    await parts.dispatcher.put([own])
    await clock.advance(301)

    await parts.pushed.expire_due()

    assert parts.firing == [own]
