"""`kill -9` in the storm, again and again: every acknowledged event is there, once."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.errors.load import Load, send_bodies
from benchmarks.errors.systems import run_ours

_SEED = 11
_SHORTEST_SECONDS = 0.8
_LONGEST_SECONDS = 3.0
_DRAIN_SECONDS = 180.0
_ORPHAN_SECONDS = 20.0


def measure_crash(folder: Path, bodies: Path, *, kills: int, events: int) -> dict[str, Any]:
    """Send `events` at full speed in each of `kills` rounds, killing the monitor in the middle.

    After the last kill it is started once more, and must have everything that it acknowledged.
    """
    chance = random.Random(_SEED)
    acknowledged: list[str] = []
    helpers = 0
    for turn in range(kills):
        with run_ours(folder) as system:
            loads: list[Load] = []
            sending = threading.Thread(
                target=_send, args=(loads, bodies, system.port, turn, events)
            )
            sending.start()
            time.sleep(chance.uniform(_SHORTEST_SECONDS, _LONGEST_SECONDS))
            children = psutil.Process(system.pids[0]).children(recursive=True)
            os.kill(system.pids[0], signal.SIGKILL)
            sending.join()
            helpers += len(children)
            _wait_until_gone(children)
        acknowledged += loads[0].acknowledged
    with run_ours(folder) as system:
        pending = _wait_until_digested(system.data / "spool" / "errors", system.count)
        stored = _read_event_ids(system.data / "monitor.sqlite3")
        counted = system.count()
    times = Counter(stored)
    return {
        "kills": kills,
        "helpers_killed_with_it": helpers,
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(times)),
        "twice": sum(count > 1 for count in times.values()),
        "stored": len(stored),
        "counted": counted,
        "is_drained": pending,
    }


def _send(loads: list[Load], bodies: Path, port: int, turn: int, events: int) -> None:
    loads.append(send_bodies(bodies, port, first=turn * events, count=events))


def _wait_until_gone(processes: Sequence[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=_ORPHAN_SECONDS)
    if alive:
        raise RuntimeError(f"{alive} outlive the monitor")


def _wait_until_digested(spool: Path, count: Any) -> bool:
    """Wait until nothing more is counted and the spool has dropped what was consumed."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        before = count()
        time.sleep(2)
        if count() == before and not list(spool.glob("*.spool")):
            return True
    return False


def _read_event_ids(database: Path) -> list[str]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)
    try:
        return [
            row[0].lower() for row in connection.execute("SELECT hex(event_id) FROM issue_events")
        ]
    finally:
        connection.close()
