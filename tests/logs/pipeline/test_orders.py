"""What pipelines order: counters that rules can alert on, events at the door."""

import logging
from collections.abc import Generator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.pipeline.counters import OTHER, SERIES_MAX, LogCounters
from resumatch_monitor.logs.pipeline.draft import EventOrder, Increment
from resumatch_monitor.logs.pipeline.orders import EventRefusedError, Orders
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.promql.value import InstantVector
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.rules.support import EngineQuerier
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def samples(tmp_path: Path, clock: FakeClock) -> Generator[TimeSeriesStore]:
    store = TimeSeriesStore(
        tmp_path / "metrics", clock=clock, telemetry=Telemetry(), retention=timedelta(days=1)
    )
    store.open()
    yield store
    store.close()


def _clean(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {name: "[Filtered]" if "@" in value else value for name, value in labels.items()}


def _build_counters(samples: TimeSeriesStore, clock: FakeClock) -> LogCounters:
    return LogCounters(sink=samples, metadata=MetadataStore(), clean=_clean, clock=clock)


async def _ask(samples: TimeSeriesStore, clock: FakeClock, query: str) -> dict[str, float]:
    vector = await EngineQuerier(samples).instant(query, clock.now())
    assert isinstance(vector, InstantVector)
    return {
        labels.get("path", ""): value
        for labels, value in zip(vector.labels, vector.values.tolist(), strict=True)
    }


async def test_what_is_counted_is_in_a_rate_from_the_first_record_on(
    samples: TimeSeriesStore, clock: FakeClock
) -> None:
    counters = _build_counters(samples, clock)
    for _ in range(4):
        await clock.advance(15)
        counters.count([Increment("errors_total", {"path": "/a"}, 1.0)] * 3)
        await counters.write()
    assert await _ask(samples, clock, "errors_total") == {"/a": 12.0}
    assert await _ask(samples, clock, "increase(errors_total[1m])") == {"/a": 12.0}


async def test_values_of_labels_are_cleaned_and_bounded(
    samples: TimeSeriesStore, clock: FakeClock
) -> None:
    counters = _build_counters(samples, clock)
    await clock.advance(1)
    counters.count(Increment("hits_total", {"path": f"{n}@x"}, 1.0) for n in range(10))
    counters.count(Increment("hits_total", {"path": f"/{n}"}, 1.0) for n in range(SERIES_MAX + 20))
    await counters.write()
    found = await _ask(samples, clock, "hits_total")
    assert (len(found), found["[Filtered]"], found[OTHER]) == (SERIES_MAX + 1, 10.0, 21.0)


async def test_a_series_that_nobody_counts_any_more_ends(
    samples: TimeSeriesStore, clock: FakeClock
) -> None:
    counters = _build_counters(samples, clock)
    await clock.advance(1)
    counters.count([Increment("rare_total", {}, 1.0)])
    await counters.write()
    await clock.advance(3_700)
    await counters.write()
    assert await _ask(samples, clock, "rare_total") == {}


class _Door:
    """Takes events of one project."""

    def __init__(self) -> None:
        self.taken: list[Mapping[str, Any]] = []

    async def put(self, project: str, event: Mapping[str, Any]) -> None:
        if project != "shop":
            raise EventRefusedError("there is no such project")
        self.taken.append(event)


async def test_events_are_handed_on_in_order_and_refusals_are_told_once(
    samples: TimeSeriesStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    door = _Door()
    orders = Orders(counters=_build_counters(samples, clock), events=door, telemetry=Telemetry())
    orders.add([EventOrder("shop", {"n": 1}), EventOrder("gone", {}), EventOrder("gone", {})])
    orders.add([EventOrder("shop", {"n": 2})])
    with caplog.at_level(logging.WARNING):
        await orders.carry_out()
        await orders.carry_out()
    assert door.taken == [{"n": 1}, {"n": 2}]
    assert len(caplog.records) == 1
