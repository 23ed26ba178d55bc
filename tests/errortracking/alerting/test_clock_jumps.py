"""A clock that ran ahead and was set right again holds nothing up."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.storage.sql.database import Database
from tests.errortracking.alerting.test_rules import world_of
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

_AHEAD = timedelta(days=300)
_COUNT = {"threshold": 3, "window": "5m"}


@pytest.mark.parametrize("when", ["events", "users"])
async def test_what_was_counted_by_a_clock_that_ran_ahead_ends_and_is_told_anew(
    tmp_path: Path, database: Database, clock: FakeClock, when: str
) -> None:
    rule: dict[str, Any] = {"name": "many", "when": when, "cool_down": "1h", **_COUNT}
    async with world_of(tmp_path, database, clock, rule) as world:
        clock.jump(_AHEAD)
        await world.send(*(world.make(user={"id": user}) for user in "abc"))
        clock.jump(-_AHEAD)
        await world.wait(1)
        assert [status for *_, status in world.told()] == ["firing", "resolved"]

        await world.send(*(world.make(user={"id": user}) for user in "ab"))
        assert len(world.alerts) == 2
        await world.send(world.make(user={"id": "c"}))

        assert world.told()[-1][2] == "firing"


async def test_a_storm_by_a_clock_that_ran_ahead_is_over_after_a_window(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rule: dict[str, Any] = {"name": "new", "when": "new"}
    storm = {"issues": 3, "window": "2m"}
    async with world_of(tmp_path, database, clock, rule, storm=storm) as world:
        clock.jump(_AHEAD)
        await world.send(*(world.make(f"E{number}Error") for number in range(4)))
        clock.jump(-_AHEAD)
        await world.wait(60)
        assert [each.name for each in world.alerts] == ["IssueStorm"]

        await world.wait(120)

        assert world.told()[-1] == ("IssueStorm", "warning", "resolved")
        assert world.alerts[-1].starts_at == world.alerts[0].starts_at
        await world.send(world.make("NextError"))
        assert world.told()[-1][0] == "NewIssue"
