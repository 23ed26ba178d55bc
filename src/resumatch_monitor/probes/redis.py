"""The Redis probe: connects, signs in, and sends `PING`."""

import time
from collections.abc import Collection

from redis.exceptions import RedisError

from resumatch_monitor.kit.network import find_url_secrets, mask_dsn
from resumatch_monitor.kit.redis import close_redis, connect_redis, explain_redis_error
from resumatch_monitor.probes.config import RedisProbeConfig
from resumatch_monitor.probes.probe import Notes, ProbeFailedError
from resumatch_monitor.probes.tools import ProbeTools


class RedisProbe:
    """Shows that a client can sign in and be answered."""

    def __init__(self, config: RedisProbeConfig, tools: ProbeTools) -> None:
        self._url = config.url.get_secret_value()
        # The caller's limit comes first; the library's own is a second line.
        self._timeout_seconds = config.timeout.total_seconds() + 1.0
        self._tools = tools
        self.target = mask_dsn(self._url)
        self.secrets: Collection[str] = find_url_secrets(self._url)

    async def attempt(self, notes: Notes) -> str:
        try:
            return await self._ping(notes)
        except (RedisError, ValueError) as error:
            raise ProbeFailedError(explain_redis_error(error)) from None

    async def _ping(self, notes: Notes) -> str:
        started = time.monotonic()
        client = await connect_redis(
            self._url,
            timeout_seconds=self._timeout_seconds,
            allowed_hosts=self._tools.allowed_hosts,
        )
        connected = time.monotonic()
        notes.add_phase("connect", connected - started)
        try:
            await client.execute_command("PING")
        finally:
            await close_redis(client)
        notes.add_phase("ping", time.monotonic() - connected)
        return "PONG"
