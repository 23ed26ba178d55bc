"""The database probes against real servers."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.probes.config import PostgresProbeConfig, ProbeConfig, RedisProbeConfig
from resumatch_monitor.probes.probe import ProbeResult, run_probe
from resumatch_monitor.probes.registry import build_probe
from resumatch_monitor.probes.tools import ProbeTools
from tests.collectors.servers import PostgresServer, RedisServer

pytestmark = pytest.mark.anyio

TIMEOUT = timedelta(seconds=5)


async def probe(config: ProbeConfig) -> ProbeResult:
    tools = ProbeTools(clock=SystemClock())
    result = await run_probe(build_probe(config, tools), timeout=TIMEOUT, clock=tools.clock)
    assert "hush" not in repr(result)
    return result


async def probe_postgres(dsn: str) -> ProbeResult:
    return await probe(PostgresProbeConfig(name="db", type="postgres", dsn=SecretStr(dsn)))


async def probe_redis(url: str) -> ProbeResult:
    return await probe(RedisProbeConfig(name="cache", type="redis", url=SecretStr(url)))


async def test_postgres_answers_over_tcp_and_socket(postgres: PostgresServer) -> None:
    over_tcp = await probe_postgres(postgres.dsn)
    over_socket = await probe_postgres(postgres.socket_dsn)
    by_driver = await probe_postgres(postgres.dsn.replace("://", "+asyncpg://", 1))

    for result in (over_tcp, over_socket, by_driver):
        assert result.is_success, result.message
        assert result.message.startswith("PostgreSQL ")
        assert set(result.phases) == {"connect", "query"}


async def test_a_postgres_that_has_stopped_is_refused(postgres: PostgresServer) -> None:
    postgres.stop()
    over_tcp = await probe_postgres(postgres.dsn)
    over_socket = await probe_postgres(postgres.socket_dsn)
    postgres.start()
    again = await probe_postgres(postgres.dsn)

    assert over_tcp.message == "connection refused"
    assert over_socket.message.startswith("connection refused")
    assert again.is_success


async def test_a_postgres_without_the_database_is_said_so(postgres: PostgresServer) -> None:
    result = await probe_postgres(postgres.dsn.removesuffix("postgres") + "nothing")

    assert result.message == "there is no such database"


async def test_redis_answers_over_tcp_and_socket(redis_server: RedisServer) -> None:
    for url in (redis_server.url, redis_server.socket_url):
        result = await probe_redis(url)

        assert result.is_success, result.message
        assert result.message == "PONG"


async def test_a_redis_that_has_stopped_or_refuses_is_said_so(redis_server: RedisServer) -> None:
    refused = await probe_redis(redis_server.url.replace(":hush", ":wrong-hush"))
    redis_server.stop()
    stopped = await probe_redis(redis_server.url)

    assert refused.message == "sign-in refused: wrong user or password"
    assert stopped.message == "connection refused"
