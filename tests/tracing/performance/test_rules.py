"""From an SDK's transaction to an alert about its p95, by the shipped rule."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.config.defaults import RULE_FILES
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import InstantVector
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import RuleGroup
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from resumatch_monitor.tracing.feed import SegmentFeed
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.recorder import PerformanceRecorder
from resumatch_monitor.tracing.performance.series import TransactionSeries
from resumatch_monitor.tracing.performance.vitals import VitalSeries
from tests.rules.support import EngineQuerier, World
from tests.support.clock import FakeClock
from tests.support.tracing import TraceStack, open_trace_stack
from tests.tracing.items import make_record, make_transaction

pytestmark = pytest.mark.anyio

STEP_SECONDS = 30


def load_group() -> RuleGroup:
    loaded = load_rule_files(
        RULE_FILES,
        check_expression=lambda text: parse(text) and None,
        default_interval=timedelta(seconds=15),
    )
    return next(group for group in loaded.groups if group.name == "performance")


@pytest.fixture
async def stack(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[TraceStack]:
    async with open_trace_stack(tmp_path / "traces", clock=clock) as opened:
        yield opened


@pytest.fixture
def samples(tmp_path: Path, clock: FakeClock) -> Generator[TimeSeriesStore]:
    store = TimeSeriesStore(
        tmp_path / "metrics", clock=clock, telemetry=Telemetry(), retention=timedelta(days=1)
    )
    store.open()
    yield store
    store.close()


class Application:
    """Sends transactions and has them counted, on the simulated clock."""

    def __init__(
        self, clock: FakeClock, stack: TraceStack, samples: TimeSeriesStore, database: Database
    ) -> None:
        self.clock = clock
        self.stack = stack
        self.count = 0
        self.series = TransactionSeries(
            sink=samples, metadata=MetadataStore(), slug_of=lambda _: "web", clock=clock
        )
        config = PerformanceConfig()
        recorder = PerformanceRecorder(
            store=SqlPerformanceStore(database, config),
            traces=stack.store,
            series=self.series,
            config=config,
            clock=clock,
            on_findings=lambda: None,
        )
        self.vitals = VitalSeries(
            reader=SqlPerformanceReader(database),
            sink=samples,
            metadata=MetadataStore(),
            slug_of=lambda _: "web",
            clock=clock,
        )
        self.feed = SegmentFeed(
            queue=stack.store,
            observers=[recorder],
            settle=timedelta(seconds=10),
            metrics=stack.metrics,
            clock=clock,
        )

    async def send(self, *, seconds: float, **fields: object) -> None:
        self.count += 1
        now = self.clock.now().timestamp()
        trace = {
            "trace_id": f"{self.count:032x}",
            "span_id": f"{self.count:016x}",
            "op": "http.server",
        }
        payload = make_transaction(
            contexts={"trace": trace},
            start_timestamp=now - seconds,
            timestamp=now,
            spans=[],
            **fields,
        )
        record = replace(
            make_record(ItemKind.TRANSACTION, payload),
            item_id=f"{self.count:032x}",
            received_at=self.clock.now(),
        )
        await self.stack.take(record)

    async def pass_step(self) -> None:
        await self.clock.advance(STEP_SECONDS)
        await self.feed.feed_batch()
        await self.series.write()


async def ask(samples: TimeSeriesStore, clock: FakeClock, query: str) -> dict[Labels, float]:
    vector = await EngineQuerier(samples).instant(query, clock.now())
    assert isinstance(vector, InstantVector)
    return dict(zip(vector.labels, vector.values.tolist(), strict=True))


async def test_a_slow_endpoint_fires_an_alert_and_a_fast_one_does_not(
    clock: FakeClock, stack: TraceStack, samples: TimeSeriesStore, database: Database
) -> None:
    application = Application(clock, stack, samples, database)
    world = World(clock, store=samples)
    await world.start(load_group())

    for _ in range(30):
        for _ in range(3):
            await application.send(seconds=4.0)
            await application.send(seconds=0.1, transaction="/fast")
        await application.pass_step()

    (alert,) = world.alerts.firing.values()
    assert (alert.name, alert.labels["endpoint"]) == ("SlowTransactions", "/users/{id}")
    assert alert.labels["project"] == "web"
    assert alert.value == pytest.approx(4.9, rel=0.05)


async def test_a_series_begins_at_zero_so_that_its_first_transactions_are_in_rates(
    clock: FakeClock, stack: TraceStack, samples: TimeSeriesStore, database: Database
) -> None:
    application = Application(clock, stack, samples, database)
    await clock.advance(60)
    for _ in range(5):
        await application.send(seconds=0.1)
    await application.pass_step()

    await clock.advance(1)
    (value,) = (await ask(samples, clock, "increase(transactions_total[1m])")).values()

    assert value >= 5


async def test_web_vitals_are_a_series(
    clock: FakeClock, stack: TraceStack, samples: TimeSeriesStore, database: Database
) -> None:
    application = Application(clock, stack, samples, database)
    vitals = {"lcp": {"value": 5_000, "unit": "millisecond"}, "cls": {"value": 0.01}}
    await application.send(seconds=1, transaction="/jobs", measurements=vitals)
    await application.pass_step()
    await application.vitals.write()

    found = await ask(samples, clock, "web_vital_p75")

    values = {labels["vital"]: value for labels, value in found.items()}
    assert values == {
        "lcp": pytest.approx(5, rel=0.01),
        "cls": pytest.approx(0.01, rel=0.01),
    }
