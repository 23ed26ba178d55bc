import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI, Request

from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.server import LARGEST_REST_BYTES, build_server
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry

pytestmark = pytest.mark.anyio


def make_app() -> FastAPI:
    router = APIRouter()

    @router.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @router.get("/address")
    async def address(request: Request) -> str:
        return request.client.host if request.client else ""

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError("with a secret inside")

    return build_app(routers=[router], ids=RandomIds(), telemetry=Telemetry())


@asynccontextmanager
async def listen(
    *, most_connections: int = 100, trusted_proxies: Sequence[str] = ()
) -> AsyncGenerator[int]:
    server = build_server(
        make_app(),
        host="127.0.0.1",
        port=0,
        most_connections=most_connections,
        trusted_proxies=trusted_proxies,
    )
    stop = asyncio.Event()
    await server.listen()
    serving = asyncio.create_task(server.serve_until(stop))
    yield server.port
    stop.set()
    await serving


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_answers_and_names_the_request() -> None:
    async with listen() as port:
        answer = await exchange(
            port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"x-request-id: " in answer


async def test_a_header_line_of_ten_megabytes_is_refused_and_nothing_is_down() -> None:
    async with listen() as port:
        answer = await exchange(
            port, b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 10_000_000 + b"\r\n\r\n"
        )
        after = await exchange(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert after.startswith(b"HTTP/1.1 200 OK")


async def test_a_body_that_goes_on_after_the_answer_is_cut_off() -> None:
    head = b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    sent = 0
    async with listen() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + piece)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        with contextlib.suppress(ConnectionError):
            while sent < 2 * LARGEST_REST_BYTES:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert sent < 2 * LARGEST_REST_BYTES


async def test_a_crash_tells_nothing_but_the_request_id() -> None:
    async with listen() as port:
        answer = await exchange(
            port, b"GET /crash HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )

    assert answer.startswith(b"HTTP/1.1 500")
    assert b"internal_error" in answer
    assert b"secret" not in answer


async def test_garbage_is_a_bad_request() -> None:
    async with listen() as port:
        answer = await exchange(port, b"\x16\x03\x01\x02\x00\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")


async def test_connections_that_only_wait_keep_nobody_out() -> None:
    async with listen(most_connections=20) as port:
        held = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(60))
        )
        for _, writer in held[40:]:
            writer.write(b"GET /hello HTTP/1.1\r\nX-Slow: ")
        answers = [
            await exchange(port, b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            for _ in range(5)
        ]
        ended = await asyncio.wait_for(held[0][0].read(), 10)
        for _, writer in held:
            writer.close()

    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)
    assert ended == b""


async def test_a_client_that_waits_for_no_answer_is_cut_off() -> None:
    request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    async with listen() as port:
        answer = await exchange(port, request * 5_000)

    assert answer.count(b"HTTP/1.1 200 OK") < 100


@pytest.mark.parametrize(
    ("trusted", "address"),
    [((), b"127.0.0.1"), (("127.0.0.1",), b"203.0.113.7"), (("10.0.0.0/8",), b"127.0.0.1")],
)
async def test_only_a_trusted_proxy_says_for_whom_it_asks(
    trusted: Sequence[str], address: bytes
) -> None:
    request = (
        b"GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n\r\n"
    )
    async with listen(trusted_proxies=trusted) as port:
        answer = await exchange(port, request)

    assert answer.endswith(b'"' + address + b'"')
