"""The limit of messages an hour: what is sent, what is put together, what waits."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from resumatch_monitor.dispatch.grouping.budget import Budget, Division, Wish
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.routing.route import GroupId
from resumatch_monitor.dispatch.store import PastMessage
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.notification import NotificationKind
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import (
    START,
    Recorder,
    make_alert,
    make_integration,
    resolve,
)
from tests.dispatch.muting.test_muting import World, notifications
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

MINUTE = timedelta(minutes=1)


def wishes(*names: str) -> list[Wish]:
    """Make wishes; those in capitals are urgent."""
    return [Wish(GroupId("team", name.lower()), name.isupper()) for name in names]


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


class Account:
    """A budget of two messages whose divisions are carried out."""

    def __init__(self, limit: int = 2) -> None:
        self.budget = Budget(limit)

    def divide(self, minutes: float, *names: str) -> tuple[str, str, str]:
        """Return what is sent, summarised and waiting, a letter each."""
        division = self.carry_out(minutes, *names)
        return (
            "".join(names[i] for i in division.sent),
            "".join(names[i] for i in division.summarised),
            "".join(names[i] for i in division.waiting),
        )

    def carry_out(self, minutes: float, *names: str) -> Division:
        wished = wishes(*names)
        division = self.budget.divide("team", wished, at(minutes))
        self.budget.note_cap("team", division, {wished[i].group_id for i in division.waiting})
        for _ in division.sent:
            self.budget.note_sent("team", at(minutes))
        if division.summarised:
            group_ids = {wished[i].group_id for i in division.summarised}
            self.budget.note_summary("team", group_ids, at(minutes))
        return division


def test_messages_within_the_limit_are_sent() -> None:
    account = Account()

    assert account.divide(0, "a") == ("a", "", "")
    assert account.divide(1, "b") == ("b", "", "")
    assert account.divide(60, "c") == ("c", "", "")
    assert account.divide(61, "d") == ("d", "", "")


def test_what_is_beyond_it_waits_for_the_end_of_the_hour_and_comes_in_one() -> None:
    account = Account()

    division = account.carry_out(0, "a", "b", "c", "d")

    assert (division.waits_until, division.capped_until) == (at(60), at(60))
    assert account.divide(30, "e") == ("", "", "e")
    assert account.divide(60, "c", "d", "e") == ("", "cde", "")
    assert account.divide(61, "f") == ("f", "", "")


def test_critical_news_is_summarised_at_once_and_takes_the_others_with_it() -> None:
    account = Account()
    account.carry_out(0, "a", "b", "c")

    assert account.divide(1, "D", "c") == ("", "Dc", "")


def test_critical_news_comes_every_five_minutes_at_most() -> None:
    account = Account()
    account.carry_out(0, "A", "B", "C")

    division = account.carry_out(2, "D")

    assert (division.waiting, division.waits_until) == ([0], at(5))
    assert account.divide(5, "D", "E") == ("", "DE", "")


def test_one_that_waited_alone_is_a_message() -> None:
    account = Account()
    account.carry_out(0, "a", "b", "c")

    assert account.divide(60, "c") == ("c", "", "")


def test_a_second_storm_when_the_hour_is_over_is_told_with_what_waited() -> None:
    account = Account()
    account.carry_out(0, "a", "b", "c", "d")

    division = account.carry_out(60, "c", "d", "e", "f", "g")

    assert (list(division.sent), list(division.summarised)) == ([2, 3], [0, 1, 4])
    assert division.capped_until == at(120)


def test_without_a_limit_everything_is_sent() -> None:
    assert Account(0).divide(0, "a", "b", "C") == ("abC", "", "")


def test_the_count_survives_a_restart_and_a_clock_that_was_set_back() -> None:
    budget = Budget(2)
    day_after = START + timedelta(days=1)
    budget.restore(
        [PastMessage("team", day_after, False), PastMessage("team", day_after, False)], START
    )

    division = budget.divide("team", wishes("a"), START)

    assert (list(division.waiting), division.waits_until) == ([0], at(60))


CONFIG: dict[str, Any] = {"max_messages_per_hour": 3, "route": {"group_by": ["..."]}}


@pytest.mark.anyio
async def test_a_storm_is_a_few_messages_and_a_summary_and_everything_counts_as_told(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    world = World(database, clock, ids, config=CONFIG)
    await world.restart()
    storm = [make_alert(instance=str(number)) for number in range(300)]
    await world.put(*storm)

    told = await notifications(database)
    assert [each.kind.value for each in told] == ["firing"] * 3 + ["notice"]
    summary = told[-1].notice
    assert summary is not None
    assert summary.title == "297 messages in one: 297 firing"
    assert summary.text == (
        "More than 3 messages within an hour are too many to read. Until 13:00 UTC there are only"
        " summaries: of critical alerts every 5 minutes at most, of everything else then."
    )
    assert (summary.severity, len(summary.sections[0].lines)) == ("critical", 51)
    assert (told[-1].firing_count, len(told[-1].alerts)) == (297, 297)

    await world.restart()
    await world.put(*storm)
    assert len(await notifications(database)) == 4

    await world.put(*(resolve(each, clock.now()) for each in storm))
    await world.wait(3600)
    told = await notifications(database)
    assert [each.kind for each in told[4:]] == [NotificationKind.NOTICE]
    assert told[4].resolved_count == 300
    assert (told[4].created_at - START) == timedelta(minutes=5)


@pytest.mark.anyio
async def test_what_is_not_critical_waits_and_is_not_told_if_it_ends_meanwhile(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    world = World(database, clock, ids, config=CONFIG)
    await world.restart()
    storm = [make_alert(severity="warning", instance=str(number)) for number in range(9)]
    await world.put(*storm)
    await world.wait(60)
    await world.put(*(resolve(each, clock.now()) for each in storm[4:7]))
    await world.wait(3700)

    told = await notifications(database)
    fired = [sorted(alert.labels["instance"] for alert in each.alerts) for each in told]
    assert fired == [["0"], ["1"], ["2"], ["3", "7", "8"]]
    notice = told[3].notice
    assert notice is not None
    assert notice.title == "3 messages in one: 3 firing"
    assert "one by one again" in notice.text


@pytest.mark.anyio
async def test_incidents_elsewhere_hear_of_each_end_whatever_the_limit(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    pager, mail = Recorder(), Recorder()
    integrations = [
        make_integration(pager, kind="pagerduty"),
        make_integration(mail, kind="email"),
    ]
    outbox = Outbox(
        store=SqlOutbox(database), integrations=integrations, clock=clock, telemetry=Telemetry()
    )
    world = World(database, clock, ids, config=CONFIG, integrations=integrations)
    await world.restart()
    storm = [make_alert(instance=str(number)) for number in range(3)]
    await world.put(*storm)
    await outbox.deliver_due()
    await world.put(*(resolve(each, clock.now()) for each in storm))
    await world.wait(60)
    await outbox.deliver_due()

    kinds = [[each.kind.value for each in recorder.sent] for recorder in (pager, mail)]
    assert kinds == [["firing"] * 3 + ["resolved"] * 3, ["firing"] * 3 + ["notice"]]


@pytest.mark.anyio
async def test_what_is_escalated_beyond_the_limit_pages_at_once(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    config = {
        **CONFIG,
        "receivers": [{"name": "default"}],
        "escalations": [{"name": "up", "steps": [{"after": "15m"}]}],
        "route": {"group_by": ["..."], "escalation": "up"},
    }
    world = World(database, clock, ids, config=config)
    await world.restart()
    await world.put(*(make_alert(severity="warning", instance=str(n)) for n in range(3)))
    await world.wait(16 * 60, step=15)

    *_, summary = await notifications(database)
    assert summary.notice is not None
    assert (summary.created_at - START) == timedelta(minutes=15, seconds=15)
    assert (summary.severity, summary.firing_count) == ("critical", 3)
    assert summary.notice.text.endswith("escalated: nobody has acknowledged it.")


@pytest.mark.anyio
async def test_a_restart_begins_no_new_hour(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    world = World(database, clock, ids, config=CONFIG)
    await world.restart()
    await world.put(*(make_alert(severity="warning", instance=str(n)) for n in range(3)))
    await world.wait(60)
    await world.restart()
    await world.put(make_alert(severity="warning", instance="later", starts_at=clock.now()))
    await world.wait(1800, step=60)

    assert len(await notifications(database)) == 3
    await world.wait(1800, step=60)
    assert [each.labels["instance"] for each in (await notifications(database))[3].alerts] == [
        "later"
    ]
