"""ResuMatch while something that it stands on is gone, or too much is asked of it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from resumatch.backend.config import Settings
from resumatch.backend.main import create_app
from resumatch.backend.rate_limiting import POLICIES
from tests.resumatch.client import JOB, PASSWORD, Client, connect
from tests.resumatch.servers import PostgresService, RedisService
from tests.support.ports import find_free_port

pytestmark = pytest.mark.anyio

FAST_SECONDS = 1.6


@asynccontextmanager
async def hanging_server() -> AsyncGenerator[int]:
    """Accepts connections and never says a word."""
    accepted: list[asyncio.StreamWriter] = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in accepted:
            writer.close()


async def test_health_is_good_while_everything_is_there(client: Client) -> None:
    answer = await client.http.get("/health")

    assert answer.status_code == 200
    body = answer.json()
    assert body["timestamp"].endswith("+00:00")
    del body["timestamp"]
    assert body == {
        "status": "healthy",
        "version": "1.0.0",
        "database": "healthy",
        "redis": "healthy",
    }


async def test_health_is_bad_and_fast_while_the_database_is_stopped(
    client: Client, postgres: PostgresService
) -> None:
    await client.register()
    postgres.stop()
    try:
        started = time.monotonic()
        answer = await client.http.get("/health")
        elapsed = time.monotonic() - started
        registered = await client.http.post(
            "/register", json={"email": "bob@example.com", "password": PASSWORD}
        )
    finally:
        postgres.start()

    assert answer.status_code == 503
    assert (answer.json()["database"], answer.json()["redis"]) == ("unhealthy", "healthy")
    assert elapsed < FAST_SECONDS
    assert registered.status_code == 503
    assert registered.headers["Retry-After"] == "5"
    assert (await client.http.get("/me")).status_code == 200


@pytest.mark.parametrize("dependency", ["database", "redis"])
async def test_health_does_not_hang_with_a_dependency_that_hangs(
    settings: Settings, dependency: str
) -> None:
    async with hanging_server() as port:
        broken = (
            replace(settings, database_url=f"postgresql+asyncpg://u@127.0.0.1:{port}/d")
            if dependency == "database"
            else replace(settings, redis_url=f"redis://127.0.0.1:{port}/0")
        )
        app = create_app(replace(broken, health_timeout_seconds=0.3))
        async with connect(app) as client:
            started = time.monotonic()
            answers = await asyncio.gather(*(client.http.get("/health") for _ in range(20)))
            elapsed = time.monotonic() - started

    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()[dependency] == "unhealthy"
    assert elapsed < FAST_SECONDS


async def test_too_many_requests_are_refused_and_counted(client: Client) -> None:
    limit = POLICIES["login"].account.requests
    wrong = {"email": "alice@example.com", "password": "wrong password"}

    answers = [await client.http.post("/login", json=wrong) for _ in range(limit + 2)]

    assert [answer.status_code for answer in answers] == [401] * limit + [429] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= POLICIES["login"].account.seconds
    counted = await client.metrics()
    assert counted['rate_limit_violations_total{endpoint="login"}'] == 2
    assert counted['rate_limit_violations_total{endpoint="register"}'] == 0
    assert counted["failed_login_attempts_total"] == limit


async def test_limits_hold_for_requests_that_come_at_once(client: Client) -> None:
    limit = POLICIES["login"].account.requests
    wrong = {"email": "alice@example.com", "password": "wrong password"}

    answers = await asyncio.gather(
        *(client.http.post("/login", json=wrong) for _ in range(2 * limit))
    )

    assert sum(answer.status_code == 401 for answer in answers) == limit


async def test_without_redis_everybody_may_pass_and_it_is_said(
    settings: Settings, clean_stores: None
) -> None:
    app = create_app(replace(settings, redis_url=f"redis://127.0.0.1:{find_free_port()}/0"))
    limit = POLICIES["login"].account.requests
    async with app.router.lifespan_context(app), connect(app) as client:
        with capture_logs() as logs:
            await client.register()
            wrong = {"email": "alice@example.com", "password": "wrong password"}
            answers = [await client.http.post("/login", json=wrong) for _ in range(limit + 1)]
            await client.walk()
            left = await client.http.delete("/me")
            counted = await client.metrics()

    assert {answer.status_code for answer in answers} == {401}
    assert left.status_code == 204
    assert counted['rate_limit_unchecked_total{endpoint="login"}'] == limit + 1
    assert counted['rate_limit_violations_total{endpoint="login"}'] == 0
    assert counted["redis_healthy"] == 0
    assert counted["active_users"] != counted["active_users"]
    assert any(record["event"] == "rate_limit_unchecked" for record in logs)


async def test_a_redis_that_hangs_slows_only_one_request_down(
    settings: Settings, redis_server: RedisService, client: Client
) -> None:
    await client.register()
    await client.http.get("/me")
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        first = await client.upload()
        after_first = time.monotonic()
        others = [await client.http.get("/me") for _ in range(5)]
        elapsed = time.monotonic() - after_first
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)

    assert first.status_code == 201
    assert after_first - started < 3
    assert {answer.status_code for answer in others} == {200}
    assert elapsed < 2


async def test_faults_do_not_exist_outside_the_demonstration(client: Client) -> None:
    answer = await client.http.post("/demo/faults", json={"error_storm": True})

    assert answer.status_code == 404


async def test_an_analysis_can_be_made_to_fail(faulty_client: Client) -> None:
    await faulty_client.register()
    resume_id = (await faulty_client.upload()).json()["resume_id"]
    await faulty_client.http.post("/demo/faults", json={"fail_analysis_ratio": 1})

    answer = await faulty_client.analyze(resume_id)

    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["code"] == "internal_error"
    assert error["request_id"] == answer.headers["X-Request-ID"]
    counted = await faulty_client.metrics()
    assert counted["job_analyses_total"] == 1
    assert counted["job_analyses_failed_total"] == 1
    assert counted["upload_to_analysis_total"] == 0
    failed = 'http_requests_total{handler="/analyze",method="POST",status="500"}'
    assert counted[failed] == 1


async def test_an_analysis_can_be_made_slow(faulty_client: Client) -> None:
    await faulty_client.register()
    resume_id = (await faulty_client.upload()).json()["resume_id"]
    await faulty_client.http.post("/demo/faults", json={"slow_analysis_seconds": 0.3})

    await faulty_client.analyze(resume_id)

    assert (await faulty_client.metrics())["analysis_duration_seconds_sum"] >= 0.3


async def test_a_storm_breaks_in_several_ways_and_ends(faulty_client: Client) -> None:
    await faulty_client.register()
    resume_id = (await faulty_client.upload()).json()["resume_id"]
    await faulty_client.http.post("/demo/faults", json={"error_storm": True})

    with capture_logs() as logs:
        stormy = [await faulty_client.http.get("/analyses") for _ in range(20)]
    await faulty_client.http.post("/demo/faults", json={})
    calm = await faulty_client.analyze(resume_id)

    assert {answer.status_code for answer in stormy} == {500}
    kinds = {type(record["exc_info"]).__name__ for record in logs if "exc_info" in record}
    assert kinds == {"KeyError", "ValueError", "IndexError", "ZeroDivisionError"}
    assert calm.status_code == 201


async def test_the_bug_of_the_demonstration_waits_for_an_odd_salary(
    client: Client, faulty_client: Client
) -> None:
    odd = JOB.replace("€70,000 - €90,000", "¥9,000,000 - ¥11,000,000")
    statuses: list[int] = []
    for number, each in enumerate((client, faulty_client)):
        await each.register(f"alice{number}@example.com")
        resume_id = (await each.upload()).json()["resume_id"]
        statuses += [
            (await each.analyze(resume_id)).status_code,
            (await each.analyze(resume_id, odd)).status_code,
        ]

    assert statuses == [201, 201, 201, 500]
