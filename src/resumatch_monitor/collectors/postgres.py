"""PostgreSQL's own statistics over one kept connection."""

import logging
import time
from collections.abc import Collection, Sequence
from datetime import timedelta

from resumatch_monitor.collectors.collector import Collected, CollectError, Series, sample
from resumatch_monitor.collectors.config import PostgresCollectorConfig
from resumatch_monitor.collectors.postgres_queries import (
    EACH_MINUTE,
    EXTENSION_SQL,
    SETTINGS_SQL,
    STAT_QUERIES,
    StatQuery,
    build_statements_query,
)
from resumatch_monitor.kit.network import mask_dsn
from resumatch_monitor.kit.postgres import (
    PostgresConnection,
    PostgresRecord,
    connect_postgres,
    explain_postgres_error,
    normalise_dsn,
    read_sqlstate,
)
from resumatch_monitor.metrics.labels import Labels

logger = logging.getLogger(__name__)

_STATEMENT_SHARE = 3
_LOCK_TIMEOUT_MS = 100
_EXTENSIONS = "extensions"
_UNITS = {
    "B": ("_bytes", 1.0),
    "kB": ("_bytes", 1024.0),
    "MB": ("_bytes", 1024.0**2),
    "GB": ("_bytes", 1024.0**3),
    "8kB": ("_bytes", 8 * 1024.0),
    "16kB": ("_bytes", 16 * 1024.0),
    "ms": ("_seconds", 0.001),
    "s": ("_seconds", 1.0),
    "min": ("_seconds", 60.0),
}


class PostgresCollector:
    """Asks one server; a question that it refuses or is slow to answer loses only its own series.

    Each statement has a time-out of its own at the server and may not wait for locks, so the load
    is bounded by one connection and a third of the round's time-out a statement.
    """

    job = "database"

    def __init__(
        self, config: PostgresCollectorConfig, *, allowed_hosts: Collection[str] = ()
    ) -> None:
        self._dsn = normalise_dsn(config.dsn.get_secret_value())
        self._allowed_hosts = allowed_hosts
        self.instance = config.name
        self.interval = config.interval
        self.timeout = min(config.timeout, config.interval)
        self.url = mask_dsn(self._dsn)
        self.series_when_down: Series = [sample("pg_up", 0.0)]
        self._connection: PostgresConnection | None = None
        self._queries: Sequence[StatQuery] = ()
        self._remembered: dict[str, tuple[float, Series]] = {}

    async def collect(self) -> Collected:
        started = time.monotonic()
        try:
            connection = await self._open()
            series = await self._read_identity(connection)
            await self._choose_queries(connection)
        except Exception as error:  # noqa: BLE001 - the driver's errors have no common base
            await self.close()
            raise CollectError(explain_postgres_error(error)) from None
        problems: list[str] = []
        for query in self._queries:
            if not self._is_time_left(started):
                problems.append(f"{query.subject}: no time left in this round")
                continue
            try:
                series += await self._answer(connection, query)
            except Exception as error:  # noqa: BLE001 - as above
                if connection.is_closed() or not read_sqlstate(error):
                    await self.close()
                    raise CollectError(explain_postgres_error(error)) from None
                problems.append(f"{query.subject}: {explain_postgres_error(error)}")
        return Collected(series, problems)

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
        self._remembered.clear()

    async def _open(self) -> PostgresConnection:
        if self._connection is not None:
            try:
                await self._connection.execute("SELECT 1")
            except Exception:  # noqa: BLE001 - as above
                # The server may have been restarted since the last round.
                logger.debug("The connection to %s has ended; another is opened", self.instance)
                await self.close()
            else:
                return self._connection
        timeout_seconds = self.timeout.total_seconds()
        connection = await connect_postgres(
            self._dsn,
            application_name="resumatch-monitor collector",
            timeout_seconds=timeout_seconds + 1.0,
            allowed_hosts=self._allowed_hosts,
        )
        self._connection = connection
        statement_ms = round(timeout_seconds * 1000 / _STATEMENT_SHARE)
        await connection.execute(
            f"SET statement_timeout = {statement_ms}; SET lock_timeout = {_LOCK_TIMEOUT_MS};"
            " SET default_transaction_read_only = on"
        )
        return connection

    async def _choose_queries(self, connection: PostgresConnection) -> None:
        # Asked again now and then: an extension may be created or upgraded meanwhile.
        if self._recall(_EXTENSIONS, EACH_MINUTE) is not None:
            return
        major_version = connection.get_server_version().major
        queries = [query for query in STAT_QUERIES if query.is_for(major_version)]
        self._remembered[_EXTENSIONS] = time.monotonic(), []
        for row in await connection.fetch(EXTENSION_SQL):
            version = tuple(int(part) for part in str(row["version"]).split(".") if part.isdigit())
            queries.append(build_statements_query(str(row["schema"]), version))
        self._queries = queries

    async def _read_identity(self, connection: PostgresConnection) -> Series:
        rows = await connection.fetch(
            "SELECT version() AS version, current_setting('server_version') AS short_version,"
            " extract(epoch FROM pg_postmaster_start_time())::float8 AS started"
        )
        series = [sample("pg_up", 1.0)]
        for row in rows:
            version, short_version = str(row["version"]), str(row["short_version"])
            series += [
                sample("pg_static", 1.0, version=version, short_version=short_version),
                sample("pg_postmaster_start_time_seconds", float(row["started"])),
            ]
        return series + await self._read_settings(connection)

    async def _read_settings(self, connection: PostgresConnection) -> Series:
        remembered = self._recall("settings", EACH_MINUTE)
        if remembered is not None:
            return remembered
        series = [_render_setting(row) for row in await connection.fetch(SETTINGS_SQL)]
        self._remembered["settings"] = time.monotonic(), series
        return series

    async def _answer(self, connection: PostgresConnection, query: StatQuery) -> Series:
        remembered = self._recall(query.subject, query.every_seconds)
        if remembered is not None:
            return remembered
        self._remembered.pop(query.subject, None)
        rows = await connection.fetch(query.sql)
        series = [each for row in rows for each in _render_row(query, row)]
        if query.every_seconds:
            self._remembered[query.subject] = time.monotonic(), series
        return series

    def _recall(self, subject: str, every_seconds: float) -> Series | None:
        kept = self._remembered.get(subject)
        # Half a round early rather than a whole one late.
        slack_seconds = self.interval.total_seconds() / 2
        if kept is None or time.monotonic() - kept[0] >= every_seconds - slack_seconds:
            return None
        return kept[1]

    def _is_time_left(self, started: float) -> bool:
        spent = timedelta(seconds=time.monotonic() - started)
        return self.timeout - spent > self.timeout / _STATEMENT_SHARE


def _render_row(query: StatQuery, row: PostgresRecord) -> Series:
    columns = dict(row.items())
    labels = {name: str(columns.pop(name)) for name in query.labels}
    return [
        sample(f"{query.prefix}_{name}", float(value), **labels)
        for name, value in columns.items()
        if value is not None
    ]


def _render_setting(row: PostgresRecord) -> tuple[Labels, float]:
    suffix, factor = _UNITS.get(row["unit"] or "", ("", 1.0))
    value = float(row["setting"])
    # -1 means "off" or "as another setting", whatever the unit.
    return sample(f"pg_settings_{row['name']}{suffix}", value if value == -1 else value * factor)
