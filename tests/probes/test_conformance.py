"""What every kind of probe must do, whatever it talks to."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.probes.config import (
    HTTPProbeConfig,
    PostgresProbeConfig,
    ProbeConfig,
    RedisProbeConfig,
)
from resumatch_monitor.probes.probe import ProbeResult, run_probe
from resumatch_monitor.probes.registry import PROBES, build_probe
from resumatch_monitor.probes.tools import ProbeTools
from tests.collectors.servers import Handler, never_answer, serve
from tests.support.ports import find_free_port

pytestmark = pytest.mark.anyio

SECRET = "hush-hush"
TIMEOUT = timedelta(milliseconds=400)

BUILDERS: dict[str, Callable[[str, int], ProbeConfig]] = {
    "http": lambda host, port: HTTPProbeConfig(
        name="x",
        type="http",
        url=f"http://user:{SECRET}@{host}:{port}/health?key={SECRET}",
        headers={"X-Api-Key": SecretStr(SECRET)},
        timeout=TIMEOUT,
    ),
    "postgres": lambda host, port: PostgresProbeConfig(
        name="x",
        type="postgres",
        dsn=SecretStr(f"postgresql://user:{SECRET}@{host}:{port}/db"),
        timeout=TIMEOUT,
    ),
    "redis": lambda host, port: RedisProbeConfig(
        name="x",
        type="redis",
        url=SecretStr(f"redis://user:{SECRET}@{host}:{port}/0"),
        timeout=TIMEOUT,
    ),
}


async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time with what begins like each protocol, and never end."""
    for byte in b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"x" * 100_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.005)


async def answer_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"\x00\xffnonsense " * 50)
    await writer.drain()


async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give back what comes, secrets and all."""
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()


@pytest.fixture(params=sorted(PROBES))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


async def probe(config: ProbeConfig) -> ProbeResult:
    tools = ProbeTools(clock=SystemClock())
    built = build_probe(config, tools)
    assert SECRET not in built.target
    started = time.monotonic()
    result = await run_probe(built, timeout=config.timeout, clock=tools.clock)
    assert time.monotonic() - started < config.timeout.total_seconds() + 0.4
    assert result.message
    assert SECRET not in repr(result)
    return result


def test_every_registered_kind_is_tried() -> None:
    assert set(BUILDERS) == set(PROBES)


async def test_a_closed_port_is_connection_refused(kind: str) -> None:
    result = await probe(BUILDERS[kind]("127.0.0.1", find_free_port()))

    assert not result.is_success
    assert result.message == "connection refused"


async def test_every_address_of_a_name_is_tried(kind: str) -> None:
    result = await probe(BUILDERS[kind]("localhost", find_free_port()))

    assert result.message == "connection refused"


async def test_a_name_that_does_not_exist_is_said_so(kind: str) -> None:
    result = await probe(BUILDERS[kind]("name.invalid", 80))

    assert not result.is_success
    assert result.message in {
        "the host name does not resolve",
        "no complete answer within 400ms",
    }


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0"])
async def test_addresses_that_are_refused_are_not_connected_to(kind: str, host: str) -> None:
    result = await probe(BUILDERS[kind](host, 80))

    assert "may not reach" in result.message


@pytest.mark.parametrize("handler", [never_answer, trickle])
async def test_the_time_out_holds_whatever_the_server_does(kind: str, handler: Handler) -> None:
    async with serve(handler) as port:
        result = await probe(BUILDERS[kind]("127.0.0.1", port))

    assert not result.is_success
    if handler is never_answer:
        assert result.message == "no complete answer within 400ms"


@pytest.mark.parametrize("handler", [answer_nonsense, hang_up, echo])
async def test_a_broken_answer_is_a_failure_and_leaks_nothing(
    kind: str, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="resumatch_monitor")
    async with serve(handler) as port:
        result = await probe(BUILDERS[kind]("127.0.0.1", port))

    assert not result.is_success
    assert SECRET not in caplog.text


UNREADABLE: dict[str, dict[str, Any]] = {
    "http": {"url": f"http://user:{SECRET}@[::1/"},
    "postgres": {"dsn": SecretStr(f"postgresql://user:{SECRET}@[::1/db")},
    "redis": {"url": SecretStr(f"redis://user:{SECRET}@[::1/0")},
}


async def test_an_address_that_cannot_be_read_is_a_failure(kind: str) -> None:
    config = BUILDERS[kind]("127.0.0.1", 1).model_copy(update=UNREADABLE[kind])

    result = await probe(config)

    assert not result.is_success
