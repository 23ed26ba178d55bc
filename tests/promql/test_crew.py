"""Queries that are spread over several threads answer as on one."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, SeriesBlock
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.crew import ALONE, Crew
from resumatch_monitor.promql.engine import evaluate_range
from resumatch_monitor.promql.windows import DENSE_ROWS, cut_slabs
from tests.support.memory_store import MemoryStore

SERIES, SAMPLES = 6 * DENSE_ROWS, 20


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
    crew = Crew(2)
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
            step_ms=20_000,
            options=Options(),
            crew=crew,
        ).value
        return dict(zip(matrix.labels, matrix.values.tolist(), strict=True))

    alone, helped = run(ALONE), run(crew)

    assert list(helped) == list(alone)
    for labels, values in alone.items():
        np.testing.assert_allclose(helped[labels], values, rtol=1e-12)


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
    crew, gate, is_busy = Crew(1), threading.Event(), threading.Event()

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


def test_small_blocks_share_a_slab_and_large_ones_are_cut() -> None:
    def block(rows: int) -> SeriesBlock:
        labels = [Labels.of(id=str(row)) for row in range(rows)]
        return SeriesBlock(labels, np.arange(2, dtype=np.int64), np.full((rows, 2), ABSENT))

    blocks = [block(1), block(1), block(DENSE_ROWS + 1), block(1)]

    found = [
        [(blocks.index(each), first, last) for each, first, last in slab.parts]
        for slab in cut_slabs(blocks)
    ]

    assert found == [
        [(0, 0, 1), (1, 0, 1)],
        [(2, 0, DENSE_ROWS)],
        [(2, DENSE_ROWS, DENSE_ROWS + 1), (3, 0, 1)],
    ]
