"""Segments on their way to being counted: what is wrong with one does not stop the others."""

from collections.abc import Sequence

import pytest

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, Facts
from resumatch_monitor.tracing.performance.recorder import PerformanceRecorder
from resumatch_monitor.tracing.performance.series import TransactionSeries
from resumatch_monitor.tracing.performance.store import EndpointFilter, Window
from resumatch_monitor.tracing.store import StoredTrace
from tests.rules.support import MemorySink
from tests.support.clock import FakeClock
from tests.support.performance import make_segment
from tests.support.spans import START_US

pytestmark = pytest.mark.anyio

HOUR = Window(START_US // 1_000, START_US // 1_000 + 3_600_000, 60)
UNSTORABLE = "/\ud800"


class NoTraces:
    """Keeps no traces."""

    async def find_trace(self, trace_id: str, *, limit: int) -> StoredTrace:
        del trace_id, limit
        return StoredTrace(())


class FullStore(SqlPerformanceStore):
    """Refuses the first batches."""

    refusals = 1

    async def add(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        if self.refusals:
            self.refusals -= 1
            raise StorageUnavailableError("the disk is full")
        return await super().add(facts)


def make_recorder(
    store: SqlPerformanceStore, clock: FakeClock, sink: MemorySink
) -> tuple[PerformanceRecorder, TransactionSeries]:
    series = TransactionSeries(
        sink=sink, metadata=MetadataStore(), slug_of=lambda _: "web", clock=clock
    )
    recorder = PerformanceRecorder(
        store=store,
        traces=NoTraces(),
        series=series,
        config=PerformanceConfig(),
        clock=clock,
        on_findings=lambda: None,
    )
    return recorder, series


async def test_a_segment_that_cannot_be_stored_does_not_stop_the_others(
    database: Database, clock: FakeClock
) -> None:
    recorder, _ = make_recorder(
        SqlPerformanceStore(database, PerformanceConfig()), clock, MemorySink()
    )

    await recorder.observe(
        [make_segment(1, name="/a"), make_segment(2, name=UNSTORABLE), make_segment(3, name="/b")]
    )
    await recorder.observe([make_segment(4, name="/a"), make_segment(5, name="/c")])

    found = await SqlPerformanceReader(database).read_endpoints(
        EndpointFilter(), [HOUR], [DURATION]
    )
    counts = {key.name: figures.count for (key, _), (figures,) in found.items()}
    assert counts == {"/a": 2, "/b": 1, "/c": 1}


async def test_what_comes_again_is_in_no_series_twice(database: Database, clock: FakeClock) -> None:
    sink = MemorySink()
    recorder, series = make_recorder(FullStore(database, PerformanceConfig()), clock, sink)
    batch = [make_segment(1), make_segment(2)]

    with pytest.raises(StorageUnavailableError):
        await recorder.observe(batch)
    await recorder.observe(batch)
    await recorder.observe(batch)
    await clock.advance(15)
    await series.write()

    (total,) = {
        labels for labels, _, _ in sink.samples if labels["__name__"] == "transactions_total"
    }
    assert sink.last(total) == 2
