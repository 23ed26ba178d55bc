import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, text

from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.issues import IssueQuery, IssueStatus
from resumatch_monitor.errortracking.regroup.model import (
    KeyId,
    NoSuchIssueError,
    RegroupError,
    parse_key,
)
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.regrouping import SqlIssueRegrouper
from tests.storage.sql import merger
from tests.support.clock import FakeClock
from tests.support.errors import ErrorStack, build_stack, make_event, make_exception

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_COUNTED = (
    *("issues", "issue_hours", "issue_tag_keys", "issue_tags", "issue_releases", "issue_users"),
    *("issue_groupings", "issue_events"),
)
_PLACES = ("pay", "save", "load", "send")


def event(number: int, place: int, **over: Any) -> dict[str, Any]:
    """Return event `number` of the bug at a place; users, hours and releases repeat."""
    exception = make_exception("KeyError", f"value {number}", _PLACES[place])
    return make_event(
        number,
        exception={"values": [exception]},
        timestamp=(_NOW - timedelta(minutes=37 * (200 - number))).isoformat(),
        release=f"shop@1.{number % 3}",
        user={"id": f"user-{number % 7}"},
        tags={"tenant": f"t{number % 5}", "place": str(place)},
        **over,
    )


async def digest(stack: ErrorStack, events: Sequence[dict[str, Any]]) -> None:
    records = [
        encode_record(
            ItemRecord(
                ItemKind.EVENT, 1, each["event_id"], _NOW, orjson.dumps(each), each["event_id"]
            )
        )
        for each in events
    ]
    for record in records:
        await stack.spool.append(record)
    await stack.drain()


@asynccontextmanager
async def opened(folder: Path, clock: FakeClock) -> AsyncGenerator[tuple[ErrorStack, Database]]:
    """Yield error tracking over a database of its own."""
    await asyncio.to_thread(folder.mkdir)
    database = Database(folder / "monitor.sqlite3")
    database.start()
    async with build_stack(folder / "spool", database=database, clock=clock) as stack:
        yield stack, database
    database.stop()


async def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is counted, in an order of its own.

    For what an event is kept is decided when it comes, by what its issue has at that moment.
    """

    def read(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
        rows = {
            table: connection.execute(text(f"SELECT * FROM {table}")).mappings().all()
            for table in _COUNTED
        }
        return {
            table: sorted(
                (
                    tuple(value for name, value in row.items() if name != "kept_for")
                    for row in found
                ),
                key=repr,
            )
            for table, found in rows.items()
        }

    return await database.read(read)


async def shown(stack: ErrorStack) -> dict[int, tuple[int, int]]:
    """Return events and users by issue."""
    page = await stack.reader.list_issues(IssueQuery(), _NOW)
    return {issue.id: (issue.event_count, issue.user_count) for issue in page.items}


FIRST = [event(number, number % 3) for number in range(1, 40)]
LATER = [event(number, number % 4) for number in range(40, 80)]


async def test_a_merge_joins_everything_that_is_counted(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        merged = await SqlIssueRegrouper(database).merge(1, [2, 3], actor="alice", at=_NOW)
        issue = await stack.reader.get_issue(1, _NOW)

    assert merged.other_ids == [2, 3]
    assert issue is not None
    assert (issue.issue.event_count, issue.issue.user_count) == (39, 7)
    assert sum(count for _, count in issue.counts) == 39
    assert {each.version: each.event_count for each in issue.releases} == {
        "shop@1.0": 13, "shop@1.1": 13, "shop@1.2": 13,
    }  # fmt: skip
    tags = {tag.key: (tag.total, dict(tag.values)) for tag in issue.tags}
    assert tags["place"] == (39, {"0": 13, "1": 13, "2": 13})
    assert issue.issue.value == "value 39"
    assert issue.issue.first_seen_at == _NOW - timedelta(minutes=37 * 199)
    assert (issue.activity[0].kind, issue.activity[0].actor) == ("merged", "alice")
    assert "RESUMATCH-API-2, RESUMATCH-API-3" in issue.activity[0].text
    assert sum(each.kind == "created" for each in issue.activity) == 3


async def test_alerts_that_last_end_with_the_issues_that_are_merged(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    open_alerts = text(
        "INSERT INTO issue_open_alerts (rule, project_id, issue_id, kind, started_at)"
        " VALUES ('often', 1, 1, 'events', 0), ('often', 1, 2, 'events', 0)"
    )
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        await database.write(lambda c: c.execute(open_alerts))
        await SqlIssueRegrouper(database).merge(1, [2], actor="alice", at=_NOW)
        rows = await database.read(
            lambda c: c.execute(
                text("SELECT issue_id, ended_at FROM issue_open_alerts WHERE rule = 'often'")
            ).all()
        )

    assert {row.issue_id: row.ended_at is None for row in rows} == {1: True, 2: False}


async def test_what_comes_later_by_the_merged_keys_goes_to_the_one_issue(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        regrouper = SqlIssueRegrouper(database)
        await regrouper.merge(1, [2, 3], actor="alice", at=_NOW)
        await digest(stack, LATER)

        assert {number: events for number, (events, _) in (await shown(stack)).items()} == {
            1: 69,
            4: 10,
        }
        assert await regrouper.find_heir(3) == 1
        assert await regrouper.find_heir(1) is None
        assert await regrouper.find_heir(99) is None


async def test_undoing_a_merge_leaves_what_would_be_there_without_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with (
        opened(tmp_path / "merged", clock) as (stack, database),
        opened(tmp_path / "plain", clock) as (plain_stack, plain),
    ):
        regrouper = SqlIssueRegrouper(database)
        await digest(stack, FIRST)
        merged = await regrouper.merge(2, [1, 3], actor="alice", at=_NOW)
        await digest(stack, LATER)
        undone = await regrouper.undo(merged.merge_id, actor="bob", at=_NOW)
        for each in (FIRST, LATER):
            await digest(plain_stack, each)

        assert undone.missing_events == 0
        assert await dump(database) == await dump(plain)
        detail = await stack.reader.get_issue(1, _NOW)
        assert detail is not None
        assert [each.kind for each in detail.activity] == ["unmerged", "created"]
        assert [each.undone_by for each in await regrouper.list_merges(2)] == ["bob"]


async def test_merges_of_merges_are_undone_in_turn(tmp_path: Path, clock: FakeClock) -> None:
    async with (
        opened(tmp_path / "merged", clock) as (stack, database),
        opened(tmp_path / "plain", clock) as (plain_stack, plain),
    ):
        regrouper = SqlIssueRegrouper(database)
        await digest(stack, FIRST)
        first = await regrouper.merge(2, [1], actor="alice", at=_NOW)
        second = await regrouper.merge(3, [2], actor="alice", at=_NOW)
        assert await regrouper.find_heir(1) == 3
        with pytest.raises(RegroupError, match="undo that merge first"):
            await regrouper.undo(first.merge_id, actor="alice", at=_NOW)
        await digest(stack, LATER)
        await regrouper.undo(second.merge_id, actor="alice", at=_NOW)
        await regrouper.undo(first.merge_id, actor="alice", at=_NOW)
        for each in (FIRST, LATER):
            await digest(plain_stack, each)

        assert await dump(database) == await dump(plain)
        with pytest.raises(RegroupError, match="has been undone"):
            await regrouper.undo(first.merge_id, actor="alice", at=_NOW)


async def test_a_split_takes_what_came_by_a_key(tmp_path: Path, clock: FakeClock) -> None:
    async with (
        opened(tmp_path / "merged", clock) as (stack, database),
        opened(tmp_path / "plain", clock) as (plain_stack, plain),
    ):
        regrouper = SqlIssueRegrouper(database)
        await digest(stack, FIRST)
        await regrouper.merge(1, [2, 3], actor="alice", at=_NOW)
        await digest(plain_stack, FIRST)
        keys = {use.id for use in await regrouper.list_keys(1)}
        kept = {use.id for use in await SqlIssueRegrouper(plain).list_keys(1)}
        split = await regrouper.split(1, sorted(keys - kept, key=repr), actor="bob", at=_NOW)

        assert (split.other_ids, split.missing_events) == ([4], 0)
        whole, part = (await dump(plain)), (await dump(database))
        for table in ("issue_hours", "issue_tag_keys", "issue_tags", "issue_users"):
            assert [row for row in part[table] if row[0] == 1] == [
                row for row in whole[table] if row[0] == 1
            ]
        assert await shown(stack) == {1: (13, 7), 4: (26, 7)}
        assert [row for row in part["issues"] if row[0] == 1] == [
            row for row in whole["issues"] if row[0] == 1
        ]
        detail = await stack.reader.get_issue(4, _NOW)
        assert detail is not None
        assert detail.issue.short_id == "RESUMATCH-API-4"
        assert sum(count for _, count in detail.counts) == 26
        assert detail.issue.status is IssueStatus.UNRESOLVED

        await regrouper.undo(split.merge_id, actor="bob", at=_NOW)
        assert await shown(stack) == {1: (39, 7)}


async def test_a_merge_is_undone_after_a_split_that_was_undone(
    tmp_path: Path, clock: FakeClock
) -> None:
    later = [event(number, number % 3) for number in range(40, 70)]
    async with (
        opened(tmp_path / "merged", clock) as (stack, database),
        opened(tmp_path / "plain", clock) as (plain_stack, plain),
    ):
        regrouper = SqlIssueRegrouper(database)
        await digest(stack, FIRST)
        merged = await regrouper.merge(1, [2, 3], actor="alice", at=_NOW)
        for use in (await regrouper.list_keys(1))[:2]:
            split = await regrouper.split(1, [use.id], actor="alice", at=_NOW)
            with pytest.raises(RegroupError, match="undo that first"):
                await regrouper.undo(merged.merge_id, actor="alice", at=_NOW)
            undone = await regrouper.undo(split.merge_id, actor="alice", at=_NOW)
            with pytest.raises(RegroupError, match="undid a split"):
                await regrouper.undo(undone.merge_id, actor="alice", at=_NOW)
            assert await regrouper.find_heir(split.other_ids[0]) == 1
        await digest(stack, later)
        await regrouper.undo(merged.merge_id, actor="alice", at=_NOW)
        for each in (FIRST, later):
            await digest(plain_stack, each)

        assert await dump(database) == await dump(plain)


async def test_a_split_says_which_events_are_no_longer_stored(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    config = ErrorsConfig(events_per_issue=5)
    async with build_stack(tmp_path, database=database, clock=clock, config=config) as stack:
        await digest(stack, FIRST)
        regrouper = SqlIssueRegrouper(database)
        await regrouper.merge(1, [2], actor="alice", at=_NOW)
        await stack.store.trim(events_per_issue=5, events_per_project=1_000_000)
        use = (await regrouper.list_keys(1))[0]
        split = await regrouper.split(1, [use.id], actor="alice", at=_NOW)
        counts = await shown(stack)
        detail = await stack.reader.get_issue(split.other_ids[0], _NOW)

    assert split.missing_events == use.event_count - use.stored_count > 0
    assert counts[1][0] + counts[split.other_ids[0]][0] == 26
    assert detail is not None
    assert "no longer stored" in detail.activity[0].text


@pytest.mark.parametrize(
    ("target", "others", "error"),
    [
        (1, [1], RegroupError),
        (1, [99], NoSuchIssueError),
        (1, [3], RegroupError),
        (1, range(2, 60), RegroupError),
    ],
)
async def test_refuses_a_merge_that_makes_no_sense(
    tmp_path: Path, database: Database, clock: FakeClock, target: int, others: Any, error: Any
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        await database.write(
            lambda c: c.execute(
                text(
                    "INSERT INTO error_projects (project_id, slug, last_number, event_count)"
                    " VALUES (2, 'other', 0, 0)"
                )
            )
        )
        other = text("UPDATE issues SET project_id = 2, number = 9 WHERE id = 3")
        await database.write(lambda c: c.execute(other))
        before = await shown(stack)
        with pytest.raises(error):
            await SqlIssueRegrouper(database).merge(target, list(others), actor="a", at=_NOW)
        assert await shown(stack) == before


async def test_refuses_a_split_that_leaves_nothing(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        regrouper = SqlIssueRegrouper(database)
        keys = [use.id for use in await regrouper.list_keys(1)]
        foreign = [use.id for use in await regrouper.list_keys(2)]

        for wrong in (keys, foreign, [], [KeyId(2, b"x" * 16)]):
            with pytest.raises(RegroupError):
                await regrouper.split(1, wrong, actor="a", at=_NOW)


async def test_the_id_of_a_merged_issue_is_not_used_again(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)
        await SqlIssueRegrouper(database).merge(1, [2, 3], actor="alice", at=_NOW)
        await digest(stack, [event(90, 3)])

        assert set(await shown(stack)) == {1, 4}


async def check_is_whole(stack: ErrorStack, database: Database, events: int) -> None:
    """Every event is counted once, and lies where its key leads."""

    def read(connection: Any) -> list[Any]:
        questions = (
            "SELECT count(*) FROM issue_events",
            "SELECT sum(event_count) FROM issues",
            "SELECT sum(event_count) FROM issue_hours",
            "SELECT sum(event_count) FROM issue_groupings",
            "SELECT sum(stored_count) FROM issues",
            "SELECT count(*) FROM issue_events e JOIN issue_groupings g ON g.key = e.grouping_key"
            " AND g.version = e.grouping_version AND g.issue_id = e.issue_id",
        )
        return [connection.scalar(text(question)) for question in questions]

    assert await database.read(read) == [events] * 6
    users = await database.read(
        lambda c: c.execute(
            text(
                "SELECT user_count, (SELECT count(*) FROM issue_users WHERE issue_id = issues.id),"
                " (SELECT count(DISTINCT user_hash) FROM issue_events WHERE issue_id = issues.id)"
                " FROM issues"
            )
        ).all()
    )
    assert all(count == kept == stored for count, kept, stored in users)


async def test_events_that_arrive_during_merges_are_counted_once(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    regrouper = SqlIssueRegrouper(database)
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await digest(stack, FIRST)

        async def arrive() -> None:
            for start in range(40, 160, 4):
                await digest(
                    stack, [event(number, number % 4) for number in range(start, start + 4)]
                )

        async def regroup() -> None:
            for _ in range(10):
                merged = await regrouper.merge(1, [2, 3], actor="alice", at=_NOW)
                await regrouper.undo(merged.merge_id, actor="alice", at=_NOW)
            await regrouper.merge(1, [2, 3], actor="alice", at=_NOW)
            keys = [use.id for use in await regrouper.list_keys(1)]
            await regrouper.split(1, keys[:1], actor="alice", at=_NOW)

        await asyncio.gather(arrive(), regroup())
        await check_is_whole(stack, database, 159)


async def test_kill_9_during_merges_leaves_nothing_half_done(
    tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "data"
    async with opened(folder, clock) as (stack, _):
        await digest(stack, FIRST)
    for lines in (1, 4):
        await asyncio.to_thread(kill_after, folder / "monitor.sqlite3", lines)
        database = Database(folder / "monitor.sqlite3")
        database.start()
        async with build_stack(folder / "spool", database=database, clock=clock) as stack:
            await check_is_whole(stack, database, 39)
            regrouper = SqlIssueRegrouper(database)
            for merge in await regrouper.list_merges(1):
                if not merge.obstacle:
                    await regrouper.undo(merge.id, actor="alice", at=_NOW)
            assert await shown(stack) == {1: (13, 7), 2: (13, 7), 3: (13, 7)}
        database.stop()


def kill_after(path: Path, lines: int) -> None:
    with subprocess.Popen(
        [sys.executable, merger.__file__, str(path)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        for _ in range(lines):
            assert child.stdout.readline()
        child.kill()


def test_keys_are_written_and_read() -> None:
    key = KeyId(2, bytes(range(16)))

    assert parse_key(key.text) == key
    assert [parse_key(wrong) for wrong in ("", "2", "x-00", "2-" + "0" * 31, "2-" + "g" * 32)] == [
        None
    ] * 5
