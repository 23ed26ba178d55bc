"""From the text of a scrape to samples on disk, in a process of its own, without the fetching.

Run with `python -m benchmarks.metrics.stored FOLDER SERIES SCRAPES`; prints JSON.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.target import render_bodies
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exposition import ExpositionParser
from resumatch_monitor.metrics.mutate import SampleMutator
from resumatch_monitor.metrics.relabel import Relabeller
from resumatch_monitor.metrics.writer import TargetWriter
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore

_WARM_SCRAPES = 5
_STEP_MS = 1000
_SCRAPES = 60


def measure(plan: Plan) -> Result:
    """Return what parsing and storing took, as another process tells it."""
    command = [sys.executable, "-m", "benchmarks.metrics.stored", str(plan.folder / "stored")]
    command += [str(plan.series), str(min(_SCRAPES, round(plan.scrape_seconds) + 10))]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(told.stdout))


async def _scrape(store: TimeSeriesStore, bodies: Sequence[bytes]) -> list[tuple[float, float]]:
    labels = {"job": "api", "instance": "127.0.0.1:8000"}
    parser = ExpositionParser()
    writer = TargetWriter(
        sink=store,
        target_key="api",
        target_labels=labels,
        mutator=SampleMutator(labels, relabel=Relabeller([])),
    )
    now_ms = int(time.time() * 1000) - len(bodies) * _STEP_MS
    spent: list[tuple[float, float]] = []
    for number, body in enumerate(bodies):
        wall, cpu = time.perf_counter(), time.process_time()
        exposition = parser.parse(body)
        await writer.write_row(
            writer.prepare(exposition.labels),
            exposition.values,
            timestamp_ms=now_ms + number * _STEP_MS,
            duration_seconds=0.0,
            is_up=True,
        )
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    return spent[_WARM_SCRAPES:]


def main() -> None:
    """Parse and store, and print what that took."""
    folder, series, scrapes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    bodies = render_bodies(series, scrapes)
    store = TimeSeriesStore(folder, clock=SystemClock(), telemetry=Telemetry())
    store.open()
    spent = asyncio.run(_scrape(store, bodies))
    store.close()
    cpu = statistics.median(each for _, each in spent)
    found = {
        "scrapes": len(spent),
        "wall_seconds_per_scrape": statistics.median(each for each, _ in spent),
        "cpu_seconds_per_scrape": cpu,
        "samples_per_cpu_second": series / cpu,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
