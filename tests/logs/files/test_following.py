"""Lines of files come once each, whatever happens to the files and to the monitor."""

import asyncio
import logging
import os
import random
import shutil
from pathlib import Path

import pytest

from tests.logs.files.conftest import Following

pytestmark = pytest.mark.anyio
BANNER = "2026-11-26 07:00:00 INFO server started with a banner that is long enough to tell it\n"


async def test_lines_come_as_they_are_written(following: Following) -> None:
    following.write("a.log", "one\ntwo\nthr")

    first = await following.records()
    following.write("a.log", "ee\n")
    second = await following.records()

    assert [each.body for each in first] == ["one", "two"]
    assert [each.body for each in second] == ["three"]
    assert (first[0].service, first[0].source) == ("api", "file")
    assert first[0].attributes == {"log.file.path": str(following.folder / "a.log")}


async def test_files_that_come_later_are_found(following: Following) -> None:
    following.write("a.log", "one\n")
    await following.records()
    following.write("b.log", "two\n")
    following.write("c.txt", "not asked for\n")

    assert await following.bodies() == ["two"]


async def test_a_renamed_file_is_read_to_its_end_beside_its_successor(following: Following) -> None:
    following.write("a.log", "one\n")
    await following.records()
    following.write("a.log", "two\n")
    (following.folder / "a.log").rename(following.folder / "a.log.1")
    following.write("a.log", "four\n")
    following.write("a.log.1", "three\nwithout an end")

    came = await following.bodies()
    later = await following.bodies(seconds=40)

    assert sorted(came) == ["four", "three", "two"]
    assert later == ["without an end"]


async def test_an_idle_file_that_is_renamed_was_not_held_open_and_is_read_all_the_same(
    following: Following,
) -> None:
    following.write("a.log", "one\n")
    await following.records(seconds=60)
    following.write("a.log", "two\n")
    (following.folder / "a.log").rename(following.folder / "a.log.1")
    following.write("a.log", "three\n")

    assert sorted(await following.bodies()) == ["three", "two"]


async def test_a_deleted_file_is_read_to_its_end(following: Following) -> None:
    following.write("a.log", "one\n")
    await following.records()
    following.write("a.log", "two\n")
    (following.folder / "a.log").unlink()

    assert await following.bodies() == ["two"]


async def test_a_truncated_file_begins_anew(following: Following) -> None:
    following.write("a.log", "one\ntwo\n")
    await following.records()
    (following.folder / "a.log").write_text("new\n")

    assert await following.bodies() == ["new"]


async def test_a_file_that_is_longer_than_before_it_was_truncated_begins_anew(
    following: Following,
) -> None:
    following.write("a.log", "one\n")
    await following.records()
    (following.folder / "a.log").write_text("another text\nthat is longer\n")

    assert await following.bodies() == ["another text", "that is longer"]


@pytest.mark.parametrize("is_down", [False, True])
async def test_what_was_copied_before_the_truncation_is_read_from_the_copy(
    following: Following, is_down: bool
) -> None:
    following.write("a.log", BANNER + "one\n")
    await following.records()
    following.write("a.log", "two\n")
    shutil.copy(following.folder / "a.log", following.folder / "a.log.1")
    os.truncate(following.folder / "a.log", 0)
    if is_down:
        following.restart(is_orderly=True)
    following.write("a.log", "three\n")

    assert sorted(await following.bodies()) == ["three", "two"]


@pytest.mark.parametrize("is_orderly", [False, True])
async def test_what_is_written_while_the_monitor_is_down_comes_at_the_next_start(
    following: Following, is_orderly: bool
) -> None:
    following.write("a.log", "one\n")
    first = await following.records()
    following.write("a.log", "two\n")
    following.restart(is_orderly=is_orderly)
    again = await following.records()

    assert {each.body: each.record_id for each in again if each.body == "one"} in (
        {},
        {"one": first[0].record_id},
    )
    assert [each.body for each in again if each.body != "one"] == ["two"]


async def test_a_file_that_was_rotated_while_the_monitor_was_down_is_found(
    following: Following,
) -> None:
    following.write("a.log", BANNER)
    await following.records()
    following.write("a.log", "two\n")
    following.restart(is_orderly=True)
    (following.folder / "a.log").rename(following.folder / "a.log.1")
    following.write("a.log", BANNER + "three\n")

    came = await following.bodies()

    assert sorted(came) == sorted([BANNER.strip(), "three", "two"])


async def test_an_inode_that_was_given_again_is_another_file(following: Following) -> None:
    following.write("a.log", "one\n")
    await following.records()
    following.restart(is_orderly=True)
    # The same inode, as a file system gives it to the next file, and longer than before.
    (following.folder / "a.log").write_text("something else\nand more\n")

    assert await following.bodies() == ["something else", "and more"]


async def test_names_that_match_after_the_rotation_are_not_read_again(
    following: Following,
) -> None:
    following.restart(following.config("a.log*"))
    following.write("a.log", "one\n")
    await following.records()
    (following.folder / "a.log").rename(following.folder / "a.log.1")
    following.write("a.log", "two\n")

    assert await following.bodies(seconds=40) == ["two"]
    assert await following.bodies(seconds=40) == []
    (following.folder / "a.log.1").rename(following.folder / "a.log.2")
    (following.folder / "a.log").rename(following.folder / "a.log.1")
    assert await following.bodies(seconds=40) == []


async def test_a_new_pattern_may_begin_at_the_end(following: Following) -> None:
    following.write("a.log", "old\n")
    following.restart(following.config(start_at="end"))
    assert await following.bodies() == []
    following.write("a.log", "new\n")
    following.write("b.log", "later\n")
    assert sorted(await following.bodies()) == ["later", "new"]
    following.restart(is_orderly=True)
    following.write("c.log", "while it was down\n")
    assert await following.bodies() == ["while it was down"]


async def test_what_cannot_be_read_is_told_once(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    (following.folder / "loop.log").symlink_to(following.folder / "loop.log")
    (following.folder / "folder.log").mkdir()
    os.mkfifo(following.folder / "pipe.log")
    following.write("a.log", "one\n")

    with caplog.at_level(logging.WARNING):
        assert await following.bodies() == ["one"]

    assert len([each for each in caplog.records if "loop.log" in each.message]) == 1


async def test_a_file_whose_folder_was_away_for_a_while_is_not_read_again(
    following: Following,
) -> None:
    following.write("a.log", BANNER + "one\n")
    await following.records()
    away = following.folder.with_name("away")
    following.folder.rename(away)
    assert await following.bodies(seconds=60) == []
    following.restart(is_orderly=True)
    assert await following.bodies() == []
    away.rename(following.folder)
    following.write("a.log", "two\n")

    assert await following.bodies() == ["two"]


async def test_damaged_positions_lead_to_reading_from_the_start(following: Following) -> None:
    following.write("a.log", "one\n")
    await following.records()
    following.restart(is_orderly=True)
    (following.folder.parent / "state" / "positions.json").write_text('{"version": 1, "fi')

    assert await following.bodies() == ["one"]


async def test_a_full_spool_stops_the_reading_and_loses_nothing(tmp_path: Path) -> None:
    following = Following(tmp_path, max_bytes=2 * 1024 * 1024)
    following.write("a.log", "".join(f"{number:05} {'x' * 1000}\n" for number in range(6_000)))
    came: dict[str, int] = {}

    async def follow() -> None:
        await following.tailer.turn()
        while following.follower.has_more:
            await following.tailer.turn()
        following.clock.jump_monotonic(2)
        await following.tailer.turn()

    following_task = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        while not following_task.done():
            await following.clock.advance(1)
            for each in await following.drain():
                came[each.record_id] = int(each.body[:5])
    await following_task
    for each in await following.drain():
        came[each.record_id] = int(each.body[:5])
    following.follower.close()
    following.spool.stop()

    # Of what is appended together, a part may find no room, and comes after the rest.
    assert sorted(came.values()) == list(range(6_000))


async def test_no_more_files_than_allowed_are_followed(
    following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    following.restart(max_files=2)
    for name in ("a", "b", "c"):
        following.write(f"{name}.log", "line\n")

    with caplog.at_level(logging.WARNING):
        assert len(await following.records()) == 2

    assert following.follower.count == 2
    assert "2 files are followed already" in caplog.text


async def test_folders_between_are_gone_through_and_links_in_circles_are_not(
    following: Following,
) -> None:
    deep = following.folder / "[a]" / "b"
    deep.mkdir(parents=True)
    hidden = following.folder / ".old"
    hidden.mkdir()
    for name in ("x", "y"):
        (following.folder / name).symlink_to(following.folder)
    for folder, text in ((following.folder, "near"), (deep, "far"), (hidden, "hidden")):
        (folder / "a.log").write_text(f"{text}\n")
    (following.folder / "link.log").symlink_to(deep / "linked.txt")
    (deep / "linked.txt").write_text("linked\n")

    for pattern in ("**/*.txt", "**/*.log", "**"):
        following.restart(following.config(pattern))
        async with asyncio.timeout(20):
            bodies = sorted(await following.bodies())
        if pattern == "**/*.txt":
            assert bodies == ["linked"]
        else:
            assert bodies == ["far", "linked", "near"]


async def test_any_order_of_writes_rotations_and_crashes_loses_nothing(
    following: Following,
) -> None:
    rng = random.Random(7)
    path = following.folder / "a.log"
    written: list[str] = []
    came: dict[str, str] = {}
    generation = 0
    is_seen = False
    for step in range(60):
        lines = [f"{generation}-{step}-{number} {BANNER.strip()}" for number in range(3)]
        following.write("a.log", "".join(f"{line}\n" for line in lines))
        written += lines
        action = rng.choice(["read", "read", "crash", "stop", "rename", "copytruncate", "write"])
        # A file that came and went between two looks was never there.
        if action in ("rename", "copytruncate") and is_seen:
            generation += 1
            _rotate(path, generation, is_copy=action == "copytruncate")
            is_seen = False
        elif action != "write":
            is_seen = True
        if action in ("crash", "stop"):
            following.restart(is_orderly=action == "stop")
        if action != "write":
            for each in await following.records(turns=1):
                came.setdefault(each.record_id, each.body)
    for each in await following.records():
        came.setdefault(each.record_id, each.body)

    assert sorted(came.values()) == sorted(written)


def _rotate(path: Path, generation: int, *, is_copy: bool) -> None:
    target = path.with_name(f"a.{generation}")
    if is_copy:
        shutil.copy(path, target)
        os.truncate(path, 0)
    else:
        path.rename(target)
