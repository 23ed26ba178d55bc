"""Alerts about issues that begin have an end, which is told once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from resumatch_monitor.errortracking.alerting.config import default_rules
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.storage.sql.database import Database
from tests.errortracking.alerting.test_rules import World, world_of
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

_DEFAULTS = [rule.model_dump() for rule in default_rules()]
_FIRING = ("NewIssue", "warning", "firing")
_OVER = ("NewIssue", "warning", "resolved")


async def decide(world: World, status: IssueStatus) -> None:
    await world.clock.advance(1)
    await world.stack.set_status([1], status, actor="ada", at=world.clock.now())
    await world.wait(1)


@pytest.mark.parametrize("status", [IssueStatus.RESOLVED, IssueStatus.IGNORED])
async def test_an_alert_ends_once_people_are_done_with_the_issue(
    tmp_path: Path, database: Database, clock: FakeClock, status: IssueStatus
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make())
        await decide(world, status)
        await world.wait(3_600)

        assert world.told() == [_FIRING, _OVER]
        assert len({each.fingerprint for each in world.alerts}) == 1


async def test_an_alert_ends_when_the_issue_is_quiet_or_gone(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make("AError"), world.make("BError"))
        await database.write(lambda c: c.execute(text("DELETE FROM issues WHERE id = 2")))
        await world.wait(1)
        assert world.told()[2:] == [_OVER]
        for _ in range(3):
            await world.wait(590)
            await world.send(world.make("AError"))
        assert len(world.alerts) == 3

        await world.wait(600)
        await world.wait(600)

        assert world.told()[3:] == [_OVER]
        assert world.alerts[-1].labels["issue"] == "RESUMATCH-API-1"


async def test_what_is_back_is_told_anew_after_the_end_of_what_was(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make())
        for _ in range(2):
            await clock.advance(1)
            await world.stack.set_status([1], IssueStatus.RESOLVED, actor="ada", at=clock.now())
            await clock.advance(1)
            # Before anybody looked for ends.
            await world.send(world.make())

        assert [(each.name, each.status.value) for each in world.alerts] == [
            ("NewIssue", "firing"),
            ("NewIssue", "resolved"),
            ("IssueRegressed", "firing"),
            ("IssueRegressed", "resolved"),
            ("IssueRegressed", "firing"),
        ]


async def test_a_rule_says_how_long_quiet_is_or_that_there_is_no_end(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules = [
        {"name": "a", "when": "new", "title": "AError*", "quiet": "1h"},
        {"name": "b", "when": "new", "title": "BError*", "lasting": False},
    ]
    async with world_of(tmp_path, database, clock, *rules) as world:
        await world.send(world.make("AError"), world.make("BError"))
        await world.wait(3_599)
        assert [each.is_event for each in world.alerts] == [False, True]

        await world.wait(1)

        assert [each.labels["rule"] for each in world.alerts[2:]] == ["a"]


async def test_an_event_of_a_clock_that_ran_ahead_keeps_no_alert_open(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make())
        ahead = {"at": int((clock.now() + timedelta(days=400)).timestamp() * 1_000)}
        await database.write(
            lambda c: c.execute(text("UPDATE issues SET last_seen_at = :at"), ahead)
        )

        await world.wait(600)

        assert world.told() == [_FIRING, _OVER]


@pytest.mark.parametrize("is_restart", [True, False])
async def test_time_in_which_nobody_could_notice_an_event_is_no_quiet(
    tmp_path: Path, database: Database, clock: FakeClock, *, is_restart: bool
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make())
        await world.wait(60)
        # The machine slept, or its clock was set; or the monitor was stopped and started.
        clock.jump(timedelta(hours=1))
        if is_restart:
            world.renew_timer()

        await world.wait(599)
        assert world.told() == [_FIRING]

        await world.wait(1)
        assert world.told() == [_FIRING, _OVER]


async def test_what_begins_anew_while_its_end_is_told_is_not_over(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_DEFAULTS) as world:
        await world.send(world.make())
        await clock.advance(1)
        await world.stack.set_status([1], IssueStatus.RESOLVED, actor="ada", at=clock.now())
        [ended] = await world.stack.alerts.ended_alerts(10)
        anew = replace(ended, started_at=clock.now(), ended_at=None)
        await world.stack.alerts.clear_alerts([], opened=[anew])
        await world.stack.alerts.clear_ended([ended], clock.now())

        await world.wait(15)

        assert world.told() == [_FIRING, _OVER]
        assert world.alerts[-1].starts_at == anew.started_at
