"""Probes from configuration to alerts, over a real store, with time in the test's hands."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Collection, Sequence
from datetime import datetime, timedelta

import pytest
from prometheus_client import generate_latest

from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.probes import registry
from resumatch_monitor.probes.config import HTTPProbeConfig, ProbeConfig
from resumatch_monitor.probes.outage import ProbeStatus
from resumatch_monitor.probes.probe import Notes, Probe, ProbeFailedError
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.probes.scheduler import ProbeScheduler
from resumatch_monitor.probes.store import RunRecord
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.probes import SqlProbeStore
from tests.probes.recording import RecordingAlerts, RecordingSink, at
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


class Target:
    """What a probe of the kind `http` finds instead of a server."""

    target = "http://web/"
    secrets: Collection[str] = ()

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.is_up = True
        self.takes_seconds = 0.0
        self.attempts: list[float] = []
        self.at_once = 0
        self.most_at_once = 0

    async def attempt(self, notes: Notes) -> str:
        self.attempts.append(self._clock.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.takes_seconds:
                await self._clock.sleep(self.takes_seconds)
        finally:
            self.at_once -= 1
        if not self.is_up:
            raise ProbeFailedError("connection refused")
        notes.status_code = 200
        return "200 OK"


class Watch:
    """A scheduler over a store that outlives it."""

    def __init__(self, clock: FakeClock, database: Database, target: Target) -> None:
        self.clock = clock
        self.target = target
        self.store = SqlProbeStore(database)
        self.sink = RecordingSink()
        self.alerts = RecordingAlerts()
        self.tools = ProbeTools(clock=clock)
        self.configs: Sequence[ProbeConfig] = [
            HTTPProbeConfig(name="Web", type="http", url="http://web/", labels={"team": "blue"})
        ]
        self._started: list[ProbeScheduler] = []

    async def start(self) -> Telemetry:
        telemetry = Telemetry()
        scheduler = ProbeScheduler(
            configs=self.configs,
            tools=self.tools,
            journal=self.store,
            backlog=self.store,
            sink=self.sink,
            alerts=self.alerts,
            supervisor=Supervisor(clock=self.clock, telemetry=telemetry),
            telemetry=telemetry,
        )
        self._started.append(scheduler)
        await scheduler.start()
        return telemetry

    async def stop(self) -> None:
        while self._started:
            await self._started.pop().stop()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in steps, each with room for the store's threads to answer."""
        await self._drain()
        for _ in range(round(seconds)):
            before = len(self.target.attempts), self.target.at_once
            await self.clock.advance(1.0)
            if (len(self.target.attempts), self.target.at_once) != before:
                await self._drain()
            await self.store.load_states()
        await self._drain()

    async def _drain(self) -> None:
        # The writer is first come, first served: what was queued before this is done.
        for _ in range(3):
            await self.store.load_states()
            await self.store.close_orphans(["web", "other"], self.clock.now())
            await asyncio.sleep(0)

    @property
    def reader(self) -> ProbeReader:
        return ProbeReader(configs=self.configs, tools=self.tools, history=self.store)


def is_about(moment: datetime, seconds: float) -> bool:
    """Compare to what the store keeps: milliseconds."""
    return abs(moment - at(seconds)) <= timedelta(milliseconds=1)


@pytest.fixture
def target(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Target:
    target = Target(clock)

    def build(_config: ProbeConfig, _tools: ProbeTools) -> Probe:
        return target

    monkeypatch.setattr(registry, "PROBES", {"http": build})
    return target


@pytest.fixture
async def watch(clock: FakeClock, database: Database, target: Target) -> AsyncGenerator[Watch]:
    watch = Watch(clock, database, target)
    yield watch
    await watch.stop()


async def test_runs_exactly_once_an_interval(watch: Watch) -> None:
    await watch.start()
    await watch.pass_time(305)

    regular = watch.target.attempts[1:]
    assert watch.target.attempts[0] <= 5
    assert len(regular) == 5
    assert [b - a for a, b in itertools.pairwise(regular)] == [60.0] * 4


async def test_a_slow_target_is_never_asked_twice_at_once(watch: Watch) -> None:
    watch.configs = [
        watch.configs[0].model_copy(update={"interval": timedelta(seconds=3)}),
    ]
    watch.target.takes_seconds = 7.0
    await watch.start()
    await watch.pass_time(60)

    assert watch.target.most_at_once == 1
    assert 5 <= len(watch.target.attempts) <= 9


async def test_an_outage_opens_after_a_minute_and_closes_on_recovery(watch: Watch) -> None:
    await watch.start()
    await watch.pass_time(70)
    watch.target.is_up = False
    await watch.pass_time(130)
    down_at = next(each for each in watch.target.attempts if each > 70)
    during = await watch.reader.find_probe("web")
    watch.target.is_up = True
    await watch.pass_time(30)
    after = await watch.reader.find_probe("web")

    assert during is not None
    assert during.status is ProbeStatus.DOWN
    assert during.outage is not None
    assert is_about(during.outage.started_at, down_at)
    assert is_about(during.outage.opened_at, down_at + 60)
    assert during.outage.cause == "connection refused"
    assert after is not None
    assert (after.status, after.outage) == (ProbeStatus.UP, None)
    [outage] = await watch.reader.find_outages("web", before_id=None, limit=9)
    back_at = next(each for each in watch.target.attempts if each > 200)
    assert outage.ended_at is not None
    assert is_about(outage.ended_at, back_at)
    assert watch.alerts.summary() == [("ProbeDown", "firing"), ("ProbeDown", "resolved")]
    firing, resolved = watch.alerts.alerts
    assert dict(firing.labels) == {
        "alertname": "ProbeDown",
        "probe": "Web",
        "severity": "critical",
        "team": "blue",
    }
    assert firing.starts_at == resolved.starts_at == outage.started_at
    assert resolved.ends_at == outage.ended_at
    assert firing.generator_path == "/probes/web"


async def test_an_outage_survives_a_kill_of_the_monitor(watch: Watch) -> None:
    await watch.start()
    await watch.pass_time(10)
    watch.target.is_up = False
    await watch.pass_time(150)
    await watch.stop()
    await watch.clock.advance(3600)
    await watch.start()
    await watch.pass_time(30)
    watch.target.is_up = True
    await watch.pass_time(30)

    [outage] = await watch.reader.find_outages("web", before_id=None, limit=9)
    view = await watch.reader.find_probe("web")
    assert watch.alerts.summary() == [("ProbeDown", "firing"), ("ProbeDown", "resolved")]
    assert outage.started_at < at(70)
    assert outage.ended_at is not None
    assert outage.ended_at > at(3780)
    assert view is not None
    day = view.uptime["24h"]
    # Of some 220 s that were watched, some 30 were good; the hour between is not downtime.
    assert day is not None
    assert 0.08 < day < 0.3


async def test_the_first_failure_survives_a_quick_restart(watch: Watch) -> None:
    await watch.start()
    await watch.pass_time(10)
    watch.target.is_up = False
    await watch.pass_time(75)
    first_failure = next(each for each in watch.target.attempts if each > 10)
    await watch.stop()
    await watch.start()
    await watch.pass_time(70)

    [outage] = await watch.reader.find_outages("web", before_id=None, limit=9)
    assert is_about(outage.started_at, first_failure)


async def test_an_alert_that_dispatch_refuses_is_told_later_and_once(watch: Watch) -> None:
    watch.alerts.is_broken = True
    watch.target.is_up = False
    await watch.start()
    await watch.pass_time(100)
    assert watch.alerts.summary() == []
    await watch.stop()

    watch.alerts.is_broken = False
    await watch.start()
    await watch.pass_time(30)

    assert watch.alerts.summary() == [("ProbeDown", "firing")]


async def test_slowness_is_a_warning(watch: Watch) -> None:
    watch.target.takes_seconds = 6.0
    await watch.start()
    await watch.pass_time(100)
    view = await watch.reader.find_probe("web")

    assert view is not None
    assert view.status is ProbeStatus.DEGRADED
    assert view.uptime["24h"] == 1.0
    [alert] = watch.alerts.alerts
    assert (alert.name, alert.severity) == ("ProbeSlow", "warning")
    assert "slower than 5s" in alert.annotations["summary"]


async def test_a_probe_that_is_removed_takes_its_outage_with_it(watch: Watch) -> None:
    watch.target.is_up = False
    await watch.start()
    await watch.pass_time(100)
    await watch.stop()
    watch.configs = [watch.configs[0].model_copy(update={"name": "Other"})]
    watch.target.is_up = True
    await watch.start()
    await watch.pass_time(10)

    assert watch.alerts.summary() == [("ProbeDown", "firing"), ("ProbeDown", "resolved")]


async def test_series_are_named_as_blackbox_exporter_names_them(watch: Watch) -> None:
    await watch.start()
    await watch.pass_time(10)

    labels = {"job": "probe", "instance": "http://web/", "probe": "Web", "team": "blue"}
    assert watch.sink.one("probe_success", **labels) == 1.0
    assert watch.sink.one("probe_http_status_code", **labels) == 200.0
    assert watch.sink.one("probe_duration_seconds", **labels) == 0.0
    assert len(watch.sink.find("probe_http_duration_seconds", **labels)) == 5


async def test_a_full_store_of_series_does_not_hide_an_outage(watch: Watch) -> None:
    watch.sink.failure = StoreFullError("full")
    watch.target.is_up = False
    telemetry = await watch.start()
    await watch.pass_time(100)

    own = generate_latest(telemetry.registry).decode()
    assert watch.alerts.summary() == [("ProbeDown", "firing")]
    assert 'resumatch_monitor_probe_lost_total{store="series"}' in own
    assert "resumatch_monitor_probe_outages_open 1.0" in own


async def test_a_result_that_cannot_be_stored_is_as_if_it_had_not_been_made(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = watch.store.record
    refusals = iter([True] * 5)

    async def refuse_some(each: RunRecord) -> None:
        if next(refusals, False):
            raise OSError("disk")
        await record(each)

    monkeypatch.setattr(watch.store, "record", refuse_some)
    watch.target.is_up = False
    await watch.start()
    await watch.pass_time(450)

    assert watch.alerts.summary() == [("ProbeDown", "firing")]


async def test_two_probes_of_the_same_name_are_refused(watch: Watch) -> None:
    watch.configs = [watch.configs[0], watch.configs[0]]

    with pytest.raises(ValueError, match="web"):
        await watch.start()
