"""Connections to Redis: opened past the address guard, and their errors in words."""

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Protocol, cast

import redis.asyncio
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MaxConnectionsError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from resumatch_monitor.kit.http import resolve_all_allowed
from resumatch_monitor.kit.network import explain_connection_error

_DEFAULT_PORT = 6379


class RedisConnection(Protocol):
    """What is used of redis-py's partly typed client."""

    async def execute_command(self, *args: object) -> Any:
        """Send a command and return its answer."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


async def connect_redis(
    url: str, *, timeout_seconds: float, allowed_hosts: Collection[str]
) -> RedisConnection:
    """Return a client with one connection to `url`, unless that is an address that is refused.

    Raises:
        Exception: Whatever the attempt met; `explain_redis_error` puts it into words.
    """
    options: Any = parse_url(url)
    if "path" not in options:
        host, port = options.get("host", "localhost"), options.get("port", _DEFAULT_PORT)
        await resolve_all_allowed(host, port, allowed_hosts=allowed_hosts)
    client: Any = redis.asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        single_connection_client=True,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        # Nothing beyond what was asked for: no CLIENT SETINFO, which old servers and tight ACLs
        # refuse, and no RESP3 handshake.
        driver_info=None,
        protocol=2,
        client_name=None,
        decode_responses=True,
    )
    try:
        await client.initialize()
    except BaseException:
        await close_redis(cast("RedisConnection", client))
        raise
    return cast("RedisConnection", client)


async def close_redis(client: RedisConnection) -> None:
    """Close without caring whether the server is still there."""
    with suppress(RedisError, OSError):
        await client.aclose()


def explain_redis_error(error: BaseException) -> str:
    """Return in a few words of our own why talking to Redis failed."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return "sign-in refused: wrong user or password"
    if isinstance(error, NoPermissionError):
        return "not permitted"
    if isinstance(error, BusyLoadingError):
        return "the server is still loading its data"
    if isinstance(error, MaxConnectionsError):
        return "too many connections"
    if isinstance(error, ResponseError):
        # The first word of Redis' errors is a code; the rest may quote the command.
        code = str(error).partition(" ")[0]
        return f"the server answered with error {code[:32]}"
    explained = explain_connection_error(error)
    if explained is not None:
        return explained
    if isinstance(error, (TimeoutError, RedisTimeoutError)):
        return "timed out"
    if isinstance(error, RedisError):
        return "connection closed by the server"
    if isinstance(error, ValueError):
        return "the URL cannot be read"
    return f"failed: {type(error).__name__}"
