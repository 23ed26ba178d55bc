"""What the monitoring reads: metrics, the funnel, whose requests count."""

import asyncio
from dataclasses import replace

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from resumatch.backend.config import Settings, async_database_url
from resumatch.backend.database import Database
from resumatch.backend.main import create_app
from resumatch.backend.metrics import LIMITED_ENDPOINTS, SUSPICIONS, Metrics
from resumatch.backend.redis_client import RedisClient
from tests.resumatch.client import PASSWORD, Client, connect
from tests.resumatch.conftest import SYNTHETIC_TOKEN
from tests.resumatch.servers import PostgresService

pytestmark = pytest.mark.anyio

BUSINESS = (
    "user_registrations_total",
    "resume_uploads_total",
    "job_analyses_total",
    "job_analyses_failed_total",
    "signup_to_upload_total",
    "upload_to_analysis_total",
    "analysis_to_result_total",
    "analysis_duration_seconds_count",
)
ZERO_FROM_THE_START = (
    *BUSINESS,
    "active_users",
    "failed_login_attempts_total",
    "db_slow_queries_total",
    "db_pool_timeouts_total",
    "synthetic_requests_total",
    *(f'suspicious_file_uploads_total{{reason="{reason}"}}' for reason in SUSPICIONS),
    *(f'rate_limit_violations_total{{endpoint="{each}"}}' for each in LIMITED_ENDPOINTS),
    *(f'rate_limit_unchecked_total{{endpoint="{each}"}}' for each in LIMITED_ENDPOINTS),
)


async def test_every_count_is_there_at_zero_at_the_first_scrape(client: Client) -> None:
    counted = await client.metrics()

    assert {name: counted.get(name) for name in ZERO_FROM_THE_START} == dict.fromkeys(
        ZERO_FROM_THE_START, 0
    )
    assert counted['app_info{version="1.0.0"}'] == 1


async def test_requests_are_counted_by_template_and_real_status(client: Client) -> None:
    await client.http.get("/analyses/00000000-0000-0000-0000-000000000000")
    await client.http.get("/wp-admin.php")
    await client.http.get("/xmlrpc.php")

    counted = await client.metrics()

    requests = {name: n for name, n in counted.items() if name.startswith("http_requests_total")}
    template = 'http_requests_total{handler="/analyses/{analysis_id}",method="GET",status="401"}'
    unknown = 'http_requests_total{handler="none",method="GET",status="404"}'
    assert requests == {template: 1, unknown: 2}
    slow = 'http_request_duration_seconds_bucket{handler="none",le="4.0",method="GET"}'
    assert counted[slow] == 2


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain"),
        ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", "application/openmetrics-text"),
    ],
)
async def test_a_scrape_gets_the_format_that_it_asks_for(
    client: Client, accept: str, content_type: str
) -> None:
    answer = await client.http.get(
        "/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"}
    )

    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text.endswith("# EOF\n") == ("openmetrics" in content_type)


async def test_metrics_can_be_kept_behind_a_token(settings: Settings, clean_stores: None) -> None:
    app = create_app(replace(settings, metrics_token="scrape-me"))
    async with app.router.lifespan_context(app), connect(app) as client:
        without = await client.http.get("/metrics")
        bearer = {"Authorization": "Bearer scrape-me"}
        with_token = await client.http.get("/metrics", headers=bearer)

    assert (without.status_code, with_token.status_code) == (401, 200)


async def test_each_person_passes_each_step_of_the_funnel_once(client: Client) -> None:
    await client.register("alice@example.com")
    await client.walk()
    await client.walk()
    client.http.cookies.clear()
    await client.register("bob@example.com")
    await client.upload()

    counted = await client.metrics()

    assert [counted[name] for name in BUSINESS[:3]] == [2, 3, 2]
    assert counted["signup_to_upload_total"] == 2
    assert counted["upload_to_analysis_total"] == 1
    assert counted["analysis_to_result_total"] == 1


async def test_a_restart_counts_nobody_twice(client: Client, settings: Settings) -> None:
    await client.register()
    await client.walk()

    restarted = create_app(settings)
    async with restarted.router.lifespan_context(restarted), connect(restarted) as again:
        await again.http.post("/login", json={"email": "alice@example.com", "password": PASSWORD})
        await again.walk()
        counted = await again.metrics()

    assert counted["resume_uploads_total"] == 1
    assert counted["signup_to_upload_total"] == 0
    assert counted["analysis_to_result_total"] == 0


async def test_a_step_after_the_window_does_not_count(
    client: Client, postgres: PostgresService
) -> None:
    await client.register()
    await postgres.ask("UPDATE users SET created_at = now() - interval '31 days'")

    await client.walk()

    counted = await client.metrics()
    assert counted["resume_uploads_total"] == 1
    assert counted["signup_to_upload_total"] == 0
    assert counted["upload_to_analysis_total"] == 0


async def test_the_monitors_own_walk_counts_as_nobodys(client: Client) -> None:
    synthetic = {"X-Monitor-Synthetic": SYNTHETIC_TOKEN}
    with capture_logs() as logs:
        await client.register(headers=synthetic)
        # Without the header too: the account itself is marked.
        await client.walk()
        await client.walk(headers=synthetic)

    counted = await client.metrics()

    assert {name: counted[name] for name in BUSINESS} == dict.fromkeys(BUSINESS, 0)
    assert counted["synthetic_requests_total"] == 4
    assert logs


async def test_a_wrong_synthetic_token_is_an_ordinary_request(client: Client) -> None:
    await client.register(headers={"X-Monitor-Synthetic": "guessed"})

    counted = await client.metrics()

    assert counted["user_registrations_total"] == 1
    assert counted["synthetic_requests_total"] == 0


async def test_failed_logins_count_whoever_tries(client: Client) -> None:
    """A stolen token must not open a way to guess passwords unseen."""
    await client.http.post(
        "/login",
        json={"email": "alice@example.com", "password": "guessed"},
        headers={"X-Monitor-Synthetic": SYNTHETIC_TOKEN},
    )

    assert (await client.metrics())["failed_login_attempts_total"] == 1


async def test_active_users_are_those_seen_lately(client: Client, settings: Settings) -> None:
    await client.register("alice@example.com")
    await client.http.get("/me")
    client.http.cookies.clear()
    await client.register("bob@example.com")
    await client.http.get("/me")
    metrics = Metrics(version="test")
    redis = RedisClient(settings=settings, metrics=metrics)

    assert await redis.refresh_metrics()
    await redis.close()

    assert metrics.registry.get_sample_value("active_users") == 2
    assert metrics.registry.get_sample_value("redis_healthy") == 1
    assert (metrics.registry.get_sample_value("redis_used_memory_bytes") or 0) > 0


async def test_a_slow_query_is_logged_with_its_statement_and_without_parameters(
    settings: Settings,
) -> None:
    metrics = Metrics(version="test")
    database = Database(settings=replace(settings, slow_query_seconds=0.01), metrics=metrics)
    from sqlalchemy import text  # noqa: PLC0415

    with capture_logs() as logs:
        async with database.transaction() as db:
            query = text("SELECT pg_sleep(0.03), CAST(:secret AS text)")
            await db.execute(query, {"secret": "the words of a resume"})
    await database.close()

    slow = [record for record in logs if record["event"] == "slow_query"]
    assert len(slow) == 1
    assert "pg_sleep" in slow[0]["statement"]
    assert slow[0]["duration_seconds"] >= 0.03
    assert "the words of a resume" not in str(logs)
    assert metrics.registry.get_sample_value("db_slow_queries_total") == 1


async def test_the_pool_is_watched(settings: Settings) -> None:
    metrics = Metrics(version="test")
    small = replace(settings, pool_size=1, pool_overflow=1, pool_timeout_seconds=0.05)
    database = Database(settings=small, metrics=metrics)
    value = metrics.registry.get_sample_value

    async with database.transaction(), database.transaction():
        assert value("db_pool_size") == 1
        assert value("db_pool_checked_out") == 2
        assert value("db_pool_overflow") == 1
        with pytest.raises(Exception, match="All connections are in use"):
            async with database.transaction():
                pass
    assert value("db_pool_checked_out") == 0
    await database.close()

    events = {
        name: value("db_pool_events_total", {"event": name})
        for name in ("connect", "checkout", "checkin", "close", "invalidate")
    }
    assert events == {"connect": 2, "checkout": 2, "checkin": 2, "close": 2, "invalidate": 0}
    assert value("db_pool_wait_seconds_count") == 3
    assert value("db_pool_timeouts_total") == 1


async def test_the_pool_works_through_a_unix_socket(
    settings: Settings, postgres: PostgresService
) -> None:
    by_socket = replace(settings, database_url=async_database_url(postgres.socket_url))
    database = Database(settings=by_socket, metrics=Metrics(version="test"))

    await database.ping()
    await database.close()


async def test_only_one_of_many_requests_at_once_passes_a_step(
    app: FastAPI, client: Client
) -> None:
    await client.register()

    await asyncio.gather(*(client.upload() for _ in range(6)))

    counted = await client.metrics()
    assert counted["resume_uploads_total"] == 6
    assert counted["signup_to_upload_total"] == 1
