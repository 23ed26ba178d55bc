"""What is kept of uploads, and for how long."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sourcemaps.assembly import Assembler, AssemblyRequest, AssemblyState
from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.sourcemaps.housekeeping import SourceMapHousekeeping
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.model import BundleUse
from resumatch_monitor.sourcemaps.store import ArtifactsFullError
from resumatch_monitor.storage.artifacts.bundles import BundleFolder
from resumatch_monitor.storage.artifacts.chunks import ChunkFolder
from resumatch_monitor.storage.sql.artifacts import SqlArtifactIndex
from resumatch_monitor.storage.sql.database import Database
from tests.support.bundles import make_bundle, make_files, sha1
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio


@dataclass
class Shelf:
    """Uploads over real files."""

    folder: Path
    chunks: ChunkFolder
    assembler: Assembler
    housekeeping: SourceMapHousekeeping
    index: SqlArtifactIndex
    clock: FakeClock

    async def upload(self, name: str, *versions: str) -> str:
        """Upload a bundle of its own and return its checksum."""
        own = {name: ({"type": "source", "url": f"~/{name}"}, name.encode())}
        bundle = make_bundle({**own, **make_files()})
        self.chunks.add({sha1(bundle): bundle})
        uses = [BundleUse(1, version) for version in versions or ("",)]
        request = AssemblyRequest(sha1(bundle), [sha1(bundle)], uses)
        assert (await self.assembler.assemble(request)).state is AssemblyState.DONE
        return sha1(bundle)

    def bundles(self) -> set[str]:
        return set(os.listdir(self.folder / "bundles"))

    def parts(self) -> set[str]:
        return set(os.listdir(self.folder / "chunks"))


MakeShelf = Callable[..., Shelf]


@pytest.fixture
def make_shelf(tmp_path: Path, database: Database, clock: FakeClock) -> MakeShelf:
    def make(free_bytes: int = 10**12, **config: object) -> Shelf:
        limits = SourceMapsConfig.model_validate(config)
        chunks = ChunkFolder(
            tmp_path / "chunks",
            max_bytes=limits.chunks_max_bytes,
            min_free_bytes=1_000,
            clock=clock,
            ids=SequentialIds(),
            free_bytes=lambda _: free_bytes,
        )
        bundles = BundleFolder(
            tmp_path / "bundles",
            min_free_bytes=1_000,
            ids=SequentialIds(),
            free_bytes=lambda _: free_bytes,
        )
        chunks.open()
        bundles.open()
        index = SqlArtifactIndex(database)
        metrics = SourceMapMetrics(Telemetry())
        assembler = Assembler(
            chunks=chunks,
            bundles=bundles,
            index=index,
            config=limits,
            metrics=metrics,
            clock=clock,
            on_change=lambda: None,
        )
        housekeeping = SourceMapHousekeeping(
            assembler=assembler, bundles=bundles, index=index, metrics=metrics, clock=clock
        )
        return Shelf(tmp_path, chunks, assembler, housekeeping, index, clock)

    return make


async def test_parts_are_kept_for_a_day_after_somebody_asked_for_them(
    make_shelf: MakeShelf,
) -> None:
    shelf = make_shelf()
    shelf.chunks.add({sha1(b"old"): b"old", sha1(b"asked"): b"asked"})
    shelf.clock.jump(timedelta(hours=20))
    assert shelf.chunks.missing([sha1(b"asked"), sha1(b"never")]) == [sha1(b"never")]
    shelf.clock.jump(timedelta(hours=5))
    await shelf.housekeeping.clean_up()

    assert shelf.parts() == {sha1(b"asked")}


async def test_parts_go_when_their_bundle_is_there_and_room_is_needed(
    make_shelf: MakeShelf,
) -> None:
    shelf = make_shelf(chunks_max_bytes=1_500)
    first = await shelf.upload("first")
    assert shelf.parts() == {first}
    # An hour later it would go by itself.
    second = await shelf.upload("second")
    third = await shelf.upload("third")
    shelf.clock.jump(timedelta(hours=2))
    await shelf.housekeeping.clean_up()

    assert shelf.parts() == set()
    assert shelf.bundles() == {first, second, third}


async def test_bundles_go_that_nobody_needed_for_long(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(retention="90d")
    await shelf.upload("old")
    kept = await shelf.upload("uploaded again")
    shelf.clock.jump(timedelta(days=80))
    await shelf.upload("uploaded again", "web@10")
    shelf.clock.jump(timedelta(days=20))
    await shelf.housekeeping.clean_up()

    assert shelf.bundles() == {kept}
    assert set(await shelf.index.checksums()) == {kept}


async def test_bundles_go_when_there_are_too_many(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(max_bytes=1_800)
    checksums: list[str] = []
    for number in range(6):
        checksums.append(await shelf.upload(f"bundle {number}"))
        shelf.clock.jump(timedelta(minutes=1))
    size = sum((shelf.folder / "bundles" / each).stat().st_size for each in checksums[-2:])
    await shelf.housekeeping.clean_up()

    assert size <= 1_800
    assert shelf.bundles() == set(checksums[-2:])


async def test_what_a_crash_left_half_written_goes(make_shelf: MakeShelf) -> None:
    shelf = make_shelf()
    checksum = await shelf.upload("whole")
    for name in ("chunks", "bundles"):
        (shelf.folder / name / "0123.new").write_bytes(b"half")
    orphan = shelf.folder / "bundles" / ("0" * 40)
    orphan.write_bytes(b"in its place, but not in the index")
    os.utime(orphan, (0, 0))
    shelf = make_shelf()
    await shelf.housekeeping.clean_up()

    assert shelf.bundles() == {checksum}
    assert shelf.parts() <= {checksum}


async def test_a_full_disk_takes_nothing_and_breaks_nothing(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(free_bytes=1_001)
    with pytest.raises(ArtifactsFullError):
        shelf.chunks.add({sha1(b"12"): b"12"})

    assert shelf.parts() == set()


async def test_no_more_may_be_under_way_than_configured(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(chunks_max_bytes=10)
    shelf.chunks.add({sha1(b"12345678"): b"12345678"})
    with pytest.raises(ArtifactsFullError):
        shelf.chunks.add({sha1(b"123"): b"123"})
    # What is there already needs no room.
    shelf.chunks.add({sha1(b"12345678"): b"12345678"})

    assert shelf.parts() == {sha1(b"12345678")}


async def test_a_bundle_that_is_too_large_is_refused(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(bundle_max_bytes=100)
    bundle = make_bundle()
    shelf.chunks.add({sha1(bundle): bundle})
    answer = await shelf.assembler.assemble(
        AssemblyRequest(sha1(bundle), [sha1(bundle)], [BundleUse(1)])
    )

    assert answer.state is AssemblyState.FAILED
    assert "bundle_max_bytes" in (answer.detail or "")
    assert shelf.bundles() == set()


async def test_a_bundle_of_every_release_is_remembered_for_the_latest(
    make_shelf: MakeShelf, database: Database
) -> None:
    shelf = make_shelf()
    for number in range(210):
        await shelf.upload("never changes", f"web@{number}")
        shelf.clock.jump(timedelta(seconds=1))
    rows = await database.read(
        lambda connection: connection.exec_driver_sql("SELECT version FROM artifact_uses").all()
    )

    assert len(rows) == 200
    assert "web@209" in {row[0] for row in rows}
