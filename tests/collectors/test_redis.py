import pytest
from pydantic import SecretStr

from resumatch_monitor.collectors.collector import CollectError, Series
from resumatch_monitor.collectors.config import RedisCollectorConfig
from resumatch_monitor.collectors.redis import RedisCollector
from resumatch_monitor.kit.redis import close_redis, connect_redis
from tests.collectors.servers import RedisServer
from tests.support.ports import find_free_port

pytestmark = pytest.mark.anyio


def make_collector(url: str) -> RedisCollector:
    return RedisCollector(RedisCollectorConfig(name="cache", url=SecretStr(url)))


def one(series: Series, name: str, **labels: str) -> float:
    wanted = {"__name__": name, **labels}
    [value] = [value for found, value in series if dict(found) == wanted]
    return value


async def test_reads_what_the_server_tells(redis_server: RedisServer) -> None:
    client = await connect_redis(redis_server.url, timeout_seconds=5, allowed_hosts=())
    await client.execute_command("SET", "key", "value", "EX", 1000)
    await client.execute_command("GET", "key")
    await client.execute_command("GET", "nothing")
    collector = make_collector(redis_server.url)
    collected = await collector.collect()
    await collector.collect()
    await collector.close()
    await close_redis(client)

    series = collected.series
    assert collected.problems == []
    assert len({labels for labels, _ in series}) == len(series)
    assert one(series, "redis_up") == 1.0
    assert one(series, "redis_memory_used_bytes") > 100_000
    assert one(series, "redis_memory_max_bytes") == 64 * 1024**2
    assert one(series, "redis_connected_clients") == 2.0
    assert one(series, "redis_keyspace_hits_total") == 1.0
    assert one(series, "redis_keyspace_misses_total") == 1.0
    assert one(series, "redis_evicted_keys_total") == 0.0
    assert one(series, "redis_rdb_last_save_timestamp_seconds") > 1e9
    assert one(series, "redis_rdb_last_bgsave_status") == 1.0
    assert one(series, "redis_aof_enabled") == 0.0
    assert one(series, "redis_commands_processed_total") > 3
    assert one(series, "redis_db_keys", db="db0") == 1.0
    assert one(series, "redis_db_keys_expiring", db="db0") == 1.0
    assert one(series, "redis_commands_total", cmd="get") == 2.0
    assert one(series, "redis_exporter_last_scrape_ping_time_seconds") < 1


async def test_reads_over_a_socket(redis_server: RedisServer) -> None:
    collector = make_collector(redis_server.socket_url)
    collected = await collector.collect()
    await collector.close()

    assert one(collected.series, "redis_up") == 1.0
    assert collector.url == f"unix://{redis_server.folder}/redis.sock"


async def test_a_restarted_server_is_up_in_the_next_round(redis_server: RedisServer) -> None:
    collector = make_collector(redis_server.url)
    await collector.collect()
    redis_server.stop()
    with pytest.raises(CollectError, match="connection refused"):
        await collector.collect()
    redis_server.start()
    collected = await collector.collect()
    redis_server.stop()
    redis_server.start()
    at_once = await collector.collect()
    await collector.close()

    assert one(collected.series, "redis_up") == one(at_once.series, "redis_up") == 1.0


async def test_what_is_not_permitted_loses_only_its_own_series(redis_server: RedisServer) -> None:
    client = await connect_redis(redis_server.url, timeout_seconds=5, allowed_hosts=())
    await client.execute_command("ACL", "SETUSER", "least", "on", ">hush-hush", "+ping", "+info")
    await close_redis(client)
    collector = make_collector(redis_server.url.replace("//:", "//least:"))
    collected = await collector.collect()
    await collector.close()

    assert one(collected.series, "redis_up") == 1.0
    assert collected.problems == ["SLOWLOG: not permitted"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hush-hush@127.0.0.1:{free}/0", "connection refused"),
        ("redis://:wrong-hush-hush@127.0.0.1:{port}/0", "sign-in refused"),
        ("redis://:hush-hush@169.254.1.1:{port}/0", "may not reach"),
        ("http://:hush-hush@127.0.0.1:{port}/0", "cannot be read"),
        ("unix://:hush-hush@/nothing/here", "no such socket"),
    ],
)
async def test_a_server_that_cannot_be_asked_is_said_why(
    redis_server: RedisServer, url: str, message: str
) -> None:
    collector = make_collector(url.format(port=redis_server.port, free=find_free_port()))

    with pytest.raises(CollectError, match=message) as caught:
        await collector.collect()

    assert "hush-hush" not in str(caught.value) + collector.url
