"""The PostgreSQL probe: connects, signs in, and asks `SELECT 1`."""

import time
from collections.abc import Collection

import asyncpg

from resumatch_monitor.kit.network import find_url_secrets, mask_dsn
from resumatch_monitor.kit.postgres import (
    connect_postgres,
    explain_postgres_error,
    normalise_dsn,
)
from resumatch_monitor.probes.config import PostgresProbeConfig
from resumatch_monitor.probes.probe import Notes, ProbeFailedError
from resumatch_monitor.probes.tools import ProbeTools


class PostgresProbe:
    """Shows that a client can sign in and be answered."""

    def __init__(self, config: PostgresProbeConfig, tools: ProbeTools) -> None:
        self._dsn = normalise_dsn(config.dsn.get_secret_value())
        # The caller's limit comes first; the library's own is a second line.
        self._timeout_seconds = config.timeout.total_seconds() + 1.0
        self._tools = tools
        self.target = mask_dsn(self._dsn)
        self.secrets: Collection[str] = find_url_secrets(self._dsn)

    async def attempt(self, notes: Notes) -> str:
        try:
            return await self._ask(notes)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise ProbeFailedError(explain_postgres_error(error)) from None

    async def _ask(self, notes: Notes) -> str:
        started = time.monotonic()
        connection = await connect_postgres(
            self._dsn,
            application_name="resumatch-monitor probe",
            timeout_seconds=self._timeout_seconds,
            allowed_hosts=self._tools.allowed_hosts,
        )
        connected = time.monotonic()
        notes.add_phase("connect", connected - started)
        try:
            await connection.execute("SELECT 1")
        finally:
            connection.terminate()
        notes.add_phase("query", time.monotonic() - connected)
        return f"PostgreSQL {connection.get_server_version().major} answered"
