"""Rules over the real stores: samples and states on disk, queries on threads, a kill in between."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import RowLayout, is_stale
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.rules.loader import parse_rule_file
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.model import RuleGroup
from resumatch_monitor.rules.sharing import ForgettingSink, SharedSelections
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.rule_states import SqlRuleStates
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.rules.support import MemoryAlerts
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

RULES = """
groups:
  - name: g
    interval: 15s
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - record: job:up:low
        expr: job:up:sum < 2
      - alert: Down
        expr: job:up:low == 0
        for: 1m
        annotations: {summary: "{{ $labels.job }} is down"}
"""
INTERVAL = timedelta(seconds=15)
UP = RowLayout([Labels.of({METRIC_NAME: "up"}, job="api", instance=each) for each in "ab"])


def parse_groups() -> Sequence[RuleGroup]:
    loaded = parse_rule_file(
        RULES,
        file="rules.yml",
        check_expression=lambda text: parse(text) and None,
        default_interval=INTERVAL,
    )
    assert not loaded.errors
    return loaded.groups


async def never() -> None:
    """Keep the loops of the manager waiting: the tests evaluate at moments of their own."""
    await asyncio.Event().wait()


class Process:
    """One run of what evaluates rules, over the stores in `folder`."""

    def __init__(self, folder: Path, clock: FakeClock, alerts: MemoryAlerts) -> None:
        folder.mkdir(exist_ok=True)
        telemetry = Telemetry()
        self._clock = clock
        self.store = TimeSeriesStore(folder / "metrics", clock=clock, telemetry=telemetry)
        self._database = Database(folder / "monitor.sqlite3")
        selections = SharedSelections(self.store, monotonic=clock.monotonic)
        self._queries = QueryRunner(selections, clock=clock, telemetry=telemetry, workers=2)
        self.manager = RuleManager(
            parse_groups(),
            (),
            querier=self._queries,
            sink=ForgettingSink(self.store, selections),
            alerts=alerts,
            states=SqlRuleStates(self._database),
            clock=clock,
            telemetry=telemetry,
            wait_until_ready=never,
        )

    async def start(self) -> None:
        self._database.start()
        self.store.open()
        await self.manager.start()

    async def run(self, values: Sequence[tuple[float, float]]) -> list[datetime]:
        """Scrape and evaluate once for each of `values`; return the moments."""
        moments: list[datetime] = []
        for pair in values:
            self._clock.jump(INTERVAL)
            now = self._clock.now()
            await self.store.append_row("api", UP, to_milliseconds(now), np.array(pair))
            (group,) = self.manager.group_runners
            await group.evaluate(now)
            assert [rule.last_error for rule in group.status.rules] == [None] * 3
            moments.append(now)
        return moments

    async def stop(self) -> None:
        await self.manager.stop()
        self._queries.stop()
        self.store.close()
        self._database.stop()

    def read(self, **labels: str) -> list[float | str]:
        """Return every sample of the one series that matches."""
        matchers = [Matcher(name, MatchOp.EQUAL, value) for name, value in labels.items()]
        blocks = self.store.select(matchers, 0, to_milliseconds(self._clock.now()))
        if not blocks:
            return []
        ((row,),) = [list(block.values) for block in blocks]
        stale = is_stale(row).tolist()
        numbers: list[float] = row.tolist()
        return [
            "stale" if is_end else number for number, is_end in zip(numbers, stale, strict=True)
        ]


@pytest.fixture
async def alerts() -> MemoryAlerts:
    return MemoryAlerts()


@pytest.fixture
async def process(tmp_path: Path, clock: FakeClock, alerts: MemoryAlerts) -> AsyncIterator[Process]:
    process = Process(tmp_path / "first", clock, alerts)
    await process.start()
    yield process
    await process.stop()


async def test_a_rule_sees_what_the_one_before_it_recorded_at_the_same_moment(
    process: Process,
) -> None:
    await process.run([(1, 1), (1, 0), (1, 1)])

    assert process.read(__name__="job:up:sum") == [2, 1, 2]
    assert process.read(__name__="job:up:low") == [1, "stale"]


async def test_an_alert_fires_and_ends_with_its_series(
    process: Process, alerts: MemoryAlerts
) -> None:
    moments = await process.run([(0, 0)] * 6 + [(1, 1)] * 2)

    assert alerts.messages == [("firing", "Down"), ("resolved", "Down")]
    assert alerts.puts[0].starts_at == moments[0]
    assert alerts.puts[0].annotations == {"summary": "api is down"}
    pending = process.read(__name__="ALERTS", alertstate="pending")
    firing = process.read(__name__="ALERTS", alertstate="firing")
    assert pending == [1, 1, 1, 1, "stale"]
    assert firing == [1, 1, "stale"]
    active_at = moments[0].timestamp()
    assert process.read(__name__="ALERTS_FOR_STATE") == [int(active_at)] * 6 + ["stale"]


async def test_a_kill_forgets_no_time_that_an_alert_was_pending(
    process: Process, tmp_path: Path, clock: FakeClock, alerts: MemoryAlerts
) -> None:
    moments = await process.run([(0, 0)] * 3)
    # What is on the disk at this moment is what a kill would leave.
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    clock.jump(timedelta(seconds=20))

    after = Process(tmp_path / "second", clock, alerts)
    await after.start()
    try:
        await after.run([(0, 0)] * 2)
        ended = await after.run([(1, 1)])
    finally:
        await after.stop()

    assert alerts.messages == [("firing", "Down"), ("resolved", "Down")]
    assert alerts.puts[0].starts_at == moments[0]
    assert alerts.puts[-1].ends_at == ended[0]


async def test_an_alert_that_was_pending_starts_over_after_a_long_outage(
    process: Process, tmp_path: Path, clock: FakeClock, alerts: MemoryAlerts
) -> None:
    await process.run([(0, 0)] * 4)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    clock.jump(timedelta(hours=2))

    after = Process(tmp_path / "second", clock, alerts)
    await after.start()
    try:
        moments = await after.run([(0, 0)] * 4)
        before = list(alerts.messages)
        await after.run([(0, 0)])
    finally:
        await after.stop()

    assert before == []
    assert alerts.puts[0].starts_at == moments[0]
