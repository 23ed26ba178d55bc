"""Queries that share what they read and compute have the answers that each has alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import STALE, FloatArray, SeriesBlock
from resumatch_monitor.promql.adaptor import EXPERIMENTAL_FUNCTIONS
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import Answer, evaluate_instant
from resumatch_monitor.promql.functions import RANGE_FUNCTIONS
from resumatch_monitor.promql.shared import SharedSeries, WindowFunction
from resumatch_monitor.promql.value import InstantValue, InstantVector, QueryLimitError
from resumatch_monitor.promql.windows import Window
from resumatch_monitor.rules.sharing import SharedSelections
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

SECOND_MS = 1000
SCRAPE_MS = 15 * SECOND_MS
AT_MS = 1_200 * SECOND_MS
SAMPLES = 60

CHOICES = ("", '{h="0"}', '{h=~"0|2"}', '{t="1"}', '{t="1",h="1"}', '{h="nowhere"}', '{t!="0"}')
FUNCTIONS = sorted(
    name
    for name in RANGE_FUNCTIONS
    if name
    not in (
        "predict_linear",
        "double_exponential_smoothing",
        "quantile_over_time",
    )
)
OTHERS = (
    "m{c}",
    "m{c} > 20",
    "timestamp(m{c})",
    "sum by (h) (m{c})",
    "m{c} offset 1m",
    "predict_linear(m{c}[5m], 60)",
    "quantile_over_time(0.5, m{c}[5m])",
    "rate(m{c}[5m] offset 1m)",
    "rate(m{c}[20s])",
    "absent_over_time(m{c}[5m])",
    "max_over_time(rate(m{c}[1m])[3m:30s])",
    "sum by (h) (rate(m{c}[5m])) / on (h) sum by (h) (increase(m{c}[5m]))",
    "sum without (h) (rate(m{c}[5m]))",
    "avg(rate(m{c}[5m]))",
    "max by (t) (rate(m{c}[5m]))",
    "stddev by (t) (rate(m{c}[5m]))",
    "quantile by (h) (0.3, rate(m{c}[5m]))",
    "topk by (h) (1, rate(m{c}[5m]))",
    "count by (__name__, h) (last_over_time(m{c}[5m]))",
)
QUERIES = tuple(
    query.replace("{c}", choice)
    for choice in CHOICES
    for query in (*OTHERS, *(f"{name}(m{{c}}[5m])" for name in FUNCTIONS))
)


@dataclass(frozen=True)
class TargetPlan:
    """What the samples of one target look like."""

    series: int
    stagger_ms: int
    broken: Sequence[tuple[int, int, float | None]]
    """Series, sample and what is there instead; None for no sample."""


def make_store(targets: Sequence[TargetPlan], *, seed: int, is_matrix: bool) -> "TargetStore":
    random = np.random.default_rng(seed)
    stores: list[MemoryStore] = []
    for number, plan in enumerate(targets):
        store = MemoryStore(is_matrix=is_matrix)
        times = AT_MS - plan.stagger_ms - np.arange(SAMPLES, dtype=np.int64) * SCRAPE_MS
        for row in range(plan.series):
            # Some are counters that are reset now and then, others go up and down around zero.
            steps = random.normal(3, 2, SAMPLES) if row % 3 else random.exponential(2, SAMPLES)
            values: list[float] = (np.cumsum(steps) % 40 - (20 if row % 3 == 1 else 0)).tolist()
            points = dict(zip(times.tolist()[::-1], values, strict=True))
            for series, sample, value in plan.broken:
                if series % plan.series == row:
                    time = int(times[sample])
                    points.pop(time, None)
                    if value is not None:
                        points[time] = value
            store.add(Labels.of({METRIC_NAME: "m"}, t=str(number), h=str(row)), points)
        stores.append(store)
    return TargetStore(stores)


class TargetStore(MemoryStore):
    """Answers with the blocks of one target after the other."""

    def __init__(self, stores: Sequence[MemoryStore]) -> None:
        super().__init__()
        self._stores = stores

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        return [
            block for store in self._stores for block in store.select(matchers, start_ms, end_ms)
        ]


class Alone(MemoryStore):
    """Answers with the samples of another one that shares them, and does not say so."""

    def __init__(self, shared: SharedSelections) -> None:
        super().__init__()
        self._shared = shared

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        return self._shared.select(matchers, start_ms, end_ms)


def evaluate(
    store: MemoryStore | SharedSelections, query: str, at_ms: int, *, most: int = 10**7
) -> Answer[InstantValue]:
    options = Options(max_samples=most, features=frozenset({EXPERIMENTAL_FUNCTIONS}))
    return evaluate_instant(store, query, at_ms, options=options)


def bits(answer: Answer[InstantValue]) -> object:
    value = answer.value
    assert isinstance(value, InstantVector)
    numbers = np.where(np.isnan(value.values), np.nan, value.values)
    return (
        list(value.labels),
        numbers.view(np.uint64).tolist(),
        answer.infos,
        answer.warnings,
        answer.statistics.samples_loaded,
        answer.statistics.samples,
    )


def numbers_of(answer: Answer[InstantValue]) -> dict[Labels, float]:
    value = answer.value
    assert isinstance(value, InstantVector)
    return dict(zip(value.labels, value.values.tolist(), strict=True))


BROKEN = st.tuples(
    st.integers(0, 5),
    st.integers(0, 25),
    st.sampled_from([None, STALE, float("nan"), float("inf"), 0.0, -5.0]),
)
TARGETS = st.builds(
    TargetPlan,
    series=st.integers(1, 6),
    stagger_ms=st.sampled_from([0, 0, 370, 7_400]),
    broken=st.lists(BROKEN, max_size=3),
)


@settings(deadline=timedelta(seconds=20), max_examples=60)
@given(
    targets=st.lists(TARGETS, min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    is_matrix=st.booleans(),
    queries=st.lists(st.sampled_from(QUERIES), min_size=10, max_size=25),
)
def test_the_answers_are_those_of_each_query_alone_to_the_last_bit(
    targets: Sequence[TargetPlan], seed: int, is_matrix: bool, queries: Sequence[str]
) -> None:
    store = make_store(targets, seed=seed, is_matrix=is_matrix)
    shared = SharedSelections(store, monotonic=FakeClock().monotonic)
    usual = [f"rate(m{each}[5m]) > m{each} or rate(m{each}[20s])" for each in CHOICES]

    for at_ms in (AT_MS - 30 * SECOND_MS, AT_MS - 15 * SECOND_MS, AT_MS):
        # What follows often enough is shared the next time.
        for query in usual:
            evaluate(shared, query, at_ms)
        together = [evaluate(shared, query, at_ms) for query in queries]
        for query, answer in zip(queries, together, strict=True):
            assert bits(answer) == bits(evaluate(Alone(shared), query, at_ms)), query
            # The store itself may give the series in another order, and so sums as well.
            expected = numbers_of(evaluate(store, query, at_ms))
            if "topk" not in query:
                assert numbers_of(answer) == pytest.approx(expected, rel=1e-12, nan_ok=True), query


def test_what_is_shared_is_computed_once(clock: FakeClock) -> None:
    store = make_store([TargetPlan(6, 0, ()), TargetPlan(6, 370, ())], seed=1, is_matrix=True)
    shared = SharedSelections(store, monotonic=clock.monotonic)
    for at_ms in (AT_MS - 30 * SECOND_MS, AT_MS):
        for choice in CHOICES:
            evaluate(shared, f"rate(m{choice}[5m])", at_ms)
    windows = WindowCounter()

    for status in ("0", "1", "2"):
        matchers = [
            Matcher(METRIC_NAME, MatchOp.EQUAL, "m"),
            Matcher("h", MatchOp.EQUAL, status),
        ]
        rows = shared.select_shared(matchers, AT_MS - 300 * SECOND_MS + 1, AT_MS)
        assert rows is not None
        pieces = rows.pieces(windows.make_function())
        assert pieces is not None
        (piece,) = pieces
        assert [dict(labels)["h"] for labels in piece.labels] == [status, status]

    assert windows.sizes == [12]


def test_few_questions_about_many_series_are_computed_one_by_one() -> None:
    windows = WindowCounter()
    labels = [Labels.of({METRIC_NAME: "m"}, h=str(row)) for row in range(2_500)]
    times = AT_MS - np.arange(20, dtype=np.int64)[::-1] * SCRAPE_MS
    series = SharedSeries([SeriesBlock(labels, times, np.ones((len(labels), len(times))))])

    found = [series.apply(windows.make_function(), 10) is not None for _ in range(5)]

    assert found == [False, False, True, True, True]
    assert windows.sizes == [2_500]


def test_results_never_take_more_memory_than_the_samples() -> None:
    labels = [Labels.of({METRIC_NAME: "m"}, h=str(row)) for row in range(10)]
    times = np.array([AT_MS - SCRAPE_MS, AT_MS])
    series = SharedSeries([SeriesBlock(labels, times, np.ones((10, 2)))])

    found = [
        series.apply(WindowCounter().make_function(f"f{number}"), 10) is not None
        for number in range(4)
    ]

    assert found == [True, True, False, False]


def test_each_query_is_held_to_its_own_limit_of_samples(clock: FakeClock) -> None:
    store = make_store([TargetPlan(6, 0, ())], seed=1, is_matrix=True)
    shared = SharedSelections(store, monotonic=clock.monotonic)
    for at_ms in (AT_MS - 30 * SECOND_MS, AT_MS):
        for choice in CHOICES:
            evaluate(shared, f"rate(m{choice}[5m])", at_ms)

    # Twenty samples of each of six series.
    assert numbers_of(evaluate(shared, 'rate(m{h="0"}[5m])', AT_MS, most=30))
    with pytest.raises(QueryLimitError):
        evaluate(shared, "rate(m[5m])", AT_MS, most=119)


class WindowCounter:
    """Notes how many series each window has that a function is called with."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def make_function(self, name: str = "counted") -> WindowFunction:
        at = np.array([AT_MS])
        return WindowFunction(name, self._compute, 2, at - 300 * SECOND_MS, at, at, _no_checkpoint)

    def _compute(self, window: Window) -> FloatArray:
        self.sizes.append(window.shape[0])
        return window.last_values()


def _no_checkpoint() -> None:
    return None
