"""From a killed process' log of 10 million samples to ready."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.metrics.data import COUNTERS, Dataset, make_dataset
from benchmarks.metrics.load import now_ms, read_own_state
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, run_system
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import RowLayout, SampleBatch
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore

SHAPES = ("scraped", "pushed")

_PUSHED_AT_ONCE = 20
_STARTS = 3


def measure(plan: Plan) -> Result:
    """Fill a log as scrapes do and as remote write does, and start the monitor on it."""
    if OURS not in plan.systems:
        return {}
    found: Result = {}
    for shape in SHAPES:
        folder = plan.folder / f"start-{shape}"
        # Another process, whose memory is not ours to keep.
        subprocess.run(
            [
                *(sys.executable, "-m", "benchmarks.metrics.startup", shape),
                *(str(folder / "data" / "metrics"), str(plan.series), str(plan.start_samples)),
            ],
            check=True,
        )
        # The first start is the one that finds them all: later ones may find them sealed.
        found[shape] = _start(folder)
    empty = [_start(plan.folder / f"start-empty-{number}") for number in range(_STARTS)]
    found["empty"] = {
        key: statistics.median(each[key] for each in empty) for key in ("seconds", "cpu_seconds")
    }
    return found


def _start(folder: Path) -> Result:
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with run_system(OURS, folder) as system:
        seconds = time.perf_counter() - began
        return {
            "seconds": seconds,
            "cpu_seconds": system.meter().read_total(),
            "resident_bytes": system.meter().resident_bytes(),
            "state": read_own_state(system),
        }


async def _fill(folder: Path, dataset: Dataset, shape: str) -> None:
    # Nothing is sealed: its background loop does not run.
    store = TimeSeriesStore(
        folder,
        clock=SystemClock(),
        telemetry=Telemetry(),
        retention=timedelta(days=30),
        max_head_samples=100_000_000,
    )
    store.open()
    labels = [Labels.of(dict(pairs)) for pairs in dataset.labels]
    if shape == "scraped":
        await _fill_rows(store, labels, dataset)
    else:
        await _fill_batches(store, labels, dataset)
    store.close()


async def _fill_rows(store: TimeSeriesStore, labels: Sequence[Labels], dataset: Dataset) -> None:
    layout = RowLayout(labels)
    for column, at in enumerate(dataset.times.tolist()):
        await store.append_row("api", layout, at, np.ascontiguousarray(dataset.values[:, column]))


async def _fill_batches(store: TimeSeriesStore, labels: Sequence[Labels], dataset: Dataset) -> None:
    for begin in range(0, len(dataset.times), _PUSHED_AT_ONCE):
        times = dataset.times[begin : begin + _PUSHED_AT_ONCE]
        values = np.ascontiguousarray(dataset.values[:, begin : begin + _PUSHED_AT_ONCE])
        batch = SampleBatch(
            labels=labels,
            offsets=np.arange(len(labels) + 1, dtype=np.int64) * len(times),
            times=np.tile(times, len(labels)),
            values=values.reshape(-1),
        )
        await store.append_batch(batch)


def main() -> None:
    """Fill a folder: SHAPE FOLDER SERIES SAMPLES."""
    shape, folder, series, samples = sys.argv[1:]
    dataset = make_dataset(COUNTERS, series=int(series), samples=int(samples), end_ms=now_ms())
    Path(folder).parent.mkdir(parents=True, exist_ok=True)
    asyncio.run(_fill(Path(folder), dataset, shape))


if __name__ == "__main__":
    main()
