"""The two systems, each started as a user starts it in production, on loopback and SQLite.

Bugsink runs as its "single server" guide and its container say: its `singleserver` configuration,
gunicorn with the settings that it ships, and a snappea worker; its quotas are lifted, its
retention is set beyond what is sent and its phoning home is off. It lives in a virtual
environment of its own, named by BUGSINK_VENV, `build/bugsink` unless said otherwise, which is made
when it is missing.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.metrics.systems import OURS, run_monitor
from benchmarks.metrics.usage import Meter
from tests.support.ports import find_free_port

BUGSINK = "Bugsink"
BUGSINK_VERSION = "2.6.2"
KEY = "0123456789abcdef0123456789abcdef"

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60
_LIFTED = (
    *("MAX_EVENTS_PER_PROJECT_PER_5_MINUTES", "MAX_EVENTS_PER_PROJECT_PER_HOUR"),
    *("MAX_EVENTS_PER_PROJECT_PER_MONTH", "MAX_EVENTS_PER_5_MINUTES", "MAX_EVENTS_PER_HOUR"),
    "MAX_EVENTS_PER_MONTH",
)
_SETUP = f"""
from projects.models import Project
from teams.models import Team
team = Team.objects.create(name="benchmark")
Project.objects.create(
    id=1, team=team, name="api", slug="api", sentry_key="{KEY}", retention_max_event_count=10**7
)
"""


@dataclass(frozen=True, slots=True)
class ErrorSystem:
    """A running server that takes envelopes.

    Attributes:
        data: Where everything that it keeps is.
        headers: Sent with every request, as a reverse proxy or an SDK would.
        count: Returns how many events are fully processed.
        api: Headers for its API, if it is asked anything.
    """

    name: str
    port: int
    pids: Sequence[int]
    data: Path
    headers: Mapping[str, str]
    count: Callable[[], int]
    api: Mapping[str, str]

    def meters(self) -> list[Meter]:
        """Return a reading for each of its processes."""
        return [Meter(pid) for pid in self.pids]


@contextlib.contextmanager
def run_error_system(name: str, folder: Path) -> Generator[ErrorSystem]:
    """Run the system `name` with everything under `folder`, which it makes if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with {OURS: run_ours, BUGSINK: run_bugsink}[name](folder) as system:
        yield system


@contextlib.contextmanager
def run_ours(folder: Path) -> Generator[ErrorSystem]:
    """Run the monitor with one project."""
    folder.mkdir(parents=True, exist_ok=True)
    project = f"projects: [{{id: 1, slug: api, key: {KEY}}}]\n"
    with run_monitor(folder, project) as monitor:
        data = folder / "data"
        yield ErrorSystem(
            OURS,
            int(monitor.url.rpartition(":")[2]),
            [monitor.pid],
            data,
            {},
            lambda: read_number(
                data / "monitor.sqlite3", "SELECT coalesce(sum(event_count), 0) FROM error_projects"
            ),
            monitor.headers,
        )


@contextlib.contextmanager
def run_bugsink(folder: Path) -> Generator[ErrorSystem]:
    """Run Bugsink's web server and worker with one project."""
    binaries = install_bugsink() / "bin"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "bugsink_conf"}
    environment.pop("PYTHONPATH", None)
    environment["PYTHONPATH"] = str(folder)
    (folder / "data").mkdir(exist_ok=True)

    def run(program: str, *arguments: str, stdin: str = "") -> None:
        subprocess.run(
            [str(binaries / program), *arguments],
            cwd=folder,
            env=environment,
            input=stdin.encode(),
            check=True,
            capture_output=True,
        )

    if not (folder / "bugsink_conf.py").exists():
        where = ("--host", "localhost", "--base-dir", str(folder / "data"))
        run("bugsink-create-conf", "--template", "singleserver", *where)
        with (folder / "bugsink_conf.py").open("a") as config:
            config.writelines(f"BUGSINK[{name!r}] = 10**9\n" for name in _LIFTED)
            config.write('BUGSINK["PHONEHOME"] = False\n')
        run("bugsink-manage", "migrate")
        run("bugsink-manage", "migrate", "snappea", "--database=snappea")
        run("bugsink-manage", "shell", stdin=_SETUP)
    port = find_free_port()
    shipped = next(binaries.parent.glob("lib/*/site-packages/bugsink/gunicorn.docker.conf.py"))
    web = ["gunicorn", f"--bind=127.0.0.1:{port}", "-c", str(shipped), "bugsink.wsgi"]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "bugsink.log").open("ab"))
        processes = [
            subprocess.Popen(
                [str(binaries / command[0]), *command[1:]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            for command in (web, ["bugsink-runsnappea"])
        ]
        for process in processes:
            stack.callback(_end, process)
        _wait_until_answering(port)
        yield ErrorSystem(
            BUGSINK,
            port,
            [process.pid for process in processes],
            folder / "data",
            {"Host": "localhost", "X-Forwarded-Proto": "https", "X-Real-IP": "127.0.0.1"},
            lambda: read_number(
                folder / "data" / "db.sqlite3",
                "SELECT coalesce(sum(digested_event_count), 0) FROM projects_project",
            ),
            {},
        )


def install_bugsink() -> Path:
    """Return the virtual environment that has Bugsink."""
    folder = Path(os.environ.get("BUGSINK_VENV", _ROOT / "build" / "bugsink"))
    if not (folder / "bin" / "bugsink-manage").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", f"bugsink=={BUGSINK_VERSION}"]
        subprocess.run(pip, check=True)
    return folder


def read_number(database: Path, query: str) -> int:
    """Return the one number that `query` answers."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()


def _wait_until_answering(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{BUGSINK} does not answer")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
