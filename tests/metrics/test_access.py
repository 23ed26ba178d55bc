"""Credentials and certificates, from files that change."""

import asyncio
import json
import os
import shutil
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.kit.http import build_client
from resumatch_monitor.metrics.access import AccessError, AccessProvider
from resumatch_monitor.metrics.config import ScrapeConfig
from tests.metrics.support import LoopbackServer, respond

pytestmark = pytest.mark.anyio

CERTIFICATES = Path(__file__).parents[1] / "probes" / "certificates"
CLIENT = Path(__file__).parent / "certificates" / "client.pem"
SECRET = "correct-horse-battery"


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    async with build_client(verify=False) as client:
        yield client


@asynccontextmanager
async def provide(client: httpx.AsyncClient, **http: Any) -> AsyncGenerator[AccessProvider]:
    config = ScrapeConfig.model_validate({"job_name": "a", **http})
    provider = AccessProvider(config, client, lambda context: build_client(verify=context))
    try:
        yield provider
    finally:
        await provider.aclose()


@asynccontextmanager
async def tls_server(*, authority: Path | None = None) -> AsyncGenerator[LoopbackServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "good.pem")
    if authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    server = LoopbackServer(respond("a 1\n"))
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


async def ask(provider: AccessProvider, server: LoopbackServer) -> int:
    access = await provider.get()
    answer = await access.client.get(
        f"https://127.0.0.1:{server.port}/", extensions=dict(access.extensions)
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        ({"authorization": {"type": "Token", "credentials_file": "FILE"}}, f"Token {SECRET}"),
        ({"bearer_token_file": "FILE"}, f"Bearer {SECRET}"),
        ({"bearer_token": SECRET}, f"Bearer {SECRET}"),
        ({"basic_auth": {"username": "u", "password_file": "FILE"}},
         "Basic dTpjb3JyZWN0LWhvcnNlLWJhdHRlcnk="),
        ({"basic_auth": {"username_file": "FILE", "password": "p"}},
         "Basic Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5OnA="),
        ({}, None),
    ],
)  # fmt: skip
async def test_credentials_come_from_where_the_configuration_says(
    client: httpx.AsyncClient, tmp_path: Path, http: dict[str, Any], expected: str | None
) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    placed = json.loads(json.dumps(http).replace("FILE", str(path)))
    async with provide(client, **placed) as provider:
        access = await provider.get()

    assert access.headers.get("Authorization") == expected
    assert expected is None or any(secret in expected for secret in access.secrets)


async def test_a_file_of_credentials_is_read_every_time(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    async with provide(client, authorization={"credentials_file": str(path)}) as provider:
        for text, message in (
            (None, "credentials_file: No such file"),
            ("", "credentials_file: the file is empty"),
            ("a\nb", "more than one line"),
        ):
            if text is not None:
                path.write_text(text)
            with pytest.raises(AccessError, match=message):
                await provider.get()
        for token in ("first", "second"):
            path.write_text(token)
            assert (await provider.get()).headers == {"Authorization": f"Bearer {token}"}


async def test_trusts_the_authority_that_is_named_and_the_name_that_is_given(
    client: httpx.AsyncClient,
) -> None:
    trusted = {"ca_file": str(CERTIFICATES / "authority.pem")}
    async with tls_server() as server:
        for tls in (
            {**trusted, "server_name": "localhost"},
            {"ca": (CERTIFICATES / "authority.pem").read_text(), "server_name": "localhost"},
            {"insecure_skip_verify": True},
        ):
            async with provide(client, tls_config=tls) as provider:
                assert await ask(provider, server) == 200
        for tls in ({}, {**trusted, "server_name": "other.example"}):
            async with provide(client, tls_config=tls) as provider:
                with pytest.raises(httpx.ConnectError):
                    await ask(provider, server)


async def test_shows_its_own_certificate_and_reads_a_renewed_one(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    own.write_text("soon")
    tls = {
        "insecure_skip_verify": True,
        "max_version": "TLS12",
        "cert_file": str(own),
        "key_file": str(own),
    }
    async with tls_server(authority=CLIENT) as server:
        async with provide(client, tls_config={"insecure_skip_verify": True}) as provider:
            with pytest.raises(httpx.TransportError):
                await ask(provider, server)
        async with provide(client, tls_config=tls) as provider:
            with pytest.raises(AccessError, match="cert_file"):
                await provider.get()
            shutil.copy(CLIENT, own)
            assert await ask(provider, server) == 200
            first = (await provider.get()).client
            assert (await provider.get()).client is first
            os.utime(own, (1, 1))
            assert (await provider.get()).client is not first
            assert await ask(provider, server) == 200
