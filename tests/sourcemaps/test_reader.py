"""Places are looked up in a process of its own, whatever the maps do to it."""

import base64
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sourcemaps.config import SourceMapsConfig
from resumatch_monitor.sourcemaps.metrics import SourceMapMetrics
from resumatch_monitor.sourcemaps.reader import MapFile, MapReader, MapReadError
from tests.support.bundles import SCRIPT, SOURCE, column_of, make_bundle, make_files, make_map

SCRIPT_PATH, MAP_PATH = "files/_/_/x.js", "files/_/_/x.js.map"


@pytest.fixture
def reader() -> Iterator[MapReader]:
    reader = MapReader(config=SourceMapsConfig(), metrics=SourceMapMetrics(Telemetry()))
    yield reader
    reader.close()


def write(
    folder: Path, name: str = "a", *, script: bytes = SCRIPT, source_map: bytes | None = None
) -> MapFile:
    """Write a bundle and return its map."""
    path = folder / name
    path.write_bytes(make_bundle(make_files(script=script, source_map=source_map)))
    return MapFile(path, name, SCRIPT_PATH, MAP_PATH)


def is_right(reader: MapReader, file: MapFile) -> bool:
    """Tell whether a good map is read as it should be."""
    places = reader.look_up(file, [(1, column_of(b"throw"))])
    return [place and (place.line, place.function) for place in places] == [(2, "fail")]


def test_places_come_with_their_functions_and_the_code_around(
    reader: MapReader, tmp_path: Path
) -> None:
    throw, call, nothing = reader.look_up(
        write(tmp_path), [(1, column_of(b"throw")), (1, column_of(b"f(1)")), (7, 1)]
    )

    lines = SOURCE.splitlines()
    assert throw is not None
    assert call is not None
    assert (throw.source, throw.line, throw.column) == ("../src/x.js", 2, 3)
    assert (throw.function, throw.context_line) == ("fail", lines[1])
    assert (throw.pre_context, throw.post_context) == ((lines[0],), tuple(lines[2:7]))
    assert (call.line, call.function, call.name) == (6, "start", "fail")
    assert nothing is None


def test_a_script_that_is_not_there_costs_only_the_names(reader: MapReader, tmp_path: Path) -> None:
    whole = write(tmp_path)
    place = reader.look_up(MapFile(whole.bundle, "b", None, MAP_PATH), [(1, column_of(b"throw"))])[
        0
    ]

    assert place is not None
    assert (place.line, place.context_line) == (2, SOURCE.splitlines()[1])


def test_a_map_in_the_script_itself_is_read(reader: MapReader, tmp_path: Path) -> None:
    inline = b"//# sourceMappingURL=data:application/json;base64," + base64.b64encode(make_map())
    file = write(tmp_path, script=SCRIPT + inline)
    place = reader.look_up(
        MapFile(file.bundle, "c", SCRIPT_PATH, None), [(1, column_of(b"throw"))]
    )[0]

    assert place is not None
    assert place.line == 2


def test_a_map_of_sections_is_read(reader: MapReader, tmp_path: Path) -> None:
    section = {"offset": {"line": 0, "column": 0}, "map": orjson.loads(make_map())}
    indexed = orjson.dumps({"version": 3, "sections": [section]})

    assert is_right(reader, write(tmp_path, source_map=indexed))


@pytest.mark.parametrize(
    "source_map",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"version":3,"sources":["a"],"names":[],"mappings":"zzzz!!"}',
        b"[" * 200_000,
    ],
)
def test_a_broken_map_says_so_and_the_next_is_read(
    reader: MapReader, tmp_path: Path, source_map: bytes
) -> None:
    with pytest.raises(MapReadError, match="cannot be read"):
        reader.look_up(write(tmp_path, "broken", source_map=source_map), [(1, 1)])

    assert is_right(reader, write(tmp_path, "good"))


@pytest.mark.parametrize("script", [b"(" * 50_000, b"{" * 50_000, b"a=>" * 50_000])
def test_a_script_that_kills_the_reader_kills_nothing_else(
    reader: MapReader, tmp_path: Path, script: bytes
) -> None:
    good = write(tmp_path, "good")
    assert is_right(reader, good)
    before = reader.helper_pid
    with pytest.raises(MapReadError, match="died of it"):
        reader.look_up(write(tmp_path, "deep", script=script), [(1, 1)])

    assert is_right(reader, good)
    assert reader.helper_pid != before


def test_a_reader_that_has_gone_comes_back(reader: MapReader, tmp_path: Path) -> None:
    file = write(tmp_path)
    assert is_right(reader, file)
    assert reader.helper_pid is not None
    os.kill(reader.helper_pid, signal.SIGKILL)

    assert is_right(reader, file)


def test_a_reader_without_a_monitor_ends(tmp_path: Path) -> None:
    reader = MapReader(config=SourceMapsConfig(), metrics=SourceMapMetrics(Telemetry()))
    assert is_right(reader, write(tmp_path))
    pid = reader.helper_pid
    reader.close()

    assert reader.helper_pid is None
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    gc.collect()


def test_an_upload_that_was_deleted_meanwhile_is_no_catastrophe(
    reader: MapReader, tmp_path: Path
) -> None:
    with pytest.raises(MapReadError, match="No such file"):
        reader.look_up(MapFile(tmp_path / "gone", "gone", None, "x"), [(1, 1)])


def test_more_maps_than_fit_are_read_one_after_the_other(tmp_path: Path) -> None:
    config = SourceMapsConfig(cache_bytes=len(SCRIPT) + len(make_map()) + 1)
    reader = MapReader(config=config, metrics=SourceMapMetrics(Telemetry()))
    try:
        files = [write(tmp_path, f"{number}") for number in range(3)]
        assert all(is_right(reader, file) for file in files * 2)
    finally:
        reader.close()


def test_a_map_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    slow = b"if(a){}else " * 100_000 + b"b"
    reader = MapReader(
        config=SourceMapsConfig(), metrics=SourceMapMetrics(Telemetry()), lookup_seconds=0.5
    )
    try:
        with pytest.raises(MapReadError, match="longer than"):
            reader.look_up(write(tmp_path, "slow", script=slow), [(1, 1)])
    finally:
        reader.close()
