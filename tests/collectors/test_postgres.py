import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr

from resumatch_monitor.collectors.collector import CollectError, Series
from resumatch_monitor.collectors.config import PostgresCollectorConfig
from resumatch_monitor.collectors.postgres import PostgresCollector
from resumatch_monitor.collectors.postgres_queries import STAT_QUERIES, build_statements_query
from resumatch_monitor.kit.postgres import PostgresConnection, connect_postgres
from tests.collectors.servers import PostgresServer
from tests.support.ports import find_free_port

pytestmark = pytest.mark.anyio


def make_collector(dsn: str) -> PostgresCollector:
    config = PostgresCollectorConfig(name="main", dsn=SecretStr(dsn))
    return PostgresCollector(config)


@asynccontextmanager
async def session(dsn: str) -> AsyncGenerator[PostgresConnection]:
    connection = await connect_postgres(
        dsn, application_name="tests", timeout_seconds=5, allowed_hosts=()
    )
    try:
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def collecting(dsn: str) -> AsyncGenerator[PostgresCollector]:
    collector = make_collector(dsn)
    try:
        yield collector
    finally:
        await collector.close()


def one(series: Series, name: str, **labels: str) -> float:
    wanted = {"__name__": name, **labels}
    [value] = [value for found, value in series if dict(found) == wanted]
    return value


def names(series: Series) -> set[str]:
    return {labels.metric_name for labels, _ in series}


async def test_every_version_answers_every_question(any_postgres: PostgresServer) -> None:
    async with session(any_postgres.dsn) as admin:
        await admin.execute("CREATE TABLE IF NOT EXISTS words (word text PRIMARY KEY)")
        if any_postgres.has_statements:
            await admin.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        major_version = admin.get_server_version().major
    async with collecting(any_postgres.dsn) as collector:
        collected = await collector.collect()
        again = await collector.collect()

    assert collected.problems == []
    assert len({labels for labels, _ in collected.series}) == len(collected.series)
    found = names(collected.series)
    assert names(again.series) >= found
    assert one(collected.series, "pg_up") == 1.0
    assert one(collected.series, "pg_settings_max_connections") == 100.0
    assert one(collected.series, "pg_settings_shared_buffers_bytes") == 128 * 1024**2
    assert one(collected.series, "pg_database_size_bytes", datname="postgres") > 1e6
    assert one(collected.series, "pg_replication_is_replica") == 0.0
    words = {"datname": "postgres", "schemaname": "public", "relname": "words"}
    assert one(collected.series, "pg_stat_user_tables_n_dead_tup", **words) == 0.0
    assert {
        "pg_stat_database_xact_commit",
        "pg_stat_database_deadlocks",
        "pg_stat_database_temp_bytes",
        "pg_locks_count",
        "pg_stat_activity_max_tx_duration",
        "pg_long_running_transactions_oldest_timestamp_seconds",
        "pg_postmaster_start_time_seconds",
        "pg_stat_bgwriter_buffers_alloc_total",
        "pg_wal_size_bytes",
    } <= found
    has_checkpointer = major_version >= 17
    assert ("pg_stat_checkpointer_num_timed_total" in found) is has_checkpointer
    assert ("pg_stat_bgwriter_checkpoints_timed_total" in found) is not has_checkpointer
    assert ("pg_stat_statements_seconds_total" in found) is any_postgres.has_statements


async def test_reads_over_a_socket(postgres: PostgresServer) -> None:
    async with collecting(postgres.socket_dsn) as collector:
        collected = await collector.collect()

    assert one(collected.series, "pg_up") == 1.0
    assert collector.url == f"postgresql:///postgres?host={postgres.folder}"


async def test_counts_connections_by_state(postgres: PostgresServer) -> None:
    async with (
        collecting(postgres.dsn) as collector,
        session(postgres.dsn),
        session(postgres.dsn) as working,
    ):
        await working.execute("BEGIN")
        await working.execute("CREATE TABLE locked (n int)")
        series = (await collector.collect()).series

    def count(state: str) -> float:
        return one(series, "pg_stat_activity_count", datname="postgres", state=state)

    assert (count("active"), count("idle"), count("idle in transaction")) == (1, 1, 1)
    held = {"datname": "postgres", "mode": "accessexclusivelock"}
    assert one(series, "pg_locks_count", **held) > 0
    in_transaction = {"datname": "postgres", "state": "idle in transaction"}
    assert one(series, "pg_stat_activity_max_tx_duration", **in_transaction) > 0


async def test_what_is_not_permitted_loses_only_its_own_series(postgres: PostgresServer) -> None:
    async with session(postgres.dsn) as admin:
        await admin.execute("CREATE ROLE least LOGIN")
    dsn = postgres.dsn.replace("postgres:hush-hush", "least:hush-hush")
    async with collecting(dsn) as collector:
        collected = await collector.collect()

    assert collected.problems == ["write-ahead log: not permitted"]
    assert "pg_wal_size_bytes" not in names(collected.series)
    assert one(collected.series, "pg_up") == 1.0
    assert "pg_stat_database_xact_commit" in names(collected.series)


async def test_a_restarted_server_is_up_in_the_next_round(postgres: PostgresServer) -> None:
    async with collecting(postgres.dsn) as collector:
        await collector.collect()
        postgres.stop()
        with pytest.raises(CollectError, match="connection refused"):
            await collector.collect()
        postgres.start()
        collected = await collector.collect()
        postgres.stop()
        postgres.start()
        at_once = await collector.collect()

    assert one(collected.series, "pg_up") == one(at_once.series, "pg_up") == 1.0


async def test_a_lock_is_not_waited_for(postgres: PostgresServer) -> None:
    async with collecting(postgres.dsn) as collector, session(postgres.dsn) as other:
        await other.execute("CREATE TABLE held (n int)")
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(collector.timeout / timedelta(seconds=1)):
            collected = await collector.collect()

    # The sizes of a table that is locked cannot be read; everything else can.
    assert one(collected.series, "pg_up") == 1.0
    assert [problem.partition(":")[0] for problem in collected.problems] in ([], ["tables"])


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("postgresql://postgres:hush-hush@127.0.0.1:{port}/postgres", "connection refused"),
        ("postgresql://postgres:hush-hush@169.254.1.1:{port}/postgres", "may not reach"),
        ("postgresql://postgres:hush-hush@[::1/postgres", "cannot be read"),
        ("mysql://postgres:hush-hush@127.0.0.1:{port}/postgres", "cannot be read"),
    ],
)
async def test_a_server_that_cannot_be_asked_is_said_why(dsn: str, message: str) -> None:
    collector = make_collector(dsn.format(port=find_free_port()))

    with pytest.raises(CollectError, match=message) as caught:
        await collector.collect()

    assert "hush-hush" not in str(caught.value) + collector.url


async def test_a_missing_database_is_said_so(postgres: PostgresServer) -> None:
    collector = make_collector(postgres.dsn.removesuffix("postgres") + "nothing")

    with pytest.raises(CollectError, match="there is no such database"):
        await collector.collect()


def test_the_statements_view_is_asked_as_its_version_knows() -> None:
    old = build_statements_query("public", (1, 8))
    new = build_statements_query('odd"name', (1, 11))

    assert "s.blk_read_time" in old.sql
    assert "s.shared_blk_read_time" in new.sql
    assert '"odd""name".pg_stat_statements' in new.sql


@pytest.mark.parametrize("version", range(13, 19))
def test_each_subject_is_asked_once_in_each_version(version: int) -> None:
    subjects = [query.subject for query in STAT_QUERIES if query.is_for(version)]

    assert len(subjects) == len(set(subjects))
