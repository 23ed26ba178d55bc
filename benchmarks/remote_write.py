"""Remote write from the packed body to samples on disk: rates, and where the time goes.

Run with `python -m benchmarks.remote_write`. Bodies as Prometheus sends them: every series in turn,
one sample each, two thirds of the values changing and a tenth of them 0. The first round, in which
the series are new, is told apart.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cramjam
import numpy as np

from resumatch_monitor.kit.clock import SystemClock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.receiver import PushTelemetry, RemoteWriteReceiver
from resumatch_monitor.metrics.remote_write import RemoteWriteParser
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.support.prompb import pack, write_request

STEP_MS = 15_000
Values = np.ndarray[tuple[int], np.dtype[np.int64]]


def build_labels(series: int) -> list[dict[str, str]]:
    return [
        {
            "__name__": "http_requests_total",
            "cluster": "eu-1",
            "handler": f"/api/v1/resource/{number % 97}",
            "instance": f"10.0.0.{number // 97 % 250}:8000",
            "job": "api",
            "method": "GET",
            "pod": f"api-{number // 97}",
            "status": str(200 + number % 5),
        }
        for number in range(series)
    ]


def build_bodies(
    labels: Sequence[dict[str, str]], values: Values, time_ms: int, size: int
) -> Iterator[bytes]:
    for first in range(0, len(labels), size):
        yield pack(
            write_request(
                *(
                    (labels[number], [(time_ms, float(values[number]))])
                    for number in range(first, min(first + size, len(labels)))
                )
            )
        )


class Stopwatch:
    """CPU seconds of the whole process, and wall seconds."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall.append(time.perf_counter() - self._began[0])
        self.cpu.append(time.process_time() - self._began[1])


async def measure(folder: Path, *, series: int, rounds: int, size: int) -> None:
    telemetry = Telemetry()
    store = TimeSeriesStore(
        folder / "metrics",
        clock=SystemClock(),
        telemetry=telemetry,
        retention=timedelta(days=3650),
        max_head_samples=100_000_000,
    )
    exemplars = ExemplarLog(folder / "exemplars", capacity=0)
    store.open()
    exemplars.open()
    limits = LabelLimits()
    receiver = RemoteWriteReceiver(
        sink=store,
        exemplars=exemplars,
        metadata=MetadataStore(),
        telemetry=PushTelemetry(telemetry),
        limits=limits,
    )
    parser = RemoteWriteParser(limits)
    labels = build_labels(series)
    rng = np.random.default_rng(5)
    values: Values = np.zeros(series, dtype=np.int64)
    start_ms = to_milliseconds(datetime.now(UTC)) - rounds * STEP_MS
    whole, parsing = Stopwatch(), Stopwatch()
    for turn in range(rounds):
        values = values + rng.integers(0, 3, series)
        values[::10] = 0
        bodies = list(build_bodies(labels, values, start_ms + turn * STEP_MS, size))
        with whole:
            for body in bodies:
                await receiver.take(bytes(cramjam.snappy.decompress_raw(body)))
        with parsing:
            for body in bodies:
                parser.parse(bytes(cramjam.snappy.decompress_raw(body)))
    store.close()
    exemplars.close()
    report(f"series, {size} a request", series)
    report("first round, samples per CPU second", series / whole.cpu[0])
    report("samples per CPU second, median", series / statistics.median(whole.cpu[1:]))
    report("  of all rounds together", series * (rounds - 1) / sum(whole.cpu[1:]))
    report("  of which unpacking and parsing, alone", series / statistics.median(parsing.cpu[1:]))
    report("samples per wall second, median", series / statistics.median(whole.wall[1:]))


def report(name: str, value: float) -> None:
    print(f"{name:<45}{value:>16,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--sizes", type=int, nargs="*", default=[500, 2000])
    options = parser.parse_args()
    for size in options.sizes:
        with tempfile.TemporaryDirectory(dir=".") as name:
            asyncio.run(
                measure(Path(name), series=options.series, rounds=options.rounds, size=size)
            )


if __name__ == "__main__":
    main()
