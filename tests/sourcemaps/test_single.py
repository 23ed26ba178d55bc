"""Checksums of files that were uploaded one by one."""

from pathlib import Path

import pytest

from resumatch_monitor.sourcemaps.model import ArtifactFile, FileKind, FoundFile
from resumatch_monitor.sourcemaps.single import FileChecksums, make_bundle
from resumatch_monitor.storage.artifacts.bundles import BundleFolder
from tests.support.bundles import sha1
from tests.support.ids import SequentialIds

CONTENTS = [bytes([number]) * 1_000 for number in range(4)]


@pytest.fixture
def bundles(tmp_path: Path) -> BundleFolder:
    (tmp_path / "bundles").mkdir()
    return BundleFolder(tmp_path / "bundles", min_free_bytes=0, ids=SequentialIds())


def keep(bundles: BundleFolder, content: bytes) -> FoundFile:
    bundle = make_bundle("~/x.js", content, headers=[], release="1")
    bundles.path(sha1(bundle)).write_bytes(bundle)
    file = ArtifactFile("files/0", "~/x.js", FileKind.MINIFIED, None, "", len(content))
    return FoundFile(1, sha1(bundle), file)


def test_a_call_reads_so_much_and_the_next_one_goes_on(bundles: BundleFolder) -> None:
    files = [keep(bundles, content) for content in CONTENTS]
    checksums = FileChecksums(bundles, bytes_at_once=2_500)

    first = checksums.compute(files)
    second = checksums.compute(files)

    assert list(first.values()) == [sha1(content) for content in CONTENTS[:2]]
    assert second == {
        (file.checksum, "files/0"): sha1(content)
        for file, content in zip(files, CONTENTS, strict=True)
    }


def test_a_bundle_that_is_gone_or_damaged_has_none(bundles: BundleFolder) -> None:
    gone, damaged, whole = (keep(bundles, content) for content in CONTENTS[:3])
    bundles.path(gone.checksum).unlink()
    path = bundles.path(damaged.checksum)
    path.write_bytes(path.read_bytes()[:20])

    found = FileChecksums(bundles).compute([gone, damaged, whole])

    assert list(found.values()) == [sha1(CONTENTS[2])]
