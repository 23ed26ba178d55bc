"""What is read of an uploaded bundle, and what is refused with which words."""

import struct
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.sourcemaps import bundle as bundle_module
from resumatch_monitor.sourcemaps.bundle import BundleError, parse_debug_id, read_bundle
from resumatch_monitor.sourcemaps.model import FileKind
from tests.support.bundles import DEBUG_ID, HEADER, SCRIPT, make_bundle, make_files, make_zip

MINIFIED = {"type": "minified_source", "url": "~/x.js"}


def read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "bundle"
    path.write_bytes(data)
    return read_bundle(path)


def test_files_are_read_with_their_debug_ids(tmp_path: Path) -> None:
    content = read(tmp_path, make_bundle(release="web@9", dist="7"))

    script, source_map = content.files
    assert (script.kind, source_map.kind) == (FileKind.MINIFIED, FileKind.SOURCE_MAP)
    assert (script.url, script.sourcemap, script.size_bytes) == ("~/x.js", "x.js.map", len(SCRIPT))
    assert script.debug_id == source_map.debug_id == parse_debug_id(DEBUG_ID)
    assert (content.release, content.dist) == ("web@9", "7")


def test_an_inline_map_and_a_kind_of_the_future_are_no_error(tmp_path: Path) -> None:
    files = {
        "a": ({**MINIFIED, "headers": {"sourcemap": "data:application/json;base64,e30="}}, b"1"),
        "b": ({"type": "hologram", "url": "~/b"}, b"2"),
    }
    content = read(tmp_path, make_bundle(files))

    assert [(each.path, each.sourcemap) for each in content.files] == [("a", "")]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "has no directory"),
        (b"GIF89a" * 40, "has no directory"),
        (make_bundle()[:-30], "has no directory"),
        (make_zip({"a": b"1"}, None), "There is no manifest.json"),
        (make_zip({"a": b"1"}, [1]), "has no object 'files'"),
        (make_zip({"a": b"1"}, {"files": []}), "has no object 'files'"),
        (make_zip({"a": b"1", "manifest.json": b"{nonsense"}, None), "manifest.json is not JSON"),
        (make_zip({}, {"files": {"a.js": MINIFIED}}), "names 'a.js', which is not in the bundle"),
        (make_zip({"../../etc/passwd": b"1"}, {"files": {}}), "is not a name"),
        (make_zip({"/etc/passwd": b"1"}, {"files": {}}), "is not a name"),
        (make_bundle(make_files("not-a-uuid")), "debug id of 'files/_/_/x.js'"),
    ],
)
def test_what_is_no_bundle_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    with pytest.raises(BundleError, match=problem):
        read(tmp_path, data)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    whole = make_zip({"a.js": SCRIPT * 50}, {"files": {"a.js": MINIFIED}})
    start = whole.index(b"a.js") + len(b"a.js")
    damaged = whole[:start] + bytes(byte ^ 0x55 for byte in whole[start : start + 20])

    with pytest.raises(BundleError, match=r"'a\.js' is damaged"):
        read(tmp_path, damaged + whole[len(damaged) :])


def test_a_directory_that_points_before_the_file_is_refused(tmp_path: Path) -> None:
    data = bytearray(make_zip({}, {"files": {}}))
    struct.pack_into("<L", data, data.rindex(b"PK\x05\x06") + 16, 0xFFFF_FFFF)

    with pytest.raises(BundleError, match="points out"):
        read(tmp_path, bytes(data))


def test_a_bomb_gives_no_more_than_its_directory_says(tmp_path: Path) -> None:
    whole = bytearray(make_zip({"a.js": bytes(5_000_000)}, {"files": {"a.js": MINIFIED}}))
    entry = whole.index(b"PK\x01\x02")
    whole[entry + 24 : entry + 28] = struct.pack("<L", 100)

    with pytest.raises(BundleError, match=r"'a\.js' is damaged"):
        read(tmp_path, bytes(whole))


@pytest.mark.parametrize("size", [300 * 1024 * 1024, 0xFFFF_FFF0])
def test_what_becomes_too_large_is_not_unpacked(tmp_path: Path, size: int) -> None:
    whole = bytearray(make_zip({"a.js": bytes(5_000)}, {"files": {"a.js": MINIFIED}}))
    entry = whole.index(b"PK\x01\x02")
    whole[entry + 24 : entry + 28] = struct.pack("<L", size)

    with pytest.raises(BundleError, match="bytes"):
        read(tmp_path, bytes(whole))


def test_a_directory_of_millions_is_not_read(tmp_path: Path) -> None:
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 500_000_000, 8, 0)

    with pytest.raises(BundleError, match="more than 20000 files"):
        read(tmp_path, HEADER + end)


def test_a_large_directory_behind_a_small_one_is_not_read(tmp_path: Path) -> None:
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 8, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 46, 8, 0)

    with pytest.raises(BundleError, match="more than 20000 files"):
        read(tmp_path, HEADER + bytes(100) + locator + end)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    content = {f"{number}": b"" for number in range(bundle_module.MOST_FILES + 1)}

    with pytest.raises(BundleError, match="more than 20000 files"):
        read(tmp_path, make_zip(content, {"files": {}}))
