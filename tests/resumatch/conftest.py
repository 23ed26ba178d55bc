"""ResuMatch in the test's own process, on a real PostgreSQL and a real Redis."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI

from resumatch.backend.config import Settings, async_database_url
from resumatch.backend.main import create_app
from resumatch.backend.migrate import upgrade
from tests.resumatch.client import Client, connect
from tests.resumatch.servers import PostgresService, RedisService

SYNTHETIC_TOKEN = "the-monitor-itself-0123456789"


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    # Its default draws tracebacks with all their variables, for seconds.
    structlog.configure(processors=[structlog.processors.JSONRenderer(default=str)])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresService]:
    # Not pytest's own folder: a socket's path must be short, and the server's user must reach it.
    with tempfile.TemporaryDirectory(prefix="resumatch-test-") as folder:
        server = PostgresService(Path(folder) / "postgres")
        server.start()
        try:
            asyncio.run(upgrade(async_database_url(server.url)))
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisService]:
    server = RedisService()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(postgres: PostgresService, redis_server: RedisService) -> Settings:
    return Settings(
        database_url=async_database_url(postgres.url),
        redis_url=redis_server.url,
        secret_key="0123456789abcdef0123456789abcdef",
        synthetic_token=SYNTHETIC_TOKEN,
        # As weak as argon2 allows: these passwords protect nothing.
        password_memory_kib=64,
        password_rounds=1,
    )


@pytest.fixture
async def clean_stores(postgres: PostgresService, redis_server: RedisService) -> None:
    await postgres.ask("TRUNCATE users CASCADE")
    redis_server.ask("FLUSHALL")


@pytest.fixture
async def app(settings: Settings, clean_stores: None) -> AsyncGenerator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncGenerator[Client]:
    async with connect(app) as client:
        yield client


@pytest.fixture
async def faulty_client(settings: Settings, clean_stores: None) -> AsyncGenerator[Client]:
    """A client of a ResuMatch whose faults can be switched on."""
    app = create_app(replace(settings, demo_faults=True))
    async with app.router.lifespan_context(app), connect(app) as client:
        yield client
