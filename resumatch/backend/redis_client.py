"""Redis: rate limits and who is active. Everything here may fail, and says so."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from structlog.stdlib import get_logger

from resumatch.backend.config import Settings
from resumatch.backend.metrics import Metrics

logger = get_logger(__name__)

_TIMEOUT_SECONDS = 0.5
_ACTIVE_USERS = "resumatch:active_users"
_PAUSE_AFTER_FAILURE_SECONDS = 1.0


class RedisUnavailableError(Exception):
    """Redis did not answer, or not in time."""


class RedisClient:
    """The few things that ResuMatch asks of Redis, each bounded in time."""

    def __init__(self, *, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._active_seconds = settings.active_user_minutes * 60
        self._redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            settings.redis_url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            max_connections=50,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._is_healthy = True
        self._ask_again_at = 0.0

    async def run_script(self, script: str, *, keys: Sequence[str], args: Sequence[str]) -> Any:
        """Run a Lua script atomically.

        Raises:
            RedisUnavailableError: If Redis cannot be asked; within a second of a failure at once,
                so that a Redis that hangs does not slow every request down.
        """
        if time.monotonic() < self._ask_again_at:
            raise RedisUnavailableError("Redis failed a moment ago")
        try:
            return await self._bounded(self._redis.eval(script, len(keys), *keys, *args))
        except RedisUnavailableError:
            self._ask_again_at = time.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS
            raise

    async def note_active(self, user_id: str) -> None:
        """Remember that this person did something; a failure only costs the gauge."""
        try:
            if time.monotonic() >= self._ask_again_at:
                await self._bounded(self._redis.zadd(_ACTIVE_USERS, {user_id: time.time()}))
        except RedisUnavailableError:
            self._ask_again_at = time.monotonic() + _PAUSE_AFTER_FAILURE_SECONDS

    async def forget(self, user_id: str, keys: Sequence[str]) -> None:
        """Remove what is kept about a person.

        Raises:
            RedisUnavailableError: If Redis cannot be asked.
        """
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.zrem(_ACTIVE_USERS, user_id)
        pipeline.delete(*keys)
        await self._bounded(pipeline.execute())

    async def ping(self) -> None:
        """Ask for an answer.

        Raises:
            RedisUnavailableError: If there is none.
        """
        await self._bounded(self._ask("PING"))

    async def refresh_metrics(self) -> bool:
        """Check the health of Redis and set the gauges."""
        started = time.perf_counter()
        try:
            await self.ping()
            elapsed = time.perf_counter() - started
            info = cast("dict[str, Any]", await self._bounded(self._ask("INFO")))
            oldest = time.time() - self._active_seconds
            await self._bounded(self._redis.zremrangebyscore(_ACTIVE_USERS, "-inf", oldest))
            active = await self._bounded(self._redis.zcard(_ACTIVE_USERS))
        except RedisUnavailableError as error:
            self._note_health(healthy=False, error=str(error))
            # Nobody knows how many are active: not the last number, and not 0.
            self._metrics.active_users.set(float("nan"))
            return False
        self._note_health(healthy=True)
        self._metrics.redis_ping.set(elapsed)
        self._metrics.redis_memory.set(float(info.get("used_memory", 0)))
        self._metrics.redis_clients.set(float(info.get("connected_clients", 0)))
        self._metrics.redis_evictions.set(float(info.get("evicted_keys", 0)))
        self._metrics.active_users.set(float(active))
        return True

    async def close(self) -> None:
        await self._redis.aclose()

    def _note_health(self, *, healthy: bool, error: str = "") -> None:
        self._metrics.redis_up.set(1 if healthy else 0)
        if healthy and not self._is_healthy:
            logger.info("redis_recovered")
        elif not healthy and self._is_healthy:
            logger.error("redis_unavailable", error_message=error)
        self._is_healthy = healthy

    async def _ask(self, command: str) -> Any:
        return await self._redis.execute_command(command)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

    async def _bounded(self, answer: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(2 * _TIMEOUT_SECONDS):
                return await answer
        except (RedisError, OSError, TimeoutError) as error:
            # The text may hold the URL with its password: the kind of failure is enough.
            raise RedisUnavailableError(type(error).__name__) from None
