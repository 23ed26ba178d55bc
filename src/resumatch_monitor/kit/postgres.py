"""Connections to PostgreSQL: opened past the address guard, and their errors in words."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from resumatch_monitor.kit.http import resolve_all_allowed
from resumatch_monitor.kit.network import explain_connection_error

_DEFAULT_PORT = 5432
_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    # The most particular first: some are subclasses of others.
    (asyncpg.InvalidCatalogNameError, "there is no such database"),
    (asyncpg.InvalidPasswordError, "sign-in refused: wrong user or password"),
    (asyncpg.InvalidAuthorizationSpecificationError, "sign-in refused"),
    (asyncpg.TooManyConnectionsError, "too many connections"),
    (asyncpg.CannotConnectNowError, "the server is starting up or shutting down"),
    (asyncpg.AdminShutdownError, "the server is shutting down"),
    (asyncpg.QueryCanceledError, "the statement took too long"),
    (asyncpg.InsufficientPrivilegeError, "not permitted"),
    (asyncpg.ConnectionDoesNotExistError, "connection closed by the server"),
)


class ServerVersion(NamedTuple):
    """The version that a server reports."""

    major: int
    minor: int
    micro: int
    releaselevel: str
    serial: int


class PostgresRecord(Protocol):
    """A row; columns by name."""

    def __getitem__(self, name: str) -> Any: ...

    def items(self) -> Iterable[tuple[str, Any]]: ...


class PostgresConnection(Protocol):
    """What is used of asyncpg's untyped connection."""

    async def execute(self, query: str) -> str:
        """Run `query` by the simple protocol."""
        ...

    async def fetch(self, query: str, *args: object) -> Sequence[PostgresRecord]:
        """Return the rows of `query`."""
        ...

    def is_closed(self) -> bool:
        """Tell whether the connection has ended."""
        ...

    def terminate(self) -> None:
        """Drop the connection without waiting."""
        ...

    def get_server_version(self) -> ServerVersion:
        """Return the server's version."""
        ...


def normalise_dsn(dsn: str) -> str:
    """Drop the driver from SQLAlchemy's `postgresql+asyncpg://`; people copy it."""
    scheme, separator, rest = dsn.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


async def connect_postgres(
    dsn: str,
    *,
    application_name: str,
    timeout_seconds: float,
    allowed_hosts: Collection[str],
) -> PostgresConnection:
    """Open a connection to where `dsn` points, unless that is an address that is refused.

    Raises:
        Exception: Whatever the attempt met; `explain_postgres_error` puts it into words.
    """
    for host, port in _find_tcp_hosts(dsn):
        await resolve_all_allowed(host, port, allowed_hosts=allowed_hosts)
    connect = cast("Any", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]
    connection = await connect(
        dsn,
        timeout=timeout_seconds,
        # Poolers in transaction mode do not keep prepared statements.
        statement_cache_size=0,
        server_settings={"application_name": application_name},
    )
    return cast("PostgresConnection", connection)


def explain_postgres_error(error: BaseException) -> str:
    """Return in a few words of our own why talking to PostgreSQL failed."""
    for kind, text in _BY_TYPE:
        if isinstance(error, kind):
            return text
    if isinstance(error, asyncpg.PostgresError):
        return f"the server answered with error {read_sqlstate(error)}"
    explained = explain_connection_error(error)
    if explained is not None:
        return explained
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, (asyncpg.InterfaceError, ValueError)):
        return "the DSN cannot be read or the connection was closed"
    return f"failed: {type(error).__name__}"


def read_sqlstate(error: BaseException) -> str:
    """Return the five-character code of a server's error, empty if it has none."""
    return str(getattr(error, "sqlstate", None) or "")


def _find_tcp_hosts(dsn: str) -> list[tuple[str, int]]:
    parts = urlsplit(dsn)
    named = dict(parse_qsl(parts.query)).get("host", "")
    written = [*parts.netloc.rpartition("@")[2].split(","), *named.split(",")]
    hosts: list[tuple[str, int]] = []
    for each in written:
        if each and not each.startswith("/"):
            host = urlsplit(f"//{each}")
            hosts.append((host.hostname or "", host.port or _DEFAULT_PORT))
    return [(host, port) for host, port in hosts if host]
