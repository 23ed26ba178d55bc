"""What the operating system says of a process: processor time, memory, disk."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024
_QUIET_FRACTION = 0.08
_QUIET_SECONDS = 3
_BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class Spent:
    """What passed between two readings, in seconds."""

    wall: float
    cpu: float


class Meter:
    """Reads one server process with all its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.restart()

    def restart(self) -> None:
        """Count from this moment."""
        self._wall, self._cpu = time.perf_counter(), self._read_cpu()

    def read(self) -> Spent:
        """Return what was spent since the start."""
        return Spent(time.perf_counter() - self._wall, self._read_cpu() - self._cpu)

    def read_total(self) -> float:
        """Return the processor seconds since the process started."""
        return self._read_cpu()

    def resident_bytes(self) -> int:
        """Return the resident memory; of children only what they do not share."""
        own = int(self._process.memory_info().rss)
        return own + sum(int(child.memory_full_info().uss) for child in self._children())

    def peak_bytes(self) -> int:
        """Return the most that was ever resident of the process itself; 0 where nobody counts."""
        path = Path(f"/proc/{self._process.pid}/status")
        lines = path.read_text().splitlines() if path.exists() else []
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))

    def measure_idle(self, seconds: float) -> float:
        """Return the processor seconds a second when nothing is asked of the process."""
        self.restart()
        time.sleep(seconds)
        spent = self.read()
        return spent.cpu / spent.wall

    def wait_until_quiet(self, *, least_seconds: float, most_seconds: float) -> Spent:
        """Wait until the process has nothing more to do, and return what that took."""
        started, cpu = time.perf_counter(), self._read_cpu()
        quiet = 0
        while time.perf_counter() - started < most_seconds:
            before = self._read_cpu()
            time.sleep(1)
            quiet = quiet + 1 if self._read_cpu() - before < _QUIET_FRACTION else 0
            if quiet >= _QUIET_SECONDS and time.perf_counter() - started >= least_seconds:
                break
        return Spent(time.perf_counter() - started, self._read_cpu() - cpu)

    def _read_cpu(self) -> float:
        times = self._process.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in self._children():
            own = child.cpu_times()
            total += own.user + own.system
        return float(total)

    def _children(self) -> list[psutil.Process]:
        return [
            child
            for child in self._process.children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE
        ]


def measure_disk(folder: Path, *, without: str = "") -> int:
    """Return the bytes on disk of all files under `folder` but those under `folder/without`.

    A file that is longer than what is allocated for it counts as what is allocated, and one that
    is shorter (its last block is not full) as long as it is.
    """
    total = 0
    for parent, folders, names in os.walk(folder):
        if without and Path(parent) == folder and without in folders:
            folders.remove(without)
        for name in names:
            status = (Path(parent) / name).lstat()
            total += min(status.st_size, status.st_blocks * _BLOCK_BYTES)
    return total
