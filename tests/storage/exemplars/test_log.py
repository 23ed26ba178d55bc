import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from resumatch_monitor.metrics.exemplars import Exemplar, SeriesExemplars
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from resumatch_monitor.storage.tsdb.disk import LocalDisk

pytestmark = pytest.mark.anyio

API = Labels.of({"__name__": "latency_bucket"}, job="api")
WEB = Labels.of({"__name__": "latency_bucket"}, job="web")
ALL = [Matcher("__name__", MatchOp.EQUAL, "latency_bucket")]


def make(series: Labels, *times: int, trace: str = "t") -> SeriesExemplars:
    return SeriesExemplars(
        series, [Exemplar((("trace_id", f"{trace}{time}"),), time / 10, time) for time in times]
    )


def open_log(folder: Path, *, capacity: int = 100) -> ExemplarLog:
    log = ExemplarLog(folder, capacity=capacity)
    log.open()
    return log


def find(
    log: ExemplarLog, matchers: Sequence[Matcher] = ALL, *, start: int = 0, end: int = 10**6
) -> dict[Labels, list[int]]:
    found = log.find(matchers, start, end, limit=1000)
    return {each.series: [one.timestamp_ms for one in each.exemplars] for each in found}


async def test_finds_exemplars_by_series_and_time(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    await log.append([make(WEB, 10, 20), make(API, 15, 25, 35)])

    assert list(find(log)) == [API, WEB]
    assert find(log, start=20, end=25) == {API: [25], WEB: [20]}
    assert find(log, [*ALL, Matcher("job", MatchOp.REGEX, "w.*")]) == {WEB: [10, 20]}
    assert find(log, [Matcher("job", MatchOp.NOT_EQUAL, "")]) == {API: [15, 25, 35], WEB: [10, 20]}
    assert len(log.find(ALL, 0, 100, limit=4)[1].exemplars) == 1
    log.close()


async def test_everything_acknowledged_is_there_after_a_crash(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for time in range(10):
        await log.append([make(API, time), make(WEB, time)])
    # Nothing is closed: what counts is on disk.

    again = open_log(tmp_path)

    assert find(again) == find(log) == {API: list(range(10)), WEB: list(range(10))}
    [first, *_] = again.find(ALL, 3, 3, limit=1)
    assert first.exemplars == [Exemplar((("trace_id", "t3"),), 0.3, 3)]
    log.close()
    again.close()


async def test_what_is_cut_off_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for time in range(5):
        await log.append([make(API, time)])
    log.close()
    path = tmp_path / "exemplars.log"
    path.write_bytes(path.read_bytes()[:-3])

    again = open_log(tmp_path)
    assert find(again) == {API: [0, 1, 2, 3]}
    await again.append([make(API, 9)])
    again.close()
    third = open_log(tmp_path)
    assert find(third) == {API: [0, 1, 2, 3, 9]}
    third.close()


async def test_the_oldest_give_way_in_memory_and_on_disk(tmp_path: Path) -> None:
    log = open_log(tmp_path, capacity=10)
    for time in range(200):
        await log.append([make(WEB if time < 195 else API, time)])

    assert find(log) == {API: [195, 196, 197, 198, 199], WEB: [190, 191, 192, 193, 194]}
    assert (tmp_path / "exemplars.log").stat().st_size < 20 * 120
    log.close()
    again = open_log(tmp_path, capacity=4)
    assert find(again) == {API: [196, 197, 198, 199]}
    again.close()


async def test_leaves_out_what_is_old_known_or_too_long(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    await log.append([make(API, 20)])

    await log.append([make(API, 10, 20, 30)])
    await log.append([make(WEB, 10, trace="x" * 128)])
    await log.append([make(WEB, 2**63 - 1, -(2**63))])

    assert find(log, start=-(2**63), end=2**63) == {API: [20, 30]}
    log.close()


async def test_keeps_nothing_where_nothing_is_to_be_kept(tmp_path: Path) -> None:
    log = open_log(tmp_path, capacity=0)

    await log.append([make(API, 20)])

    assert find(log) == {}
    log.close()


async def test_says_that_the_disk_is_full_and_makes_good_for_it(tmp_path: Path) -> None:
    class Full(LocalDisk):
        is_full = True

        def free_bytes(self, folder: Path) -> int:
            if self.is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().free_bytes(folder)

    disk = Full()
    log = ExemplarLog(tmp_path, capacity=10, disk=disk)
    log.open()
    with pytest.raises(StoreFullError, match="No space left"):
        await log.append([make(API, 1)])

    disk.is_full = False
    # Whoever was refused sends the same again.
    await log.append([make(API, 1)])
    log.close()

    again = open_log(tmp_path)
    assert find(again) == {API: [1]}
    again.close()
