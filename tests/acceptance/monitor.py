"""The monitor as the process that people run."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import resumatch_monitor
from resumatch.demo.processes import Processes
from tests.acceptance.api import Api

COMMAND = str(Path(sys.executable).with_name("resumatch-monitor"))
TOKEN = "an-editors-token-of-the-acceptance-tests"
PROJECT_KEY = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e"
_SOURCES = str(Path(resumatch_monitor.__file__).parents[1])
_STOP_SECONDS = 60


def base_environment() -> dict[str, str]:
    """Return what any process needs of this one's environment, and no more."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ}
    # What is tested is what this process has imported, wherever the command was installed from.
    return kept | {"PYTHONPATH": _SOURCES}


def run_command(
    *arguments: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `resumatch-monitor` to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=base_environment() | dict(environment or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_STOP_SECONDS,
        check=False,
    )


class MonitorProcess:
    """`resumatch-monitor serve` on a data folder; it can be killed and started again."""

    def __init__(
        self,
        *,
        name: str,
        config: Path,
        data: Path,
        port: int,
        processes: Processes,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._config = config
        self._processes = processes
        self._environment = base_environment() | dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.data = data
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.api = Api(self.url, TOKEN)

    @property
    def envelope_url(self) -> str:
        """Where envelopes of project 1 are taken."""
        return f"{self.url}/api/1/envelope/?sentry_key={PROJECT_KEY}&sentry_version=7"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self._processes.log_of(self._name)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = self._processes.start(
            self._name,
            [
                COMMAND,
                *("serve", "--config", str(self._config), "--data", str(self.data)),
                *("--listen", f"127.0.0.1:{self.port}"),
            ],
            self._environment,
        )
        self._processes.wait_for_http(self._name, f"{self.url}/-/ready")

    def kill(self) -> None:
        """End it as `kill -9` does."""
        process = self._running()
        process.kill()
        process.wait(_STOP_SECONDS)

    def terminate(self, *, timeout_seconds: float) -> int:
        """Ask it to end and return its exit status.

        Raises:
            subprocess.TimeoutExpired: If it takes longer.
        """
        process = self._running()
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout_seconds)

    def peak_memory_bytes(self) -> int:
        """Return the most memory that this process has had resident."""
        status = Path(f"/proc/{self._running().pid}/status").read_text()
        line = next(each for each in status.splitlines() if each.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def close(self) -> None:
        """Close the client; the process is ended by whoever owns all processes."""
        self.api.close()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._name} has ended by itself"
        return self._process
