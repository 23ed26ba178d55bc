import asyncio
from collections.abc import AsyncGenerator

import httpx
import pytest

from resumatch_monitor.kit.http import (
    AddressRefusedError,
    build_client,
    is_refused_address,
    resolve_all_allowed,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    """Serve an empty answer on every address of this machine."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "168.63.129.16",
        "fd20:ce::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
    ],
)
async def test_addresses_of_the_machines_surroundings_are_refused(address: str) -> None:
    assert is_refused_address(address)
    with pytest.raises(AddressRefusedError, match="allowed_hosts"):
        await resolve_all_allowed(address, 80)
    assert await resolve_all_allowed(address, 80, allowed_hosts=[address]) == [address]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd12::1"])
def test_the_own_network_is_not(address: str) -> None:
    assert not is_refused_address(address)


async def test_the_client_does_not_connect_to_a_refused_address() -> None:
    async with build_client(verify=False) as client:
        with pytest.raises(AddressRefusedError):
            await client.get("http://169.254.169.254/latest/meta-data")


async def test_the_client_follows_no_redirect_by_itself(port: int) -> None:
    async with build_client(verify=False) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")

    assert answer.status_code == 302


async def test_the_client_uses_no_proxy_of_the_environment(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    async with build_client(verify=False) as client:
        assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 302


async def test_a_closed_port_is_a_connection_error() -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()

    async with build_client(verify=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/")


async def test_the_log_shows_no_more_of_an_address_than_its_origin(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="httpx"):
        async with build_client(verify=False) as client:
            await client.get(f"http://127.0.0.1:{port}/hooks/s3cret?token=s3cret")

    assert f"http://127.0.0.1:{port}/…" in caplog.text
    assert "s3cret" not in caplog.text
