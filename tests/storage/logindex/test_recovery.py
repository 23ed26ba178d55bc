"""What a crash or a bad disk leaves of a store is mended when it is opened again."""

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from resumatch_monitor.logs.query.tree import Equals, Words
from resumatch_monitor.logs.store import LogQuery
from resumatch_monitor.storage.logindex.codec import BlockCompressor, encode_record
from resumatch_monitor.storage.logindex.frames import FrameKind, pack_frame, read_layout
from resumatch_monitor.storage.logindex.partition import SEAL_FILE
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import count_missing, read_bodies, recent
from tests.support.logs import place
from tests.support.waiting import wait_for

pytestmark = pytest.mark.anyio

OpenStore = Callable[..., TantivyLogStore]


async def fill(open_store: OpenStore, *, batches: int = 3, **options: int) -> TantivyLogStore:
    """Store batches of ten records, each with an attribute."""
    store = open_store(**options)
    for batch in range(batches):
        records = [
            recent(f"body {batch}{index}", attributes={"user.id": f"u{index}"})
            for index in range(10)
        ]
        await store.append(records, until=place(batch + 1))
    return store


def bodies(batches: int = 3) -> list[str]:
    return [f"body {batch}{index}" for batch in range(batches) for index in range(10)]


async def assert_all_found(store: TantivyLogStore, batches: int = 3) -> None:
    """Look for the records by what only file, index, or names know."""
    assert await read_bodies(store) == bodies(batches)
    assert await read_bodies(store, Words(("21",))) == ["body 21"]
    assert len(await read_bodies(store, Equals("user.id", "u3"))) == batches
    assert (await store.top_values(LogQuery(), "user.id", limit=3)).having == 10 * batches
    assert store.unsearchable() == 0


async def test_finds_everything_once_after_it_was_opened_again(open_store: OpenStore) -> None:
    await fill(open_store)

    for _ in range(2):
        store = open_store()
        await assert_all_found(store)
        assert store.position() == place(3)
        assert (await store.count(LogQuery())).total == 30


async def test_goes_on_after_it_was_opened_again(open_store: OpenStore) -> None:
    await fill(open_store)

    store = open_store()
    await store.append([recent("one more", attributes={"another": 1})], until=place(4))
    store = open_store()

    assert await read_bodies(store) == [*bodies(), "one more"]
    assert len(await read_bodies(store, Equals("another", "1"))) == 1


async def test_does_not_keep_an_id_again_after_it_was_opened_again(open_store: OpenStore) -> None:
    store = open_store(partition_rows=2)
    await store.append([recent("a", record_id="1"), recent("b", record_id="2")], until=place(1))
    store = open_store(partition_rows=2)

    again = [recent("b", record_id="2"), recent("c", record_id="3"), recent("d", record_id="3")]

    assert await store.append(again, until=place(2)) == 1
    assert await read_bodies(store) == ["a", "b", "c"]


async def test_cuts_off_what_the_index_never_got(folder: Path, open_store: OpenStore) -> None:
    (await fill(open_store)).close()
    path = folder / "00000001" / "records"
    whole = path.stat().st_size
    line = encode_record(recent("never acknowledged"), 1)
    block = pack_frame(FrameKind.BLOCK, BlockCompressor(None).pack([line]), rows=1, first_row=30)
    for extra in (block, block[:-5], block + b"\x03\x00\x00", os.urandom(3_000)):
        with path.open("ab") as file:
            file.write(extra)

        store = open_store()

        await assert_all_found(store)
        assert store.position() == place(3)
        store.close()
        assert path.stat().st_size == whole


async def test_does_not_cut_off_what_an_older_index_lacks(
    folder: Path, open_store: OpenStore
) -> None:
    store = await fill(open_store, batches=1)
    store.close()
    shutil.copytree(folder / "00000001" / "index", folder.with_name("older"))
    store = open_store()
    for batch in (1, 2):
        records = [
            recent(f"body {batch}{index}", attributes={"user.id": f"u{index}"})
            for index in range(10)
        ]
        await store.append(records, until=place(batch + 1))
    store.close()
    shutil.rmtree(folder / "00000001" / "index")
    folder.with_name("older").rename(folder / "00000001" / "index")

    store = open_store()

    await assert_all_found(store)
    assert store.position() == place(3)


@pytest.mark.parametrize(
    ("damage", "is_sealed"),
    [
        ("deleted", True),
        ("emptied", False),
        ("torn", True),
        ("no names", False),
        ("names", True),
        ("names", False),
    ],
)
async def test_makes_a_damaged_index_anew(
    folder: Path, open_store: OpenStore, damage: str, is_sealed: bool
) -> None:
    (await fill(open_store)).close()
    if is_sealed:
        # Another has the place of the latest.
        store = open_store(partition_rows=30)
        await store.append([recent("the next")], until=place(4))
        store.close()
    partition = folder / "00000001"
    _damage(partition, damage)

    store = open_store()

    await assert_all_found_beside(store, ["the next"] if is_sealed else [])
    assert store.position() == place(4 if is_sealed else 3)
    store = open_store()
    await assert_all_found_beside(store, ["the next"] if is_sealed else [])


def _damage(partition: Path, damage: str) -> None:
    index = partition / "index"
    if damage == "deleted":
        shutil.rmtree(index)
    elif damage == "emptied":
        (index / "meta.json").write_bytes(b"")
    elif damage == "torn":
        for path in index.iterdir():
            if path.suffix in (".term", ".fast", ".idx"):
                os.truncate(path, path.stat().st_size // 2)
    elif damage == "no names":
        (partition / "names").unlink()
    else:
        (partition / "names").write_bytes(b"\xff\xfe garbage\n")


async def assert_all_found_beside(store: TantivyLogStore, others: list[str]) -> None:
    assert await read_bodies(store) == [*bodies(), *others]
    assert len(await read_bodies(store, Equals("user.id", "u3"))) == 3
    assert store.unsearchable() == 0


async def test_makes_a_large_index_anew_in_the_background(
    folder: Path, open_store: OpenStore
) -> None:
    (await fill(open_store)).close()
    shutil.rmtree(folder / "00000001" / "index")

    store = open_store(rebuilt_at_once=10)
    assert store.position() == place(3)
    await store.append([recent("meanwhile")], until=place(4))
    assert "meanwhile" in await read_bodies(store)
    wait_for(lambda: None if store.unsearchable() else True)

    await assert_all_found_beside(store, ["meanwhile"])
    store = open_store(rebuilt_at_once=10)
    await assert_all_found_beside(store, ["meanwhile"])
    assert store.position() == place(4)


async def test_says_which_records_a_torn_block_had(folder: Path, open_store: OpenStore) -> None:
    store = await fill(open_store)
    store.close()
    path = folder / "00000001" / "records"
    block = read_layout(path).blocks[1]
    with path.open("r+b") as file:
        file.seek(block.offset + 10)
        file.write(b"\x00\xff\x00\xff")

    store = open_store()

    assert await read_bodies(store) == bodies()[:10] + bodies()[20:]
    assert await count_missing(store) == 10
    assert store.position() == place(3)


@pytest.mark.parametrize("has_index", [True, False])
async def test_finds_what_lies_after_a_stretch_that_is_no_block_any_more(
    folder: Path, open_store: OpenStore, has_index: bool
) -> None:
    (await fill(open_store, batches=4)).close()
    path = folder / "00000001" / "records"
    layout = read_layout(path)
    with path.open("r+b") as file:
        # The head of the block as well.
        file.seek(layout.commits[0].end)
        file.write(b"\xee" * (layout.blocks[1].end - layout.commits[0].end))
    if not has_index:
        shutil.rmtree(folder / "00000001" / "index")

    store = open_store()

    assert await read_bodies(store) == bodies(4)[:10] + bodies(4)[20:]
    assert await count_missing(store) == (10 if has_index else 0)
    assert store.position() == place(4)
    await store.append([recent("one more")], until=place(5))
    assert "one more" in await read_bodies(store)


async def test_keeps_records_of_which_the_place_in_the_spool_is_damaged(
    folder: Path, open_store: OpenStore
) -> None:
    (await fill(open_store)).close()
    path = folder / "00000001" / "records"
    with path.open("r+b") as file:
        file.seek(read_layout(path).commits[-1].end - 1)
        file.write(b"\xff")

    store = open_store()

    await assert_all_found(store)
    assert store.position() == place(2)


async def test_goes_by_the_records_where_the_seal_is_damaged(
    folder: Path, open_store: OpenStore
) -> None:
    for text in ("", '{"until": {"segment": 1}}'):
        shutil.rmtree(folder, ignore_errors=True)
        store = await fill(open_store, partition_rows=20)
        store.close()
        (folder / "00000001" / SEAL_FILE).write_text(text)

        store = open_store(partition_rows=20)

        await assert_all_found(store)
        assert store.position() == place(3)


async def test_leaves_a_partition_alone_that_it_cannot_read(
    folder: Path, open_store: OpenStore
) -> None:
    (await fill(open_store)).close()
    later = folder / "00000002"
    later.mkdir()
    (later / "records").write_bytes(b"of a later version")
    (folder / "lost+found").mkdir()

    store = open_store()
    await store.append([recent("one more")], until=place(4))

    assert store.unsearchable() == 1
    assert await read_bodies(store) == [*bodies(), "one more"]
    assert (later / "records").read_bytes() == b"of a later version"
    store = open_store()
    assert await read_bodies(store) == [*bodies(), "one more"]
    assert store.position() == place(4)


def test_finds_frames_beyond_damage_wherever_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "records"
    head = b"RMLOG\x00\x00\x01"
    frames = [
        pack_frame(FrameKind.BLOCK, zlib.compress(os.urandom(50)), rows=2, first_row=2 * number)
        for number in range(5)
    ]
    for at in range(len(frames[1])):
        damaged = bytearray(frames[1])
        damaged[at] ^= 0x5A
        path.write_bytes(head + frames[0] + bytes(damaged) + b"".join(frames[2:]))

        rows = {block.first_row for block in read_layout(path).blocks}

        assert {0, 4, 6, 8} <= rows, at
