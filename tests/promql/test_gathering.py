"""Queries asked at one moment share a thread's turn, and nothing else."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest

from resumatch_monitor.kit.clock import SystemClock, from_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.metrics.samples import SeriesBlock
from resumatch_monitor.promql.gathering import GatheringQuerier
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import InstantVector, QueryError, ScalarValue
from resumatch_monitor.promql.waiting import Waiting
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio
AT = from_milliseconds(60_000)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.add(Labels.of(__name__="up", job="api"), {60_000: 1.0})
    return store


@pytest.fixture
def runner(store: MemoryStore, telemetry: Telemetry) -> Iterator[QueryRunner]:
    runner = QueryRunner(store, clock=SystemClock(), telemetry=telemetry, workers=1)
    yield runner
    runner.stop()


def turns(telemetry: Telemetry) -> float | None:
    return telemetry.registry.get_sample_value(
        "resumatch_monitor_query_duration_seconds_count", {"kind": "instant"}
    )


async def test_everyone_gets_the_answer_to_their_own_question(
    runner: QueryRunner, telemetry: Telemetry
) -> None:
    querier = GatheringQuerier(runner, clock=SystemClock())

    answers = await asyncio.gather(
        *(querier.instant(f"vector({number})", AT) for number in range(100)),
        querier.instant("up", AT),
    )

    values = [each.values.tolist() for each in answers if isinstance(each, InstantVector)]
    assert values == [[float(number)] for number in range(100)] + [[1.0]]
    assert turns(telemetry) == 2


async def test_a_query_that_fails_fails_alone(runner: QueryRunner) -> None:
    querier = GatheringQuerier(runner, clock=SystemClock())

    answers = await asyncio.gather(
        querier.instant("1 +", AT), querier.instant("1 + 1", AT), return_exceptions=True
    )

    assert isinstance(answers[0], QueryError)
    assert isinstance(answers[1], ScalarValue)
    assert answers[1].value == 2


async def test_who_does_not_wait_any_more_holds_up_nobody(runner: QueryRunner) -> None:
    querier = GatheringQuerier(runner, clock=SystemClock())
    given_up = asyncio.create_task(querier.instant("up", AT))
    waiting = asyncio.create_task(querier.instant("up", AT))
    await asyncio.sleep(0)

    given_up.cancel()

    assert isinstance(await waiting, InstantVector)
    assert given_up.cancelled() or await asyncio.wait([given_up])


async def test_what_is_not_begun_for_others_that_take_long_is_asked_again(
    store: MemoryStore, telemetry: Telemetry
) -> None:
    clock = SlowClock()
    runner = QueryRunner(
        store, clock=clock, telemetry=telemetry, workers=1, timeout=timedelta(hours=1)
    )
    querier = GatheringQuerier(runner, clock=SystemClock())

    answers = await asyncio.gather(*(querier.instant("up", AT) for _ in range(10)))

    assert len(answers) == 10
    assert (turns(telemetry) or 0) > 1
    runner.stop()


async def test_tells_what_a_query_waited_for_others_apart_from_its_own_time(
    telemetry: Telemetry,
) -> None:
    clock = FakeClock()
    runner = QueryRunner(SlowStore(clock), clock=clock, telemetry=telemetry, workers=1)
    querier = GatheringQuerier(runner, clock=clock)
    waited = {query: Waiting() for query in ("quick", "slow", "quick + quick", "slow == bad(")}

    await asyncio.gather(
        *(querier.instant(query, AT, waiting=waiting) for query, waiting in waited.items()),
        return_exceptions=True,
    )

    assert {query: 0.75 - waiting.seconds for query, waiting in waited.items()} == {
        "quick": 0.125,
        "slow": 0.375,
        "quick + quick": 0.25,
        "slow == bad(": 0.0,
    }
    runner.stop()


class SlowStore(MemoryStore):
    """Takes longer to read one metric than any other."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        self._clock.jump_monotonic(0.375 if "slow" in [each.value for each in matchers] else 0.125)
        return super().select(matchers, start_ms, end_ms)


class SlowClock(FakeClock):
    """Every look at it takes half a second."""

    def monotonic(self) -> float:
        self.jump_monotonic(0.5)
        return super().monotonic()
