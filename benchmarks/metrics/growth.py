"""From 1,000 series to 100,000: what grows, and how fast."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.metrics.data import COUNTERS, Dataset, make_dataset
from benchmarks.metrics.load import encode_bulk, load, now_ms
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, System, run_system
from tests.support.peers import PROMETHEUS

_REPEATS = 5
_FITTED = 3

MEASURES = {
    "write_cpu_seconds": "remote write, CPU s",
    "memory_mib": "resident memory gained, MiB",
    "query_seconds": "range query over all, s",
    "narrow_seconds": "query of one handler's errors, s",
    "series_seconds": "/api/v1/series of one handler, s",
    "values_seconds": "label values, s",
}


def measure(plan: Plan) -> Result:
    """Measure each size in a fresh process, ours and Prometheus'."""
    found: Result = {"series": list(plan.growth_series), "systems": {}}
    for name in (OURS, PROMETHEUS):
        if name not in plan.systems:
            continue
        points = [_measure_size(name, size, plan) for size in plan.growth_series]
        found["systems"][name] = {
            "points": points,
            "slopes": {
                key: fit_slope(plan.growth_series, [point[key] for point in points])
                for key in MEASURES
            },
        }
    return found


def fit_slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the exponent of growth over the largest sizes, where what is constant matters least.

    1 is linear: a straight line through the logarithms of both, by least squares.
    """
    pairs = [(size, value) for size, value in zip(sizes, values, strict=True) if value > 0]
    pairs = pairs[-_FITTED:]
    if len(pairs) < 2:
        return float("nan")
    logs = np.log(np.array(pairs, dtype=np.float64))
    centred = logs - logs.mean(axis=0)
    return float((centred[:, 0] @ centred[:, 1]) / (centred[:, 0] @ centred[:, 0]))


def _measure_size(name: str, series: int, plan: Plan) -> Result:
    dataset = make_dataset(COUNTERS, series=series, samples=plan.growth_samples, end_ms=now_ms())
    bodies = encode_bulk(dataset, plan)
    with run_system(name, plan.folder / f"growth-{name}-{series}") as system:
        meter = system.meter()
        meter.wait_until_quiet(least_seconds=1, most_seconds=15)
        idle_bytes = meter.resident_bytes()
        result = load(system, bodies)
        meter.wait_until_quiet(least_seconds=1, most_seconds=30)
        gained = (meter.resident_bytes() - idle_bytes) / 2**20
        return {
            "series": series,
            "samples": dataset.samples,
            "write_cpu_seconds": result["cpu_seconds"],
            "memory_mib": gained,
            **_measure_reads(system, dataset),
        }


def _measure_reads(system: System, dataset: Dataset) -> Result:
    start, end = str(int(dataset.times[0]) // 1000), str(dataset.end_ms // 1000)
    narrow = '{handler="/api/v1/resource/7",status=~"5.."}'
    client = system.connect()

    def ask_range() -> None:
        query = "sum by (status) (rate(http_requests_total[5m]))"
        parameters = {"query": query, "start": start, "end": end, "step": "15"}
        client.ask("/api/v1/query_range", parameters)

    def ask_narrow() -> None:
        client.ask("/api/v1/query", {"query": f"sum(http_requests_total{narrow})", "time": end})

    def ask_series() -> None:
        client.ask("/api/v1/series", {"match[]": narrow, "start": start, "end": end})

    def ask_values() -> None:
        client.fetch(f"/api/v1/label/instance/values?start={start}&end={end}")

    found = {
        "query_seconds": _time(ask_range),
        "narrow_seconds": _time(ask_narrow),
        "series_seconds": _time(ask_series),
        "values_seconds": _time(ask_values),
    }
    client.close()
    return found


def _time(work: Callable[[], None]) -> float:
    work()
    seconds: list[float] = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    # What another process takes from a short measurement says nothing of growth.
    return min(seconds)
