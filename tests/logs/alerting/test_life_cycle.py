"""Rules over a real store, from records to what dispatch hears, over restarts."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.alerting.counting import UncertainCountError
from resumatch_monitor.logs.alerting.manager import LogRules
from resumatch_monitor.logs.alerting.rule import build_rule
from resumatch_monitor.logs.alerting.runner import LogRuleRunner
from resumatch_monitor.logs.document import to_microseconds
from resumatch_monitor.logs.store import Count, LogPage, LogQuery, LogReader
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.log_rule_states import SqlLogRuleStates
from tests.support.clock import FakeClock
from tests.support.logs import make_record, place

pytestmark = pytest.mark.anyio

_RULE: dict[str, Any] = {"name": "PaymentsFail", "query": "level:error", "above": 2}


class _Sink:
    """Notes what dispatch would hear."""

    def __init__(self) -> None:
        self.heard: list[Alert] = []
        self.is_broken = False

    async def put(self, alerts: Sequence[Alert]) -> None:
        if self.is_broken:
            raise OSError("dispatch is not there")
        self.heard.extend(alerts)

    def take(self) -> list[tuple[str, str, bool]]:
        """Return name, group and whether it fires, of what was heard since the last time."""
        taken = [(a.name, a.labels.get("service", ""), a.ends_at is None) for a in self.heard]
        self.heard.clear()
        return taken


class _Stage:
    """A monitor's rules and records on a clock that moves by hand."""

    def __init__(self, store: TantivyLogStore, database: Database, clock: FakeClock) -> None:
        self.sink = _Sink()
        self.clock = clock
        self._store = store
        self._states = SqlLogRuleStates(database)
        self._offset = 0
        self.found_until: Callable[[], datetime | None] = clock.now
        self.rules = self._build()

    async def start(self, *configs: dict[str, Any]) -> None:
        """Start anew, as after a restart."""
        self.rules = self._build(*configs)
        await self.rules.restore()

    def _build(self, *configs: dict[str, Any]) -> LogRules:
        return LogRules(
            [LogRuleConfig.model_validate(each) for each in configs],
            reader=self._store,
            states=self._states,
            alerts=self.sink,
            telemetry=Telemetry(),
            clock=self.clock,
            found_until=lambda: self.found_until(),
        )

    async def log(self, count: int, **over: Any) -> None:
        now_us = to_microseconds(self.clock.now())
        values: dict[str, Any] = {"severity": 17, "body": "payment failed", **over}
        records = [
            make_record(timestamp_us=now_us + n, observed_us=now_us, **values) for n in range(count)
        ]
        self._offset += 1
        await self._store.append(records, until=place(self._offset))

    async def step(self, minutes: float = 1) -> list[tuple[str, str, bool]]:
        """Let time pass, evaluate every rule, and return what dispatch heard."""
        await self.clock.advance(minutes * 60)
        for runner in self.rules.runners:
            await self.rules.evaluate(runner, self.clock.now())
        return self.sink.take()

    async def pass_until(self, is_enough: Callable[[], bool], *, most: int = 300) -> None:
        """Let time pass second by second; what threads do meanwhile is waited for."""
        for _ in range(most):
            await self.clock.advance(1)
            await asyncio.sleep(0.002)
            if is_enough():
                return
        raise AssertionError("it did not come")


@pytest.fixture
def stage(tmp_path: Path, database: Database, clock: FakeClock) -> Generator[_Stage]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    yield _Stage(store, database, clock)
    store.close()


async def test_too_many_records_fire_once_and_end_when_the_window_has_passed(
    stage: _Stage,
) -> None:
    await stage.start(_RULE)
    await stage.log(2)
    assert await stage.step() == []
    await stage.log(1, body="card declined", service="shop")
    assert await stage.step() == [("PaymentsFail", "", True)]
    # The window ends with this moment, and what is just five minutes old is in it.
    for _ in range(3):
        assert await stage.step() == []
    assert await stage.step() == [("PaymentsFail", "", False)]
    assert await stage.step() == []


async def test_an_alert_shows_the_newest_record_and_where_to_look(stage: _Stage) -> None:
    annotations = {"runbook_url": "https://x/{{ $labels.team }}", "note": "{{$value}} of them"}
    await stage.start({**_RULE, "labels": {"team": "pay"}, "annotations": annotations})
    await stage.log(3)
    await stage.log(1, body="card\ndeclined", service="shop")
    await stage.clock.advance(60)
    await stage.rules.evaluate(stage.rules.runners[0], stage.clock.now())
    (alert,) = stage.sink.heard
    assert (alert.source, alert.severity, alert.value) == (AlertSource.LOG, "warning", 4.0)
    assert alert.annotations == {
        "summary": "4 records in 5m of: level:error",
        "description": "Newest, 12:00:00 UTC shop error: card declined",
        "runbook_url": "https://x/pay",
        "note": "4 of them",
    }
    assert alert.generator_path == "/logs?query=level%3Aerror"


async def test_it_has_to_hold_for_as_long_as_the_rule_says(stage: _Stage) -> None:
    await stage.start({**_RULE, "for": "2m"})
    await stage.log(3)
    assert await stage.step() == []
    assert await stage.step() == []
    assert await stage.step() == [("PaymentsFail", "", True)]


async def test_each_group_is_told_by_itself(stage: _Stage) -> None:
    await stage.start({**_RULE, "group_by": "service.name"})
    await stage.log(3, service="shop")
    await stage.log(2, service="web")
    rule = stage.rules.runners[0].rule
    assert rule.label == "service_name"
    await stage.clock.advance(60)
    await stage.rules.evaluate(stage.rules.runners[0], stage.clock.now())
    (alert,) = stage.sink.heard
    assert (alert.labels["service_name"], alert.value) == ("shop", 3.0)
    assert alert.generator_path.endswith("service.name%3A%22shop%22")


async def test_what_is_absent_fires_and_its_last_record_is_shown(stage: _Stage) -> None:
    await stage.start({"name": "Quiet", "query": "backup", "below": 1, "window": "10m"})
    await stage.log(1, body="backup done", severity=9)
    assert await stage.step(9) == []
    await stage.clock.advance(120)
    await stage.rules.evaluate(stage.rules.runners[0], stage.clock.now())
    (alert,) = stage.sink.heard
    assert alert.annotations["summary"] == "0 records in 10m of: backup"
    assert "backup done" in alert.annotations["description"]
    stage.sink.take()
    await stage.log(1, body="backup done", severity=9)
    assert await stage.step() == [("Quiet", "", False)]


async def test_an_expected_group_that_is_absent_fires(stage: _Stage) -> None:
    rule = {"name": "Quiet", "query": "", "below": 1, "group_by": "service"}
    await stage.start({**rule, "groups": ["api", "worker"]})
    await stage.log(1, service="api")
    assert await stage.step() == [("Quiet", "worker", True)]


async def test_a_firing_alert_is_not_forgotten_by_a_restart_nor_begun_anew(
    stage: _Stage,
) -> None:
    await stage.start(_RULE)
    await stage.log(3)
    await stage.step()
    began_at = stage.rules.runners[0].alerts[0].active_at
    await stage.start(_RULE)
    # Put again it is the same alert, of which dispatch tells nobody a second time.
    assert await stage.step() == [("PaymentsFail", "", True)]
    assert stage.rules.runners[0].alerts[0].active_at == began_at
    assert await stage.step(5) == [("PaymentsFail", "", False)]
    await stage.start(_RULE)
    assert await stage.step() == []


async def test_an_end_that_dispatch_did_not_hear_of_is_told_after_a_restart(
    stage: _Stage,
) -> None:
    await stage.start(_RULE)
    await stage.log(3)
    await stage.step()
    stage.sink.is_broken = True
    assert await stage.step(6) == []
    assert stage.rules.runners[0].problem == "dispatch is not there"
    stage.sink.is_broken = False
    await stage.start(_RULE)
    assert await stage.step() == [("PaymentsFail", "", False)]


async def test_the_alert_of_a_rule_that_is_gone_ends(stage: _Stage) -> None:
    await stage.start(_RULE, {**_RULE, "name": "Pending", "for": "1h"})
    await stage.log(3)
    await stage.step()
    await stage.start()
    assert stage.sink.take() == [("PaymentsFail", "", False)]
    await stage.start()
    assert stage.sink.take() == []


async def test_rules_run_at_their_own_pace_and_absence_waits_for_a_whole_window(
    stage: _Stage,
) -> None:
    await stage.start(
        {**_RULE, "every": "10s"}, {"name": "Quiet", "query": "backup", "below": 1, "window": "2m"}
    )
    await stage.log(3)
    often, quiet = stage.rules.runners
    running = asyncio.create_task(stage.rules.run())
    try:
        await stage.pass_until(lambda: often.evaluated_at is not None)
        assert stage.sink.take() == [("PaymentsFail", "", True)]
        began_at = stage.clock.now()
        await stage.pass_until(lambda: quiet.evaluated_at is not None)
        assert stage.clock.now() - began_at >= timedelta(seconds=100)
        assert ("Quiet", "", True) in stage.sink.take()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_what_waits_in_the_spool_is_not_taken_for_absent(stage: _Stage) -> None:
    quiet = {"name": "Quiet", "query": "backup", "below": 1, "window": "5m"}
    await stage.start(quiet, _RULE)
    await stage.log(3, body="backup done")
    digested_at = stage.clock.now()
    assert await stage.step() == [("PaymentsFail", "", True)]
    stage.found_until = lambda: digested_at
    # The window ends where the digest is: as it was then, it is still.
    assert await stage.step(10) == [("PaymentsFail", "", True)]
    assert len(stage.rules.runners[0].alerts) == 0
    stage.found_until = lambda: None
    assert await stage.step() == []
    assert "before the start" in stage.rules.runners[0].problem
    stage.found_until = stage.clock.now
    assert await stage.step() == [("Quiet", "", True), ("PaymentsFail", "", False)]


@pytest.mark.parametrize("jump", [timedelta(hours=-9), timedelta(hours=9)])
async def test_absence_waits_for_a_whole_window_after_the_clock_was_set(
    stage: _Stage, jump: timedelta
) -> None:
    await stage.start({"name": "Quiet", "query": "backup", "below": 1, "window": "5m"})
    (quiet,) = stage.rules.runners
    running = asyncio.create_task(stage.rules.run())
    try:
        await stage.clock.advance(240)
        stage.clock.jump(jump)
        began = stage.clock.monotonic()
        await stage.pass_until(lambda: quiet.evaluated_at is not None, most=500)
        assert 240 <= stage.clock.monotonic() - began <= 420
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_what_cannot_be_known_leaves_an_alert_as_it_is(
    stage: _Stage, database: Database
) -> None:
    rule = build_rule(LogRuleConfig.model_validate({**_RULE, "query": "/failed$/"}))
    reader = _Slow(total=5)
    runner = LogRuleRunner(
        rule,
        reader=cast("LogReader", reader),
        states=SqlLogRuleStates(database),
        alerts=stage.sink,
    )
    # There are at least five, which is enough to know.
    await runner.evaluate(stage.clock.now())
    assert stage.sink.take() == [("PaymentsFail", "", True)]
    reader.total = 1
    with pytest.raises(UncertainCountError):
        await runner.evaluate(stage.clock.now() + timedelta(minutes=1))
    assert (stage.sink.take(), len(runner.alerts)) == ([], 1)


class _Slow:
    """A store in which looking at records takes too long."""

    def __init__(self, total: int) -> None:
        self.total = total

    async def count(self, query: LogQuery) -> Count:
        return Count(self.total, is_complete=False)

    async def search(self, query: LogQuery, **_: Any) -> LogPage:
        return LogPage((), None)
