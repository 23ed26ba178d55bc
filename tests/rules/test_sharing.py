"""The rules' shared reading answers as the store itself does, and reads less."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import FloatArray, SampleBatch, SeriesBlock, is_absent
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.rules.sharing import ForgettingSink, SharedSelections, join_equal_times
from tests.rules.support import MemorySink
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio

MINUTE_MS = 60_000
Answer = dict[Labels, list[tuple[int, float]]]


class CountingStore(MemoryStore):
    """Counts what is read of it; refuses to read more than `most` series at once."""

    def __init__(self, *, is_matrix: bool = True, most: int = 1_000) -> None:
        super().__init__(is_matrix=is_matrix)
        self.reads: list[tuple[Matcher, ...]] = []
        self._most = most

    @override
    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        self.reads.append(tuple(matchers))
        blocks = super().select(matchers, start_ms, end_ms)
        if sum(len(block.labels) for block in blocks) > self._most:
            raise QueryLimitError("too many")
        return blocks


def make_store(*, is_matrix: bool = True, most: int = 1_000) -> CountingStore:
    store = CountingStore(is_matrix=is_matrix, most=most)
    for name in ("requests_total", "errors_total"):
        for handler in range(4):
            for status in ("200", "500"):
                labels = Labels.of({METRIC_NAME: name}, handler=f"/{handler}", status=status)
                late = MINUTE_MS if handler == 3 else 0
                store.add(labels, {late + t * MINUTE_MS: float(t * handler) for t in range(20)})
    return store


def ask(name: str, **labels: str) -> tuple[Matcher, ...]:
    return (
        Matcher(METRIC_NAME, MatchOp.EQUAL, name),
        *(Matcher(label, MatchOp.REGEX, value) for label, value in labels.items()),
    )


def flatten(blocks: Sequence[SeriesBlock]) -> Answer:
    found: Answer = {}
    for block in blocks:
        times: list[int] = block.timestamps.tolist()
        for labels, row in zip(block.labels, block.values, strict=True):
            assert labels not in found
            there = ~is_absent(row)
            values: list[float] = row.tolist()
            found[labels] = [
                (time, value)
                for time, value, is_there in zip(times, values, there, strict=True)
                if is_there
            ]
    return found


QUESTIONS = [
    ask("requests_total"),
    ask("requests_total", handler="/1"),
    ask("requests_total", handler="/[12]"),
    ask("requests_total", status="5.."),
    ask("requests_total", handler="/3", status="500"),
    ask("requests_total", handler="absent"),
    ask("requests_total", absent=""),
    ask("errors_total", handler="/0|/3"),
    (Matcher(METRIC_NAME, MatchOp.REGEX, ".*_total"),),
    (Matcher("status", MatchOp.EQUAL, "500"),),
]


@settings(deadline=timedelta(seconds=5), max_examples=60)
@given(
    is_matrix=st.booleans(),
    asked=st.lists(
        st.tuples(st.sampled_from(range(len(QUESTIONS))), st.integers(0, 4), st.integers(1, 3)),
        max_size=60,
    ),
)
def test_every_answer_is_the_stores_own(is_matrix: bool, asked: list[tuple[int, int, int]]) -> None:
    store = make_store(is_matrix=is_matrix)
    clock = FakeClock()
    shared = SharedSelections(store, monotonic=clock.monotonic)

    for number, moment, length in asked:
        end_ms = (moment + 10) * MINUTE_MS
        start_ms = end_ms - length * 5 * MINUTE_MS
        expected = flatten(store.select(QUESTIONS[number], start_ms, end_ms))
        assert flatten(shared.select(QUESTIONS[number], start_ms, end_ms)) == expected


def evaluate(shared: SharedSelections, questions: Sequence[tuple[Matcher, ...]], at: int) -> None:
    for question in questions:
        shared.select(question, at - 5 * MINUTE_MS, at)


def test_a_metric_is_read_once_where_several_rules_ask_for_parts_of_it(clock: FakeClock) -> None:
    store = make_store()
    shared = SharedSelections(store, monotonic=clock.monotonic)

    evaluate(shared, QUESTIONS[1:5], 10 * MINUTE_MS)
    at_first = len(store.reads)
    evaluate(shared, QUESTIONS[1:5], 11 * MINUTE_MS)

    assert at_first == 4
    assert store.reads[4:] == [ask("requests_total")]


def test_a_large_metric_is_not_read_for_the_sake_of_a_few_series(clock: FakeClock) -> None:
    store = make_store(most=5_000)
    for number in range(2_500):
        labels = Labels.of({METRIC_NAME: "requests_total"}, handler=f"/other/{number}")
        store.add(labels, {t * MINUTE_MS: 1.0 for t in range(20)})
    shared = SharedSelections(store, monotonic=clock.monotonic)

    for minute in range(10, 14):
        evaluate(shared, QUESTIONS[1:5], minute * MINUTE_MS)

    # Once it was tried, and found to be too much.
    assert store.reads.count(ask("requests_total")) == 1
    assert len(store.reads) == 4 + 1 + 4 + 4


def test_a_metric_that_is_too_large_to_read_is_read_in_parts(clock: FakeClock) -> None:
    store = make_store(most=6)
    shared = SharedSelections(store, monotonic=clock.monotonic)

    for minute in (10, 11, 12):
        evaluate(shared, QUESTIONS[1:5], minute * MINUTE_MS)

    assert store.reads.count(ask("requests_total")) == 1


def test_a_metric_that_was_too_large_is_tried_again_after_a_while(clock: FakeClock) -> None:
    store = make_store(most=6)
    shared = SharedSelections(store, monotonic=clock.monotonic)
    for minute in (10, 11):
        evaluate(shared, QUESTIONS[1:5], minute * MINUTE_MS)

    clock.jump_monotonic(599)
    evaluate(shared, QUESTIONS[1:5], 20 * MINUTE_MS)
    before = store.reads.count(ask("requests_total"))
    clock.jump_monotonic(1)
    evaluate(shared, QUESTIONS[1:5], 21 * MINUTE_MS)

    assert (before, store.reads.count(ask("requests_total"))) == (1, 2)


def test_groups_that_ask_at_other_moments_do_not_decide_for_each_other(clock: FakeClock) -> None:
    store = make_store()
    shared = SharedSelections(store, monotonic=clock.monotonic)

    for minute in (10, 11, 12):
        evaluate(shared, QUESTIONS[1:5], minute * MINUTE_MS)
        evaluate(shared, [ask("requests_total", handler="/0")], minute * MINUTE_MS + 1_000)

    alone = ask("requests_total", handler="/0")
    whole = ask("requests_total")
    assert store.reads == [*QUESTIONS[1:5], alone, whole, alone, whole, alone]


def test_offsets_do_not_keep_rules_from_sharing(clock: FakeClock) -> None:
    store = make_store()
    shared = SharedSelections(store, monotonic=clock.monotonic)

    for minute in (12, 13):
        for question in QUESTIONS[1:5]:
            evaluate(shared, [question], minute * MINUTE_MS)
            evaluate(shared, [QUESTIONS[1]], minute * MINUTE_MS - 3_000)

    assert store.reads[8:] == [ask("requests_total")] * 2


async def test_what_a_rule_records_is_seen_by_the_rule_after_it(clock: FakeClock) -> None:
    store = make_store()
    shared = SharedSelections(store, monotonic=clock.monotonic)
    sink = ForgettingSink(MemorySink(), shared)
    at = 11 * MINUTE_MS
    evaluate(shared, QUESTIONS[1:5], at - MINUTE_MS)
    evaluate(shared, QUESTIONS[1:5], at)
    recorded = Labels.of({METRIC_NAME: "requests_total"}, handler="/1", status="sum")
    store.add(recorded, {at: 7.0})

    await sink.append_batch(
        SampleBatch([recorded], np.array([0, 1]), np.array([at]), np.array([7.0]))
    )

    assert recorded in flatten(shared.select(ask("requests_total", handler="/1"), 0, at))
    assert recorded in flatten(
        shared.select(ask("requests_total", handler="/1"), at - 5 * MINUTE_MS, at)
    )


def test_blocks_with_the_same_times_are_joined() -> None:
    store = make_store(is_matrix=False)
    blocks = store.select(ask("requests_total"), 0, 20 * MINUTE_MS)

    joined = join_equal_times(blocks)

    assert len(blocks) == 8
    assert sorted(len(block.labels) for block in joined) == [2, 6]
    assert flatten(joined) == flatten(blocks)


class LazyStore(CountingStore):
    """Decodes the rows of its blocks when they are asked for, and counts how often."""

    def __init__(self) -> None:
        super().__init__(is_matrix=False)
        self.decoded = 0

    @override
    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        return [self._make_lazy(each) for each in super().select(matchers, start_ms, end_ms)]

    def _make_lazy(self, block: SeriesBlock) -> SeriesBlock:
        def read(first: int, last: int) -> FloatArray:
            self.decoded += 1
            return block.rows(first, last)

        return SeriesBlock(block.labels, block.timestamps, read)


def test_what_is_read_once_is_decoded_once(clock: FakeClock) -> None:
    store = LazyStore()
    for number in range(4):
        labels = Labels.of({METRIC_NAME: "requests_total"}, handler=f"/{number}", status="500")
        store.add(labels, {number + t * MINUTE_MS: float(t) for t in range(20)})
    shared = SharedSelections(store, monotonic=clock.monotonic)
    evaluate(shared, QUESTIONS[1:5], 10 * MINUTE_MS)
    store.decoded = 0

    blocks = [
        block
        for question in QUESTIONS[1:5]
        for block in shared.select(question, 6 * MINUTE_MS, 11 * MINUTE_MS)
    ]
    values = [block.values.size for block in blocks]

    assert len(values) > 4
    assert store.decoded == 4
