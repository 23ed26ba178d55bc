"""The machine and the versions that figures belong to."""

import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import psutil

from benchmarks.metrics.plan import Result
from resumatch_monitor import __version__
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS, find_peer

_ROOT = Path(__file__).parents[2]


def describe_machine() -> Result:
    """Return what a reader has to know to compare figures with their own."""
    return {
        "processor": _read_processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "resumatch-monitor": f"{__version__} ({_read_commit()})",
        PROMETHEUS: _read_version(PROMETHEUS),
        VICTORIA_METRICS: _read_version(VICTORIA_METRICS),
        "load_average": os.getloadavg()[0],
    }


def _read_processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0]} ({platform.machine()})" if named else platform.machine()


def _read_commit() -> str:
    told = _run("git", "-C", str(_ROOT), "describe", "--always", "--dirty")
    return told or "no repository"


def _read_version(name: str) -> str:
    """Return Debian's version of the package, which has the program's name."""
    if find_peer(name) is None:
        return "not installed"
    return _run("dpkg-query", "--show", "--showformat=${Version}", name) or "not from a package"


def _run(*command: str) -> str:
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()
