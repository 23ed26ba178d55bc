"""The monitor as a process of its own, for tests that speak to it as programs do."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import resumatch_monitor
from tests.support.ports import find_free_port

TOKEN = "an-admins-token-of-these-tests"
_SOURCES = Path(resumatch_monitor.__file__).parents[1]
_START = "from resumatch_monitor.cli import main; raise SystemExit(main())"
_START_SECONDS = 60
_STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RunningMonitor:
    """A running monitor: `url` without a final slash; `TOKEN` is an admin's."""

    url: str
    pid: int
    folder: Path


@contextlib.contextmanager
def run_monitor(
    folder: Path, *, config: str = "", port: int | None = None
) -> Generator[RunningMonitor]:
    """Run a monitor with `folder` for its data, and stop it at the end.

    Args:
        folder: Made if it is not there.
        config: What stands in its configuration beside the token; not `auth`.
        port: Where it listens; by default wherever it can.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or find_free_port()
    path, log = folder / "monitor.yaml", folder / "monitor.log"
    token = f"auth: {{tokens: [{{name: tests, token: {TOKEN}, role: admin}}]}}\n"
    path.write_text(token + config)
    arguments = ("serve", "--config", str(path), "--data", str(folder / "data"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, *arguments, "--listen", f"127.0.0.1:{port}"],
            env={**os.environ, "PYTHONPATH": str(_SOURCES)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, f"{url}/-/ready", log)
        yield RunningMonitor(url, process.pid, folder)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    # Whatever proxy the environment names is not for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), opener.open(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"the monitor did not get ready:\n{log.read_text(errors='replace')}")
