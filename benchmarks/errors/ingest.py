"""How many events a second are fully processed, and what that costs."""

import multiprocessing
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.errors.events import make_events, pack
from benchmarks.errors.load import Load, save_bodies, send_bodies
from benchmarks.errors.systems import ErrorSystem, run_error_system
from benchmarks.metrics.usage import measure_disk

_LONGEST_SECONDS = 300.0
_WATCH_SECONDS = 0.1
_POLL_SECONDS = 0.02
_WARM_UP = 60


def prepare_bodies(folder: Path, size: int, count: int) -> tuple[Path, float]:
    """Write `count` envelopes of events of `size` bytes, unless they are there.

    Returns:
        Where they are, and the mean raw size of their events.
    """
    path = folder / f"envelopes-{size}-{count}"
    sizes = path.with_suffix(".size")
    if not sizes.exists():
        # The SDK changes every library that it knows; nothing else is to be measured with that.
        process = multiprocessing.get_context("spawn").Process(
            target=_write_bodies, args=(path, sizes, size, count)
        )
        process.start()
        process.join()
    return path, float(sizes.read_text())


def _write_bodies(path: Path, sizes: Path, size: int, count: int) -> None:
    events = make_events(size, count)
    save_bodies(path, [pack(event) for event in events])
    sizes.write_text(str(statistics.mean(len(event) for event in events)))


def measure_ingest(
    name: str, folder: Path, bodies: Path, *, count: int, half_count: int
) -> dict[str, Any]:
    """Send `count` events at full speed, then `half_count` at half of the rate that this showed.

    The rate is that of complete processing: from the first request until all events are counted.
    """
    with run_error_system(name, folder) as system:
        warm = send_bodies(bodies, system.port, count=_WARM_UP, headers=system.headers)
        _wait_for(system, len(warm.acknowledged))
        before = _measure_files(system)
        with _Watch(system) as watch:
            load = send_bodies(
                bodies, system.port, first=_WARM_UP, count=count, headers=system.headers
            )
            done = _wait_for(system, len(load.acknowledged) + _WARM_UP)
        rate = len(load.acknowledged) / (done - load.began)
        half = send_bodies(
            bodies,
            system.port,
            first=_WARM_UP + count,
            count=half_count,
            headers=system.headers,
            rate=rate / 2,
        )
        total = _WARM_UP + len(load.acknowledged) + len(half.acknowledged)
        _wait_for(system, total)
        counted = system.count()
    grown = _measure_files(system) - before
    return {
        "sent": count,
        "acknowledged": len(load.acknowledged),
        "refused": load.refused + half.refused,
        "counted": counted,
        "expected": total,
        "seconds": done - load.began,
        "events_per_second": rate,
        "acknowledged_per_second": len(load.acknowledged) / load.seconds,
        "p50_seconds": _quantile(half, 0.5),
        "p99_seconds": _quantile(half, 0.99),
        "full_p99_seconds": _quantile(load, 0.99),
        "peak_bytes": watch.peak_bytes,
        "cpu_seconds": watch.cpu_seconds,
        "disk_bytes_per_event": grown / (total - _WARM_UP),
    }


class _Watch:
    """Looks at a system's processes while something goes on."""

    def __init__(self, system: ErrorSystem) -> None:
        self._meters = system.meters()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes = 0
        self.cpu_seconds = 0.0

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.cpu_seconds = sum(meter.read().cpu for meter in self._meters)

    def _watch(self) -> None:
        while not self._stop.wait(_WATCH_SECONDS):
            used = sum(meter.resident_bytes() for meter in self._meters)
            self.peak_bytes = max(self.peak_bytes, used)


def _wait_for(system: ErrorSystem, count: int) -> float:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        if system.count() >= count:
            return time.monotonic()
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"{system.name} has processed {system.count()} of {count} events")


def _measure_files(system: ErrorSystem) -> int:
    return measure_disk(system.data, without="metrics")


def _quantile(load: Load, fraction: float) -> float:
    ordered = sorted(load.latencies)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
