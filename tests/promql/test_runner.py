from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from threading import Event

import anyio
import pytest

from resumatch_monitor.kit.clock import SystemClock, from_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import SeriesBlock
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import (
    InstantVector,
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
    UnsupportedError,
)
from resumatch_monitor.promql.waiting import Waiting
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for name in ("a", "b"):
        points = {time: float(time // 15_000) for time in range(0, 600_001, 15_000)}
        store.add(Labels.of({"__name__": "requests_total"}, job=name), points)
    return store


@pytest.fixture
def runner(store: MemoryStore, telemetry: Telemetry) -> Iterator[QueryRunner]:
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry)
    yield runner
    runner.stop()


async def test_answers_at_one_moment(runner: QueryRunner) -> None:
    value = await runner.instant("sum(requests_total)", from_milliseconds(600_000))

    assert isinstance(value, InstantVector)
    assert value.values.tolist() == [80.0]


async def test_answers_over_a_range(runner: QueryRunner) -> None:
    matrix = await runner.range(
        "sum by (job) (rate(requests_total[1m]))", start_ms=60_000, end_ms=120_000, step_ms=30_000
    )

    assert matrix.timestamps.tolist() == [60_000, 90_000, 120_000]
    assert [labels["job"] for labels in matrix.labels] == ["a", "b"]
    assert matrix.values.round(9).tolist() == [[round(1 / 15, 9)] * 3] * 2


async def test_counts_failures_by_reason(runner: QueryRunner, telemetry: Telemetry) -> None:
    with pytest.raises(QueryError):
        await runner.instant("sum(", from_milliseconds(0))
    with pytest.raises(UnsupportedError):
        await runner.instant("info(up)", from_milliseconds(0))
    with pytest.raises(QueryLimitError, match="11,000 points"):
        await runner.range("up", start_ms=0, end_ms=11_001, step_ms=1)

    failures = "resumatch_monitor_query_failures_total"
    assert telemetry.registry.get_sample_value(failures, {"reason": "bad_query"}) == 1
    assert telemetry.registry.get_sample_value(failures, {"reason": "unsupported"}) == 1


async def test_limits_the_samples_of_a_query(store: MemoryStore, telemetry: Telemetry) -> None:
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry, max_samples=10)

    with pytest.raises(QueryLimitError, match="too many samples"):
        await runner.instant("rate(requests_total[5m])", from_milliseconds(600_000))

    runner.stop()


@pytest.mark.parametrize(
    "query",
    [
        'count_values("value", vector(time()))',
        'count_values("value", requests_total + time())',
        "sum_over_time(vector(1)[500000h:1s])",
        "time() + time() + time() + time()",
    ],
)
async def test_what_a_query_makes_counts_as_what_it_loads(
    store: MemoryStore, telemetry: Telemetry, query: str
) -> None:
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry, max_samples=60_000)

    with pytest.raises(QueryLimitError, match="too many samples"):
        await runner.range(query, start_ms=0, end_ms=10_000_000, step_ms=1_000)

    runner.stop()


async def test_counts_values_by_what_they_are_called(runner: QueryRunner) -> None:
    value = await runner.instant(
        'count_values("v", requests_total * (0 / 0) or requests_total{job="a"} - 41)',
        from_milliseconds(600_000),
    )

    assert isinstance(value, InstantVector)
    assert [labels["v"] for labels in value.labels] == ["NaN"]
    assert value.values.tolist() == [2.0]


@pytest.mark.parametrize(
    "query",
    [
        'label_replace({call}, "a", "{refs}", "a", "(.*)")',
        'label_join({call}, "a", "-", {sources})',
    ],
)
async def test_a_label_value_cannot_grow_without_end(runner: QueryRunner, query: str) -> None:
    text = 'label_replace(vector(1), "a", "start", "", "")'
    for _ in range(6):
        sources = ", ".join(['"a"'] * 1_000)
        text = (
            query.replace("{refs}", "$1" * 1_000)
            .replace("{sources}", sources)
            .replace("{call}", text)
        )

    with pytest.raises(QueryLimitError, match="longer than"):
        await runner.instant(text, from_milliseconds(0))


class _StuckStore(MemoryStore):
    """Blocks every read until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.is_reading = Event()
        self.release = Event()

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        self.is_reading.set()
        assert self.release.wait(10)
        return super().select(matchers, start_ms, end_ms)


class _SteppingClock(SystemClock):
    """Monotonic time that a test moves on."""

    def __init__(self) -> None:
        self.elapsed_seconds = 0.0

    def monotonic(self) -> float:
        return self.elapsed_seconds


async def test_gives_up_a_query_that_takes_too_long(telemetry: Telemetry) -> None:
    store, clock = _StuckStore(), _SteppingClock()
    runner = QueryRunner(store, clock=clock, telemetry=telemetry, timeout=timedelta(seconds=5))

    async with anyio.create_task_group() as group:

        async def expect_timeout() -> None:
            with pytest.raises(QueryTimeoutError, match="5 seconds"):
                await runner.instant("up + up", from_milliseconds(0))

        group.start_soon(expect_timeout)
        await anyio.to_thread.run_sync(store.is_reading.wait)
        clock.elapsed_seconds = 6.0
        store.release.set()

    failures = "resumatch_monitor_query_failures_total"
    assert telemetry.registry.get_sample_value(failures, {"reason": "timeout"}) == 1
    runner.stop()


async def test_tells_how_long_a_query_waited_for_a_thread(telemetry: Telemetry) -> None:
    store, clock, waiting = _StuckStore(), _SteppingClock(), Waiting()
    runner = QueryRunner(store, clock=clock, telemetry=telemetry, workers=1)

    async with anyio.create_task_group() as group:
        group.start_soon(runner.instant, "up", from_milliseconds(0))
        await anyio.to_thread.run_sync(store.is_reading.wait)
        group.start_soon(partial(runner.instant, "1", from_milliseconds(0), waiting=waiting))
        await anyio.wait_all_tasks_blocked()
        clock.elapsed_seconds = 4.0
        store.release.set()

    assert waiting.seconds == 4.0
    runner.stop()


async def test_what_one_runner_is_asked_holds_up_no_sibling(telemetry: Telemetry) -> None:
    store = _StuckStore()
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry, workers=1)
    sibling = runner.build_sibling(workers=1)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(runner.instant, "up", from_milliseconds(0))
        await anyio.to_thread.run_sync(store.is_reading.wait)
        with anyio.fail_after(10):
            assert await sibling.instant("1", from_milliseconds(0))
        store.release.set()

    assert telemetry.registry.get_sample_value("resumatch_monitor_queries_pending") == 0
    runner.stop()
    sibling.stop()


async def test_a_cancelled_query_frees_its_place(telemetry: Telemetry) -> None:
    store = _StuckStore()
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry, workers=1)

    async with anyio.create_task_group() as group:
        group.start_soon(runner.instant, "up", from_milliseconds(0))
        await anyio.to_thread.run_sync(store.is_reading.wait)
        group.cancel_scope.cancel()
    store.release.set()

    assert await runner.instant("1", from_milliseconds(0))
    assert telemetry.registry.get_sample_value("resumatch_monitor_queries_pending") == 0
    runner.stop()


@pytest.mark.parametrize(
    "query",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "1" + "+1" * 5000,
        "-" * 5000 + "1",
        "abs(" * 300,
        "x" * 200_000,
    ],
)
async def test_refuses_what_would_exhaust_the_parser(runner: QueryRunner, query: str) -> None:
    with pytest.raises(QueryLimitError):
        await runner.instant(query, from_milliseconds(0))


async def test_evaluates_as_many_operators_as_it_allows(runner: QueryRunner) -> None:
    value = await runner.range("vector(1)" + "+1" * 240, start_ms=0, end_ms=0, step_ms=1)

    assert value.values.tolist() == [[241.0]]
