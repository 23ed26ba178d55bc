"""Random histories of a store against a dictionary, and its parts against simple definitions."""

import asyncio
import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import (
    ABSENT,
    STALE,
    RowLayout,
    SamplesRejectedError,
    is_absent,
)
from resumatch_monitor.storage.tsdb.chunk import decode_chunk, encode_chunk
from resumatch_monitor.storage.tsdb.index import SeriesIndex
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.tsdb.support import (
    EVERYTHING,
    NOW_MS,
    Contents,
    arrays,
    bits_of,
    contents_of,
    open_store,
    read_all,
    series,
)

SERIES = [series("m", id=str(number)) for number in range(6)]
VALUES = st.sampled_from([0.0, 1.0, 2.5, -0.0, float("nan"), float("inf"), STALE])

row_step = st.tuples(
    st.just("row"),
    st.integers(0, 1),
    st.lists(st.integers(0, 5), unique=True, min_size=1, max_size=6),
    VALUES,
)
samples_step = st.tuples(
    st.just("samples"),
    st.integers(0, 5),
    st.dictionaries(st.integers(-40, 40), VALUES, min_size=1, max_size=5),
)
seal_step = st.tuples(st.just("seal"), st.integers(-40, 60))
delete_step = st.tuples(
    st.just("delete"), st.integers(0, 5), st.integers(-50, 50), st.integers(0, 30)
)
other_step = st.tuples(st.sampled_from(["restart", "compact", "clean", "snapshot"]))
histories = st.lists(
    st.one_of(row_step, row_step, samples_step, samples_step, seal_step, delete_step, other_step),
    max_size=30,
)


class ModelRun:
    """Plays a history on a store and on a dictionary."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store: TimeSeriesStore = self._open(folder)
        self.model: Contents = {}
        self._clock = NOW_MS
        self._layouts: dict[tuple[int, ...], RowLayout] = {}

    async def play(self, step: tuple[object, ...]) -> None:
        match step:
            case ("row", int(target), members, float(value)):
                await self._row(target, cast("list[int]", members), value)
            case ("samples", int(number), samples):
                await self._samples(SERIES[number], cast("dict[int, float]", samples))
            case ("seal", int(offset)):
                self.store.seal(NOW_MS + offset)
            case ("delete", int(number), int(offset), int(length)):
                await self._delete(SERIES[number], NOW_MS + offset, NOW_MS + offset + length)
            case ("compact",):
                while self.store.compact():
                    pass
            case ("clean",):
                await self.store.clean_tombstones()
            case ("snapshot",):
                await self._check_snapshot(await self.store.snapshot())
            case _:
                self.store.close()
                self.store = self._open(self._folder)

    def _open(self, folder: Path) -> TimeSeriesStore:
        # Blocks that grow through 16, 48, 144 … milliseconds.
        return open_store(folder, segment_bytes=2000, seal_window=timedelta(milliseconds=16))

    async def _delete(self, labels: Labels, start_ms: int, end_ms: int) -> None:
        await self.store.delete_series(
            [Matcher("id", MatchOp.EQUAL, labels["id"])], start_ms, end_ms
        )
        known = self.model.get(labels, {})
        kept = {time: bits for time, bits in known.items() if not start_ms <= time <= end_ms}
        self.model[labels] = kept
        if not kept:
            del self.model[labels]

    async def _check_snapshot(self, name: str) -> None:
        # A name is the clock's time, which stands still here.
        folder = self._folder / "snapshots" / name
        copy = self._open(folder.rename(self._folder / "copy"))
        assert read_all(copy) == self.model
        copy.close()
        shutil.rmtree(self._folder / "copy")

    async def _row(self, target: int, members: list[int], value: float) -> None:
        self._clock += 1
        chosen = tuple(members)
        layout = self._layouts.setdefault(chosen, RowLayout([SERIES[each] for each in chosen]))
        row = np.array([value if each % 2 else each + 0.5 for each in chosen])
        # Two targets share series, so a time of one may be taken already by a pushed sample.
        taken = any(self._clock in self.model.get(labels, {}) for labels in layout.labels)
        if taken:
            return
        await self.store.append_row(str(target), layout, self._clock, row)
        for labels, each in zip(layout.labels, row.tolist(), strict=True):
            self.model.setdefault(labels, {})[self._clock] = bits_of(each)

    async def _samples(self, labels: Labels, samples: dict[int, float]) -> None:
        known = self.model.get(labels, {})
        at = {NOW_MS + offset: value for offset, value in samples.items()}
        is_conflict = any(
            time in known and not same(known[time], value) for time, value in at.items()
        )
        try:
            await self.store.append_samples([(labels, *arrays(at))])
        except SamplesRejectedError:
            assert is_conflict
        else:
            assert not is_conflict
        self.model[labels] = {**{time: bits_of(value) for time, value in at.items()}, **known}


def same(bits: int, value: float) -> bool:
    zeros = {bits_of(0.0), bits_of(-0.0)}
    return bits == bits_of(value) or {bits, bits_of(value)} <= zeros


@settings(max_examples=30, deadline=None)
@given(histories, st.integers(-50, 70), st.integers(-50, 70))
def test_a_store_holds_what_a_dictionary_would(
    history: list[tuple[object, ...]], start: int, end: int
) -> None:
    async def run(folder: Path) -> None:
        run = ModelRun(folder)
        for step in history:
            await run.play(step)
        assert read_all(run.store) == run.model
        within = {
            labels: kept
            for labels, samples in run.model.items()
            if (kept := {t: v for t, v in samples.items() if start <= t - NOW_MS <= end})
        }
        found = run.store.select(EVERYTHING, NOW_MS + start, NOW_MS + end)
        assert contents_of(found) == within
        assert set(within) <= set(run.store.find_series([], NOW_MS + start, NOW_MS + end))
        run.store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@given(
    st.lists(
        st.one_of(
            st.floats(), st.sampled_from([STALE, ABSENT, 1.0, 2.0]), st.integers(0, 9).map(float)
        ),
        min_size=1,
        max_size=480,
    )
)
def test_a_chunk_gives_back_every_bit(values: list[float]) -> None:
    array = np.array(values)
    out = np.empty_like(array)
    decode_chunk(encode_chunk(array), out)

    assert np.array_equal(out.view(np.uint64), array.view(np.uint64))


def test_a_chunk_of_three_hundred_nan_payloads_gives_back_every_bit() -> None:
    array = (np.uint64(0x7FF8000000000000) + np.arange(300, dtype=np.uint64)).view(np.float64)
    out = np.empty_like(array)
    decode_chunk(encode_chunk(array), out)

    assert np.array_equal(out.view(np.uint64), array.view(np.uint64))
    assert not is_absent(out).any()


LABEL_SETS = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "x", "xy", "y", "x|y", "x.y", "é"])
    ).map(lambda labels: Labels.of(labels, __name__="m")),
    max_size=12,
)
PATTERNS = [
    "", "x", "x|y", "x|", ".*", ".+", "x.*", "x?", "x.?y", "(x|y)", "xy*", "xy{0,1}",
    "x\\|y", "[xy]+", "(?i)X", "x|y.*", "é|x",
]  # fmt: skip
MATCHERS = st.lists(
    st.one_of(
        st.builds(
            Matcher,
            st.sampled_from(["a", "b", "nope"]),
            st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL]),
            st.sampled_from(["", "x", "xy", "x|y", "nope"]),
        ),
        st.builds(
            Matcher,
            st.sampled_from(["a", "b", "nope"]),
            st.sampled_from([MatchOp.REGEX, MatchOp.NOT_REGEX]),
            st.sampled_from(PATTERNS),
        ),
    ),
    max_size=3,
)


@given(LABEL_SETS, MATCHERS)
def test_the_index_selects_what_the_matchers_say(
    label_sets: list[Labels], matchers: list[Matcher]
) -> None:
    index = SeriesIndex()
    for labels in label_sets:
        index.add(labels)
    expected = {
        labels
        for labels in label_sets
        if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
    }

    ids = index.match(matchers)

    assert set(index.labels_of(ids)) == expected
    assert bool((np.diff(ids) > 0).all())
    assert set(index.keep_only(ids).labels_of(index.keep_only(ids).match([]))) == expected


def test_every_pattern_of_the_index_test_is_valid() -> None:
    for pattern in PATTERNS:
        re.compile(pattern)
