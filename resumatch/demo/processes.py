"""The demonstration's processes: started in order, their output kept, ended together."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from resumatch.demo.settings import HOST

_STOP_SECONDS = 15


class StartError(Exception):
    """A part of the demonstration did not start; the message says which and where to look."""


class Processes:
    """Child processes by name."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        log_folder.mkdir(parents=True, exist_ok=True)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a process; what it prints goes to `<name>.log`."""
        log = self.log_of(name).open("ab")
        self._logs.append(log)
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches only the demonstration, which then ends them in order.
            start_new_session=True,
        )
        self._running[name] = process
        return process

    def log_of(self, name: str) -> Path:
        """Return the file that holds what a process prints."""
        return self._log_folder / f"{name}.log"

    def find_ended(self) -> str | None:
        """Return the name of a process that has ended by itself, if there is one."""
        for name, process in self._running.items():
            if process.poll() is not None:
                return name
        return None

    def stop_all(self) -> None:
        """End all, the one that was started last first."""
        for name in reversed(list(self._running)):
            self.stop(name)
        for log in self._logs:
            log.close()

    def stop(self, name: str) -> None:
        """Ask a process to end, and kill it if it does not."""
        process = self._running.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_for_http(self, name: str, url: str, *, timeout_seconds: float = 60) -> None:
        """Wait until `url` answers with a success.

        Raises:
            StartError: If the process ends, or does not answer in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310
                return
            time.sleep(0.1)
        raise StartError(f"{name} did not start; see {self.log_of(name)}\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        return "\n".join(self.log_of(name).read_text(errors="replace").splitlines()[-15:])


def find_taken_port(ports: Mapping[str, int]) -> tuple[str, int] | None:
    """Return the first service whose port somebody else listens on."""
    for service, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return service, port
    return None


def python(*arguments: str) -> list[str]:
    """Return a command line of this very Python."""
    return [sys.executable, *arguments]
