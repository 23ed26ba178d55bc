"""Servers that start once for all tests of a version."""

from collections.abc import Iterator

import pytest

from tests.collectors.servers import PostgresServer, RedisServer, find_postgres_versions


@pytest.fixture(scope="session", params=sorted(find_postgres_versions()))
def any_postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    server = PostgresServer(find_postgres_versions()[request.param])
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    versions = find_postgres_versions()
    server = PostgresServer(versions[max(versions)])
    server.start()
    yield server
    server.remove()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.remove()
