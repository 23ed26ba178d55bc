"""Real servers of the field, each in a folder of its own on a loopback port.

Nothing here knows pytest, so that benchmarks use it too. In tests, `@pytest.mark.peer(NAME)` skips
where the program is absent (and fails in CI), and the fixtures `prometheus` and `victoria_metrics`
are servers with the configuration that stands here.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import find_free_port

PROMETHEUS = "prometheus"
VICTORIA_METRICS = "victoria-metrics"
ALERTMANAGER = "prometheus-alertmanager"
AMTOOL = "amtool"
RSYSLOG = "rsyslogd"

_PACKAGES = {AMTOOL: ALERTMANAGER, RSYSLOG: "rsyslog"}

_START_SECONDS = 60
_STOP_SECONDS = 60
_PORT_ATTEMPTS = 3

_PROMETHEUS_CONFIG = """\
global:
  scrape_interval: 15s
storage:
  tsdb:
    out_of_order_time_window: 1000d
"""


class PeerError(Exception):
    """A peer did not start; the message ends with the end of its log."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: `url` without a final slash, and the process id to measure."""

    name: str
    url: str
    pid: int
    folder: Path
    log: Path


def find_peer(name: str) -> Path | None:
    """Return the path of the program, or None where it is not installed."""
    # Debian keeps daemons where only root's search path leads.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    return None if found is None else Path(found)


@contextlib.contextmanager
def run_prometheus(
    folder: Path,
    *,
    config: str = _PROMETHEUS_CONFIG,
    arguments: Sequence[str] = (),
    port: int | None = None,
) -> Generator[Peer]:
    """Run a Prometheus with `folder` for its configuration and data, and stop it at the end.

    It receives remote write, has the admin API and reloads at POST /-/reload. By default it
    scrapes nothing and accepts samples of any age; those older than its head's newest block are
    seen by queries too. A configuration of one's own is reloaded after writing it to
    `folder/prometheus.yml`. A second run on the same folder goes on with its data; with `port` it
    may have the address of the first.

    Raises:
        PeerError: When it is not installed, or not ready within a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config_path = folder / "prometheus.yml"
    config_path.write_text(config)

    def build(port: int) -> list[str]:
        return [
            _require(PROMETHEUS),
            f"--config.file={config_path}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--web.enable-lifecycle",
            "--log.level=warn",
            *arguments,
        ]

    with _run(PROMETHEUS, build, folder, "/-/ready", port) as peer:
        yield peer


@contextlib.contextmanager
def run_victoria_metrics(
    folder: Path, *, arguments: Sequence[str] = (), port: int | None = None
) -> Generator[Peer]:
    """Run a VictoriaMetrics with `folder` for its data, and stop it at the end.

    It keeps samples for a century and hides none of the latest. What it has acknowledged is seen
    by queries within a second, or at once after GET /internal/force_flush. `port` is as in
    `run_prometheus`.

    Raises:
        PeerError: When it is not installed, or not ready within a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def build(port: int) -> list[str]:
        return [
            _require(VICTORIA_METRICS),
            f"-storageDataPath={folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{port}",
            "-retentionPeriod=100y",
            "-search.latencyOffset=0s",
            "-loggerLevel=WARN",
            *arguments,
        ]

    with _run(VICTORIA_METRICS, build, folder, "/health", port) as peer:
        yield peer


@contextlib.contextmanager
def run_alertmanager(
    folder: Path, *, config: str, arguments: Sequence[str] = (), port: int | None = None
) -> Generator[Peer]:
    """Run an Alertmanager of its own, without a cluster, with `folder` for its data.

    `port` is as in `run_prometheus`.

    Raises:
        PeerError: When it is not installed, or not ready within a minute.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config_path = folder / "alertmanager.yml"
    config_path.write_text(config)

    def build(port: int) -> list[str]:
        return [
            _require(ALERTMANAGER),
            f"--config.file={config_path}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=warn",
            *arguments,
        ]

    with _run(ALERTMANAGER, build, folder, "/-/ready", port) as peer:
        yield peer


def kill(peer: Peer) -> None:
    """End a server as `kill -9` does; it is gone when this returns, its locks with it."""
    os.kill(peer.pid, signal.SIGKILL)
    # Whoever has started it still learns how it ended.
    os.waitid(os.P_PID, peer.pid, os.WEXITED | os.WNOWAIT)


@contextlib.contextmanager
def _run(
    name: str,
    build: Callable[[int], list[str]],
    folder: Path,
    ready_path: str,
    wanted_port: int | None,
) -> Generator[Peer]:
    log = folder / f"{name}.log"
    process, port = _start(build, log, ready_path, wanted_port)
    try:
        yield Peer(name, f"http://127.0.0.1:{port}", process.pid, folder, log)
    finally:
        _stop(process)


def _start(
    build: Callable[[int], list[str]], log: Path, ready_path: str, wanted_port: int | None
) -> tuple[subprocess.Popen[bytes], int]:
    # Another process may take the port between asking for it and listening on it.
    for attempt in range(_PORT_ATTEMPTS):
        port = wanted_port or find_free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                build(port), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            if _wait_until_ready(process, f"http://127.0.0.1:{port}{ready_path}"):
                return process, port
        except BaseException:
            _stop(process)
            raise
        _stop(process)
        told = log.read_text(errors="replace")
        if attempt == _PORT_ATTEMPTS - 1 or "address already in use" not in told:
            raise PeerError(f"{log.stem} did not get ready; its log ends with:\n{told[-2000:]}")
    raise AssertionError


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    # Whatever proxy the environment names is not for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
        time.sleep(0.01)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _require(name: str) -> str:
    found = find_peer(name)
    if found is None:
        raise PeerError(explain_absence(name))
    return os.fspath(found)


def explain_absence(name: str) -> str:
    """Return why a test of `name` is skipped."""
    return f"{name} is not installed (Debian's package {_PACKAGES.get(name, name)})"
