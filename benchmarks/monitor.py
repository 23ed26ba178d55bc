"""The monitor as a process, under the demonstration's load: memory, processor time, time to ready.

It starts the demonstration in a temporary folder, lets it run, and reads the operating system's
account of the monitor's process; then it starts the monitor alone on the data that this left.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator
from pathlib import Path

import psutil

_ROOT = Path(__file__).parents[1]
_CONFIG = _ROOT / "resumatch" / "monitor.yaml"
_LOAD_SECONDS = 60
_STARTS = 5
_MIB = 1024 * 1024


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="resumatch-bench-") as name:
        folder = Path(name)
        # The database server may run as a user of its own, who has to reach its folder.
        folder.chmod(0o755)
        port = find_free_ports(6)
        with demonstration(folder, port) as demo:
            wait_for(f"http://127.0.0.1:{port}/-/ready")
            monitor = find_monitor(demo)
            print(f"under the demonstration's load for {_LOAD_SECONDS} s:")
            measure_load(monitor)
            environment = monitor.environ()
        print(f"from serve to ready on that data, {_STARTS} starts:")
        times = [measure_start(folder, port, environment) for _ in range(_STARTS)]
        print(f"  median {statistics.median(times):.2f} s, slowest {max(times):.2f} s")


def measure_load(monitor: psutil.Process) -> None:
    """Print memory and processor time of the monitor's process."""
    before, started = monitor.cpu_times(), time.monotonic()
    peak = 0
    while time.monotonic() - started < _LOAD_SECONDS:
        peak = max(peak, monitor.memory_info().rss)
        time.sleep(1)
    after, elapsed = monitor.cpu_times(), time.monotonic() - started
    used = after.user + after.system - before.user - before.system
    print(
        f"  resident memory: {monitor.memory_info().rss / _MIB:.0f} MiB, peak {peak / _MIB:.0f} MiB"
    )
    print(f"  processor: {used / elapsed:.1%} of one core")


def measure_start(folder: Path, port: int, environment: dict[str, str]) -> float:
    """Return the seconds from the start of the process to its first ready answer."""
    started = time.monotonic()
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("resumatch-monitor")),
            *("serve", "--config", str(_CONFIG), "--data", str(folder / "monitor")),
            *("--listen", f"127.0.0.1:{port}"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/-/ready")
        return time.monotonic() - started
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def demonstration(folder: Path, port: int) -> Generator[psutil.Process]:
    """Run the demonstration in `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "resumatch.demo"],
        cwd=_ROOT,
        env={**os.environ, "DEMO_DATA": str(folder), "DEMO_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def find_monitor(demo: psutil.Process) -> psutil.Process:
    """Return the monitor among the demonstration's processes."""
    for child in demo.children(recursive=True):
        if "serve" in child.cmdline():
            return child
    raise RuntimeError("the demonstration has no monitor")


def find_free_ports(count: int) -> int:
    """Return the first of `count` consecutive ports that nobody listens on."""
    for first in range(20_000, 30_000, count):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports")


def wait_for(url: str, *, timeout_seconds: float = 90) -> None:
    """Wait until `url` answers with a success."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.005)
    raise TimeoutError(url)


if __name__ == "__main__":
    main()
