"""Queries that are spread over several threads answer as on one."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import Queryable, SeriesBlock
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.crew import ALONE, Crew
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.value import InstantVector
from resumatch_monitor.promql.windows import SLAB_CELLS, cut_slabs
from tests.support.memory_store import MemoryStore

SERIES, SAMPLES = 1500, 20
STEPS = 1000


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    random = np.random.default_rng(3)
    store = MemoryStore()
    for number in range(SERIES):
        values = np.cumsum(random.integers(0, 5, SAMPLES)) - 20.0 * (number % 7 == 0)
        labels = Labels.of(__name__="m", id=str(number), group=str(number % 5))
        store.add(labels, {15_000 * step: float(each) for step, each in enumerate(values)})
    return store


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    crew = Crew(2, fewest_items=4)
    yield crew
    crew.stop()


@pytest.mark.parametrize(
    "query",
    [
        "m",
        "rate(m[1m])",
        "sum by (group) (rate(m[1m]))",
        "avg(delta(m[2m]))",
        "min without (id) (increase(m[1m]))",
        "count by (group) (changes(m[1m]) > 2)",
        "topk(3, increase(m[1m]))",
        "sum(avg_over_time(m[1m]) * -1)",
        "sum by (group) (delta(m[1m]))",
        "avg(avg_over_time(m[1m]))",
        "max(rate(nothing[1m]))",
    ],
)
def test_a_query_with_help_answers_the_same(store: MemoryStore, crew: Crew, query: str) -> None:
    def run(crew: Crew) -> dict[Labels, list[float]]:
        matrix = evaluate_range(
            store,
            query,
            start_ms=0,
            end_ms=15_000 * SAMPLES,
            # Many steps make many slabs.
            step_ms=15_000 * SAMPLES // STEPS,
            options=Options(),
            crew=crew,
        ).value
        return dict(zip(matrix.labels, matrix.values.tolist(), strict=True))

    alone, helped = run(ALONE), run(crew)

    assert list(helped) == list(alone)
    for labels, values in alone.items():
        np.testing.assert_allclose(helped[labels], values, rtol=1e-12)


def test_a_sum_that_is_added_up_once_more_counts_its_samples_once() -> None:
    store = MemoryStore()
    for number, value in enumerate((1e16, 1.0, -1e16)):
        store.add(
            Labels.of(__name__="g", id=str(number)), {15_000 * step: value for step in range(8)}
        )

    answer = evaluate_instant(
        store, "sum(avg_over_time(g[2m]))", 105_000, options=Options(max_samples=40)
    ).value

    assert isinstance(answer, InstantVector)
    assert answer.values.tolist() == [1.0]


def test_shares_are_consecutive_and_in_order(crew: Crew) -> None:
    shares = crew.share(list, range(10))

    assert [each for share in shares for each in share] == list(range(10))
    assert len(shares) == 3


def test_an_error_of_a_helper_reaches_the_caller(crew: Crew) -> None:
    def work(items: Sequence[int]) -> int:
        if 9 in items:
            raise ValueError("nine")
        return 0

    with pytest.raises(ValueError, match="nine"):
        crew.share(work, range(10))


def test_what_nobody_has_time_for_is_done_by_the_caller() -> None:
    crew, gate, is_busy = Crew(1, fewest_items=4), threading.Event(), threading.Event()

    def block(_: Sequence[int]) -> int:
        if threading.current_thread() is not caller:
            is_busy.set()
            gate.wait()
        return 0

    caller = threading.Thread(target=lambda: crew.share(block, range(8)))
    caller.start()
    is_busy.wait()

    assert crew.share(sum, range(8)) == [6, 22]

    gate.set()
    caller.join()
    crew.stop()


def block(rows: int, samples: int, *, first_ms: int = 0) -> SeriesBlock:
    labels = [Labels.of(__name__="m", at=str(first_ms), id=str(row)) for row in range(rows)]
    times = first_ms + 15_000 * np.arange(samples, dtype=np.int64)
    return SeriesBlock(labels, times, np.arange(rows * samples, dtype=float).reshape(rows, -1))


def test_small_blocks_share_a_slab_and_large_ones_are_cut() -> None:
    rows = SLAB_CELLS // 1024
    blocks = [block(1, 2), block(1, 2), block(rows + 1, 2), block(1, 2)]

    found = [
        [(blocks.index(each), first, last) for each, first, last in slab.parts]
        for slab in cut_slabs(blocks, 1024)
    ]

    assert found == [
        [(0, 0, 1), (1, 0, 1)],
        [(2, 0, rows)],
        [(2, rows, rows + 1), (3, 0, 1)],
    ]


@pytest.mark.parametrize(
    "query", ["rate(m[1m])", "m", "avg_over_time(m[45s])", "last_over_time(m[10s])"]
)
def test_targets_with_times_of_their_own_answer_the_same_together(query: str) -> None:
    together, alone = MemoryStore(is_matrix=False), list[MemoryStore]()
    for target in range(3):
        for number in range(4):
            labels = Labels.of(__name__="m", target=str(target), id=str(number))
            points = {
                target * 4_000 + 15_000 * step: float(step * (number + 1)) for step in range(9)
            }
            together.add(labels, points)
            if not number:
                alone.append(MemoryStore())
            alone[target].add(labels, points)

    def run(queryable: Queryable) -> dict[Labels, float]:
        value = evaluate_instant(queryable, query, 125_000, options=Options()).value
        assert isinstance(value, InstantVector)
        return dict(zip(value.labels, value.values.tolist(), strict=True))

    expected = {labels: value for each in alone for labels, value in run(each).items()}
    assert run(Blocks(alone)) == expected
    assert run(together) == expected


class Blocks(MemoryStore):
    """Several stores' matrices beside each other."""

    def __init__(self, stores: Sequence[MemoryStore]) -> None:
        super().__init__()
        self._stores = stores

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        return [block for each in self._stores for block in each.select(matchers, start_ms, end_ms)]
