import asyncio
import itertools
import os
import signal
from collections.abc import Collection
from datetime import timedelta

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from resumatch_monitor.collectors.collector import (
    Collected,
    CollectError,
    Collector,
    Series,
    sample,
)
from resumatch_monitor.collectors.config import (
    CollectorsConfig,
    PostgresCollectorConfig,
    RedisCollectorConfig,
)
from resumatch_monitor.collectors.manager import CollectorManager, build_collectors
from resumatch_monitor.kit.clock import Clock, SystemClock
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import StoreFullError
from tests.collectors.servers import PostgresServer, RedisServer, never_answer, serve
from tests.probes.recording import RecordingSink
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

QUICK = {"interval": timedelta(seconds=1), "timeout": timedelta(milliseconds=500)}


class Managed:
    """A manager with everything around it."""

    def __init__(self, collectors: Collection[Collector], clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.sink = RecordingSink()
        self.telemetry = Telemetry()
        self.manager = CollectorManager(
            collectors=collectors,
            sink=self.sink,
            supervisor=Supervisor(clock=self.clock, telemetry=self.telemetry),
            clock=self.clock,
            telemetry=self.telemetry,
        )

    async def __aenter__(self) -> "Managed":
        self.manager.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.manager.stop()

    async def until(self, name: str, value: float, **labels: str) -> None:
        """Wait until a series has a value, as the sink hears of it."""
        async with asyncio.timeout(10):
            while self.sink.find(name, **labels) != [value]:
                self.sink.written.clear()
                await self.sink.written.wait()


def make_config(postgres_dsn: str, redis_url: str) -> CollectorsConfig:
    return CollectorsConfig(
        postgres=[PostgresCollectorConfig(name="main", dsn=SecretStr(postgres_dsn), **QUICK)],
        redis=[RedisCollectorConfig(name="cache", url=SecretStr(redis_url), **QUICK)],
    )


async def test_up_follows_the_servers(postgres: PostgresServer, redis_server: RedisServer) -> None:
    config = make_config(postgres.dsn, redis_server.url)
    async with Managed(build_collectors(config)) as managed:
        assert await managed.manager.wait_until_first_round(10)
        database, cache = managed.manager.statuses()
        assert (database.health, cache.health) == ("up", "up")
        assert database.labels == {"job": "database", "instance": "main"}
        assert database.url == f"postgresql://127.0.0.1:{postgres.port}/postgres"
        assert cache.samples_scraped > 50
        assert managed.sink.one("up", job="database", instance="main") == 1.0
        assert managed.sink.one("pg_up", job="database", instance="main") == 1.0
        assert managed.sink.one("redis_up", job="redis", instance="cache") == 1.0

        postgres.stop()
        redis_server.stop()
        await managed.until("up", 0.0, job="database")
        await managed.until("up", 0.0, job="redis")
        database, cache = managed.manager.statuses()
        assert database.last_error == cache.last_error == "connection refused"
        assert managed.sink.one("pg_up", job="database") == 0.0
        assert managed.sink.find("pg_settings_max_connections") == []

        postgres.start()
        redis_server.start()
        await managed.until("up", 1.0, job="database")
        await managed.until("up", 1.0, job="redis")
        own = generate_latest(managed.telemetry.registry).decode()
        assert 'collector_failures_total{instance="main",job="database"} ' in own
    assert "hush" not in repr(managed.manager.statuses()) + own


async def test_up_is_zero_when_a_server_accepts_and_never_answers() -> None:
    async with serve(never_answer) as port:
        config = make_config(
            f"postgresql://postgres@127.0.0.1:{port}/postgres", f"redis://127.0.0.1:{port}/0"
        )
        async with Managed(build_collectors(config)) as managed:
            assert await managed.manager.wait_until_first_round(10)

            assert managed.sink.one("up", job="database") == 0.0
            assert managed.sink.one("up", job="redis") == 0.0
            errors = {status.last_error for status in managed.manager.statuses()}
            assert errors == {"no answer within 500ms"}


async def test_up_is_zero_when_a_server_freezes_with_the_connection_open(
    redis_server: RedisServer, postgres: PostgresServer
) -> None:
    config = make_config(postgres.dsn, redis_server.url)
    async with Managed(build_collectors(config)) as managed:
        assert await managed.manager.wait_until_first_round(10)
        pids = [redis_server.pid, *postgres.pids()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await managed.until("up", 0.0, job="database")
            await managed.until("up", 0.0, job="redis")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await managed.until("up", 1.0, job="database")
        await managed.until("up", 1.0, job="redis")


class Counting:
    """A collector that is asked on a clock of the test's own."""

    job = "count"
    instance = "one"
    url = "count://one"
    interval = timedelta(seconds=15)
    timeout = timedelta(seconds=5)

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.rounds: list[float] = []
        self.series_when_down: Series = [sample("count_up", 0.0)]
        self.error = ""

    async def collect(self) -> Collected:
        self.rounds.append(self._clock.monotonic())
        if self.error:
            raise CollectError(self.error)
        return Collected([sample("count_up", 1.0)], ["letters: not permitted"])

    async def close(self) -> None:
        return


async def test_rounds_are_made_exactly_once_an_interval(clock: FakeClock) -> None:
    collector = Counting(clock)
    async with Managed([collector], clock):
        await clock.advance(100)

    steps = [b - a for a, b in itertools.pairwise(collector.rounds[1:])]
    assert collector.rounds[0] <= 1
    assert steps == [pytest.approx(15.0)] * len(steps)
    assert len(steps) >= 4


async def test_a_clock_that_is_set_back_does_not_stop_the_rows(clock: FakeClock) -> None:
    collector = Counting(clock)
    async with Managed([collector], clock) as managed:
        await clock.advance(40)
        clock.jump(timedelta(hours=-1))
        await clock.advance(40)

    stamps = [timestamp for _, timestamp in managed.sink.rows]
    assert len(stamps) >= 5
    assert stamps == sorted(set(stamps))


async def test_problems_are_shown_though_the_server_is_up(clock: FakeClock) -> None:
    async with Managed([Counting(clock)], clock) as managed:
        await clock.advance(2)

        [status] = managed.manager.statuses()
        assert (status.health, status.last_error) == ("up", "letters: not permitted")
        assert managed.sink.one("up", job="count") == 1.0


async def test_a_full_store_does_not_stop_the_rounds(clock: FakeClock) -> None:
    collector = Counting(clock)
    async with Managed([collector], clock) as managed:
        managed.sink.failure = StoreFullError("full")
        await clock.advance(20)
        managed.sink.failure = None
        await clock.advance(20)

        assert managed.sink.one("up", job="count") == 1.0
    assert len(collector.rounds) >= 3


async def test_the_first_round_can_be_waited_for_in_vain(clock: FakeClock) -> None:
    managed = Managed([Counting(clock)], clock)

    assert not await managed.manager.wait_until_first_round(0.01)


def test_two_of_a_kind_need_two_names() -> None:
    config = RedisCollectorConfig(name="cache", url=SecretStr("redis://127.0.0.1"))

    with pytest.raises(ValueError, match="cache"):
        build_collectors(CollectorsConfig(redis=[config, config]))
