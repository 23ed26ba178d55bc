"""Redis' `INFO` over one kept connection."""

import logging
import re
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from redis.exceptions import ResponseError

from resumatch_monitor.collectors.collector import Collected, CollectError, Series, sample
from resumatch_monitor.collectors.config import RedisCollectorConfig
from resumatch_monitor.collectors.redis_names import NAMES
from resumatch_monitor.kit.network import mask_dsn
from resumatch_monitor.kit.redis import (
    RedisConnection,
    close_redis,
    connect_redis,
    explain_redis_error,
)
from resumatch_monitor.metrics.labels import Labels

logger = logging.getLogger(__name__)

_MOST_COMMANDS = 200
_MOST_DATABASES = 64
_MOST_REPLICAS = 32
_MICROSECONDS = 1_000_000
_WORDS = {"ok": 1.0, "err": 0.0, "fail": 0.0, "yes": 1.0, "no": 0.0}
_DATABASE = re.compile(r"db\d+")
_REPLICA = re.compile(r"slave\d+")
_COMMAND_PREFIX = "cmdstat_"


class RedisCollector:
    """Asks one server; `redis_up` is whether it answers `PING`."""

    job = "redis"

    def __init__(
        self, config: RedisCollectorConfig, *, allowed_hosts: Collection[str] = ()
    ) -> None:
        self._url = config.url.get_secret_value()
        self._allowed_hosts = allowed_hosts
        self.instance = config.name
        self.interval = config.interval
        self.timeout = min(config.timeout, config.interval)
        self.url = mask_dsn(self._url)
        self.series_when_down: Series = [sample("redis_up", 0.0)]
        self._client: RedisConnection | None = None

    async def collect(self) -> Collected:
        try:
            return await self._collect()
        except Exception as error:  # noqa: BLE001 - the URL, the network or the server
            await self.close()
            raise CollectError(explain_redis_error(error)) from None

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await close_redis(client)

    async def _collect(self) -> Collected:
        started = time.monotonic()
        client = await self._open()
        connected = time.monotonic()
        await client.execute_command("PING")
        series = [
            sample("redis_up", 1.0),
            sample("redis_exporter_last_scrape_connect_time_seconds", connected - started),
            sample("redis_exporter_last_scrape_ping_time_seconds", time.monotonic() - connected),
        ]
        problems: list[str] = []
        for subject, read in (("INFO", self._read_info), ("SLOWLOG", self._read_slowlog)):
            try:
                series += await read(client)
            except ResponseError as error:
                problems.append(f"{subject}: {explain_redis_error(error)}")
        return Collected(series, problems)

    async def _open(self) -> RedisConnection:
        if self._client is not None:
            try:
                await self._client.execute_command("PING")
            except Exception:  # noqa: BLE001 - whatever it is, another connection is tried
                # The server may have been restarted since the last round.
                logger.debug("The connection to %s has ended; another is opened", self.instance)
                await self.close()
            else:
                return self._client
        self._client = await connect_redis(
            self._url,
            timeout_seconds=self.timeout.total_seconds() + 1.0,
            allowed_hosts=self._allowed_hosts,
        )
        return self._client

    async def _read_info(self, client: RedisConnection) -> Series:
        return list(_render_info(await client.execute_command("INFO", "all")))

    async def _read_slowlog(self, client: RedisConnection) -> Series:
        return [
            sample("redis_slowlog_length", float(await client.execute_command("SLOWLOG", "LEN")))
        ]


def _render_info(info: Mapping[str, Any]) -> Iterator[tuple[Labels, float]]:
    counts = {"commands": 0, "databases": 0, "replicas": 0}
    for field, plain in info.items():
        if field in NAMES:
            number = _to_number(plain)
            if number is not None:
                yield sample(f"redis_{NAMES[field]}", number)
        if not isinstance(plain, dict):
            continue
        value = cast("dict[str, Any]", plain)
        if field.startswith(_COMMAND_PREFIX):
            counts["commands"] += 1
            if counts["commands"] <= _MOST_COMMANDS:
                yield from _render_command(field.removeprefix(_COMMAND_PREFIX), value)
        elif _DATABASE.fullmatch(field):
            counts["databases"] += 1
            if counts["databases"] <= _MOST_DATABASES:
                yield from _render_database(field, value)
        elif _REPLICA.fullmatch(field):
            counts["replicas"] += 1
            if counts["replicas"] <= _MOST_REPLICAS:
                yield from _render_replica(value)
    yield from _render_server(info)


def _render_server(info: Mapping[str, Any]) -> Series:
    series = [
        sample(
            "redis_instance_info",
            1.0,
            role=str(info.get("role", "")),
            redis_version=str(info.get("redis_version", "")),
            redis_mode=str(info.get("redis_mode", "")),
            os=str(info.get("os", "")),
            maxmemory_policy=str(info.get("maxmemory_policy", "")),
        )
    ]
    fork_usec = _to_number(info.get("latest_fork_usec"))
    if fork_usec is not None:
        series.append(sample("redis_latest_fork_seconds", fork_usec / _MICROSECONDS))
    now_usec, uptime = (
        _to_number(info.get(field)) for field in ("server_time_usec", "uptime_in_seconds")
    )
    if now_usec is not None and uptime is not None:
        # To whole seconds: the uptime has no more, and the start must not seem to move.
        started = float(int(now_usec / _MICROSECONDS - uptime))
        series.append(sample("redis_start_time_seconds", started))
    if info.get("role") == "slave":
        series += _render_link(info)
    return series


def _render_link(info: Mapping[str, Any]) -> Series:
    labels = {
        "master_host": str(info.get("master_host", "")),
        "master_port": str(info.get("master_port", "")),
    }
    series = [
        sample("redis_master_link_up", float(info.get("master_link_status") == "up"), **labels)
    ]
    for field, name in (
        ("master_sync_in_progress", "redis_master_sync_in_progress"),
        ("master_last_io_seconds_ago", "redis_master_last_io_seconds_ago"),
        ("slave_repl_offset", "redis_slave_repl_offset"),
    ):
        number = _to_number(info.get(field))
        if number is not None:
            series.append(sample(name, number, **labels))
    return series


def _render_command(command: str, value: Mapping[str, Any]) -> Series:
    calls, usec = _to_number(value.get("calls")), _to_number(value.get("usec"))
    series: Series = []
    if calls is not None:
        series.append(sample("redis_commands_total", calls, cmd=command))
    if usec is not None:
        series.append(
            sample("redis_commands_duration_seconds_total", usec / _MICROSECONDS, cmd=command)
        )
    return series


def _render_database(name: str, value: Mapping[str, Any]) -> Series:
    series: Series = []
    for field, suffix, factor in (
        ("keys", "keys", 1.0),
        ("expires", "keys_expiring", 1.0),
        ("avg_ttl", "avg_ttl_seconds", 0.001),
    ):
        number = _to_number(value.get(field))
        if number is not None:
            series.append(sample(f"redis_db_{suffix}", number * factor, db=name))
    return series


def _render_replica(value: Mapping[str, Any]) -> Series:
    labels = {
        "slave_ip": str(value.get("ip", "")),
        "slave_port": str(value.get("port", "")),
        "slave_state": str(value.get("state", "")),
    }
    series: Series = []
    for field, name in (
        ("offset", "redis_connected_slave_offset_bytes"),
        ("lag", "redis_connected_slave_lag_seconds"),
    ):
        number = _to_number(value.get(field))
        if number is not None:
            series.append(sample(name, number, **labels))
    return series


def _to_number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        return _WORDS.get(value)
    return None
