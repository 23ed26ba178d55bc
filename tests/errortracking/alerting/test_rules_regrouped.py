from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.storage.sql.database import Database
from tests.errortracking.alerting.test_rules import World, world_of
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

_RULES: list[dict[str, Any]] = [
    {"name": "many", "when": "events", "threshold": 5, "window": "10m"},
    {"name": "people", "when": "users", "threshold": 4, "window": "10m"},
]


async def counts(database: Database) -> tuple[dict[int, int], dict[int, int]]:
    """Return what is counted of each issue: events, and users."""

    def read(connection: Connection) -> tuple[dict[int, int], dict[int, int]]:
        events, users = (
            {row.issue_id: row.n for row in connection.execute(text(query))}
            for query in (
                "SELECT issue_id, sum(event_count) AS n FROM issue_rule_counts GROUP BY issue_id",
                "SELECT issue_id, count(*) AS n FROM issue_rule_users GROUP BY issue_id",
            )
        )
        return events, users

    return await database.read(read)


async def send(world: World, kind: str, *users: str) -> None:
    await world.send(*(world.make(kind, user={"id": user}) for user in users))


async def test_what_is_counted_of_issues_is_added_up_when_they_are_merged(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_RULES) as world:
        await send(world, "AError", "ann", "bob")
        await clock.advance(61)
        await send(world, "BError", "bob", "cid")
        await world.stack.regrouping.regrouper.merge(1, [2], actor="ada", at=clock.now())
        assert world.told() == []

        await send(world, "BError", "dan")

        assert {(each.name, each.value) for each in world.alerts} == {
            ("IssueEvents", 5),
            ("IssueUsers", 4),
        }


async def test_each_issue_has_its_own_count_again_once_a_merge_is_undone(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_RULES) as world:
        regrouper = world.stack.regrouping.regrouper
        await send(world, "AError", "ann", "bob")
        await send(world, "BError", "bob")
        merged = await regrouper.merge(1, [2], actor="ada", at=clock.now())
        await send(world, "BError", "cid")
        assert await counts(database) == ({1: 4}, {1: 3})

        await regrouper.undo(merged.merge_id, actor="ada", at=clock.now())

        assert await counts(database) == ({1: 2, 2: 2}, {1: 2, 2: 2})
        assert world.told() == []


async def test_a_split_takes_its_share_of_what_is_counted(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_RULES) as world:
        regrouper = world.stack.regrouping.regrouper
        await send(world, "AError", "ann", "bob", "cid")
        await send(world, "BError", "bob")
        await regrouper.merge(1, [2], actor="ada", at=clock.now())
        rarest = (await regrouper.list_keys(1))[-1]
        split = await regrouper.split(1, [rarest.id], actor="ada", at=clock.now())

        assert await counts(database) == ({1: 3, 3: 1}, {1: 3, 3: 1})

        await regrouper.undo(split.merge_id, actor="ada", at=clock.now())
        assert await counts(database) == ({1: 4}, {1: 3})


async def test_of_an_issue_with_which_people_are_done_nothing_is_counted_by_a_merge(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with world_of(tmp_path, database, clock, *_RULES) as world:
        await send(world, "AError", "ann")
        await send(world, "BError", "bob")
        await world.stack.set_status([1], IssueStatus.RESOLVED, actor="ada", at=clock.now())
        await world.stack.regrouping.regrouper.merge(1, [2], actor="ada", at=clock.now())

        assert await counts(database) == ({}, {})
