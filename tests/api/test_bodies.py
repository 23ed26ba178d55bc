import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncGenerator, Callable
from typing import cast

import brotli
import httpx
import pytest
import zstandard
from fastapi import FastAPI, Request, Response

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import install_error_handlers

pytestmark = pytest.mark.anyio

_LIMIT = 1_000_000


def deflate_raw(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def zstd_unsized(data: bytes) -> bytes:
    encoder = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return encoder.compress(data) + encoder.flush()


brotli_compress = cast("Callable[[bytes], bytes]", brotli.compress)  # pyright: ignore[reportUnknownMemberType]


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("br", brotli_compress),
    ("deflate", zlib.compress),
    ("deflate", deflate_raw),
    ("zstd", zstandard.compress),
    ("zstd", zstd_unsized),
]


def build_client(reader: BodyReader) -> httpx.AsyncClient:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/")
    async def echo(request: Request) -> Response:
        async with reader.read(request) as body:
            return Response(body)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with build_client(BodyReader(max_bytes=_LIMIT)) as client:
        yield client


@pytest.mark.parametrize(("coding", "compress"), CODINGS)
@pytest.mark.parametrize("size", [0, 1, 5_000, _LIMIT])
async def test_unpacks_every_coding(
    client: httpx.AsyncClient, coding: str, compress: Callable[[bytes], bytes], size: int
) -> None:
    content = (os.urandom(size // 3) + bytes(size))[:size]

    response = await client.post(
        "/", content=compress(content), headers={"Content-Encoding": coding}
    )

    assert response.status_code == 200
    assert response.content == content


@pytest.mark.parametrize(("coding", "compress"), CODINGS)
async def test_stops_bombs(
    client: httpx.AsyncClient, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(bytes(50_000_000))

    response = await client.post("/", content=bomb, headers={"Content-Encoding": coding})

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize(("coding", "compress"), CODINGS)
@pytest.mark.parametrize("keep", [0.2, 0.5, 0.97])
async def test_refuses_streams_that_are_cut_off(
    client: httpx.AsyncClient, coding: str, compress: Callable[[bytes], bytes], keep: float
) -> None:
    packed = compress(os.urandom(20_000))

    response = await client.post(
        "/", content=packed[: int(len(packed) * keep)], headers={"Content-Encoding": coding}
    )

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "malformed_body"


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd"])
async def test_refuses_what_is_not_so_encoded(client: httpx.AsyncClient, coding: str) -> None:
    response = await client.post(
        "/", content=b'{"plain": "text"}', headers={"Content-Encoding": coding}
    )

    assert response.status_code == 400


async def test_unpacks_two_codings_and_several_members(client: httpx.AsyncClient) -> None:
    content = brotli_compress(gzip.compress(b"one ") + gzip.compress(b"two"))

    response = await client.post("/", content=content, headers={"Content-Encoding": "gzip, br"})

    assert response.content == b"one two"


async def test_refuses_unknown_codings(client: httpx.AsyncClient) -> None:
    response = await client.post("/", content=b"x", headers={"Content-Encoding": "compress"})

    assert response.status_code == 415


async def test_reads_chunks_and_believes_no_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        for _ in range(10):
            yield b"0123456789"

    response = await client.post("/", content=chunks(), headers={"Content-Length": "3"})

    assert len(response.content) == 100


async def test_refuses_an_endless_body(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncGenerator[bytes]:
        while True:
            yield bytes(100_000)

    assert (await client.post("/", content=endless())).status_code == 413


async def test_refuses_a_body_that_trickles_for_ever() -> None:
    async def trickle() -> AsyncGenerator[bytes]:
        while True:
            yield b"x"
            await asyncio.Event().wait()

    reader = BodyReader(max_bytes=_LIMIT, idle_timeout_seconds=0.05)
    async with build_client(reader) as client:
        response = await client.post("/", content=trickle())

    assert response.status_code == 408


async def test_all_bodies_together_have_a_bound() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncGenerator[bytes]:
        yield bytes(900)
        started.set()
        await release.wait()

    async with build_client(BodyReader(max_bytes=1_000, inflight_max_bytes=1_000)) as client:
        first = asyncio.create_task(client.post("/", content=slow()))
        await started.wait()
        refused = await client.post("/", content=bytes(900))
        release.set()
        taken = await first
        again = await client.post("/", content=bytes(900))

    assert (refused.status_code, taken.status_code, again.status_code) == (503, 200, 200)
