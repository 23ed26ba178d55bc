"""From a target's text to samples on disk, relabelled or not: rates, bytes, start-up, memory.

Run with `python -m benchmarks.scrape_to_stored`. One target of 10,000 series in which two thirds
of the values change from scrape to scrape; medians over all scrapes.
"""

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from resumatch_monitor.kit.clock import SystemClock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exposition import ExpositionParser
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.metrics.mutate import SampleMutator
from resumatch_monitor.metrics.relabel import RelabelConfig, Relabeller
from resumatch_monitor.metrics.writer import TargetWriter
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore

STEP_MS = 15_000


def render_scrape(series: int, values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> bytes:
    lines = ["# HELP http_requests_total Requests.", "# TYPE http_requests_total counter"]
    lines.extend(
        f'http_requests_total{{method="GET",handler="/api/v1/resource/{number % 97}",'
        f'status="{200 + number % 5}",pod="api-{number // 97}"}} {values[number]}'
        for number in range(series)
    )
    return ("\n".join(lines) + "\n").encode()


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def open_store(folder: Path) -> TimeSeriesStore:
    store = TimeSeriesStore(
        folder,
        clock=SystemClock(),
        telemetry=Telemetry(),
        retention=timedelta(days=3650),
        max_head_samples=100_000_000,
    )
    store.open()
    return store


# None of them drops a series, so that both ways store as many samples.
RULES = (
    {"source_labels": ["__name__"], "regex": "go_.*|process_.*", "action": "drop"},
    {"source_labels": ["handler"], "regex": "/api/v1/(.*)", "target_label": "resource"},
    {"regex": "unused_.*", "action": "labeldrop"},
)


def build_writer(store: TimeSeriesStore, *, is_relabelled: bool) -> TargetWriter:
    labels = {"job": "bench", "relabelled": str(is_relabelled)}
    rules = [RelabelConfig.model_validate(rule) for rule in RULES] if is_relabelled else []
    return TargetWriter(
        sink=store,
        target_key=f"bench {is_relabelled}",
        target_labels=labels,
        mutator=SampleMutator(labels, relabel=Relabeller(rules)),
    )


async def scrape(
    store: TimeSeriesStore,
    *,
    series: int,
    scrapes: int,
    start_ms: int,
    is_relabelled: bool,
    report: Callable[..., None],
) -> None:
    rng = np.random.default_rng(5)
    values = np.zeros(series, dtype=np.int64)
    parser = ExpositionParser()
    writer = build_writer(store, is_relabelled=is_relabelled)
    wall: list[float] = []
    cpu: list[float] = []
    parse: list[float] = []
    for step in range(scrapes):
        values += rng.integers(0, 3, series)
        body = render_scrape(series, values)
        wall_began, cpu_began = time.perf_counter(), time.process_time()
        exposition = parser.parse(body)
        parsed = time.perf_counter()
        await writer.write_row(
            writer.prepare(exposition.labels),
            exposition.values,
            timestamp_ms=start_ms + step * STEP_MS,
            duration_seconds=0.0,
            is_up=True,
        )
        wall.append(time.perf_counter() - wall_began)
        cpu.append(time.process_time() - cpu_began)
        parse.append(parsed - wall_began)
    way = "with metric_relabel_configs" if is_relabelled else "without metric_relabel_configs"
    report(f"scrape to durable, {way}, median wall ms", statistics.median(wall) * 1e3)
    report("  of which parsing, ms", statistics.median(parse) * 1e3)
    report("samples per wall second", series / statistics.median(wall))
    report("samples per CPU second", series / statistics.median(cpu))


def measure_start(folder: Path) -> None:
    """Open the store in this process and print what that took."""
    before = resident_mb()
    began = time.perf_counter()
    store = open_store(folder)
    seconds = time.perf_counter() - began
    gc.collect()
    print(json.dumps({"seconds": seconds, "mb": resident_mb() - before, "total": resident_mb()}))
    store.close()


def start_again(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scrape_to_stored", "--open", str(folder)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return sorted(runs, key=lambda run: run["seconds"])[1]


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def query_ms(store: TimeSeriesStore, end_ms: int) -> float:
    matchers = [Matcher("__name__", MatchOp.EQUAL, "http_requests_total")]
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        store.select(matchers, 0, end_ms)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def run(series: int, scrapes: int) -> None:
    def report(name: str, value: float) -> None:
        print(f"{name:<65}{value:>16,.2f}", flush=True)

    now_ms = to_milliseconds(datetime.now(UTC))
    start_ms = now_ms - scrapes * STEP_MS
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        report("series", series)
        report("scrapes", scrapes)
        store = open_store(folder)
        for is_relabelled in (False, True):
            asyncio.run(
                scrape(
                    store,
                    series=series,
                    scrapes=scrapes,
                    start_ms=start_ms,
                    is_relabelled=is_relabelled,
                    report=report,
                )
            )
        samples = 2 * series * scrapes
        report("log, bytes a sample", folder_size(folder / "wal") / samples)
        report("select of everything from the head, ms", query_ms(store, now_ms))
        store.close()
        started = start_again(folder)
        report(f"start-up on {samples / 1e6:.1f} M head samples, s", started["seconds"])
        report("  resident memory gained, MB", started["mb"])
        store = open_store(folder)
        began, cpu_began = time.perf_counter(), time.process_time()
        store.seal(now_ms)
        report("sealing, wall s", time.perf_counter() - began)
        report("  CPU s", time.process_time() - cpu_began)
        report(
            "blocks, bytes a sample, everything counted", folder_size(folder / "blocks") / samples
        )
        report("select of everything from blocks, ms", query_ms(store, now_ms))
        store.close()
        started = start_again(folder)
        report("start-up after sealing, s", started["seconds"])
        report("  resident memory of the process, MB", started["total"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--scrapes", type=int, default=480)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open is not None:
        measure_start(options.open)
    else:
        run(options.series, options.scrapes)


if __name__ == "__main__":
    main()
