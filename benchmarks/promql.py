"""Five kinds of range queries over 10,000 series x 4 h at 15 s (9.6 M samples), and an instant one.

The samples lie in memory as a store's matrix blocks do, so this is the time of the language alone.
"""

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher
from resumatch_monitor.metrics.samples import SeriesBlock
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range

INTERVAL_MS = 15_000
STEP_MS = 60_000
HANDLERS = 50
STATUSES = ("200", "201", "400", "404", "500")
BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")

QUERIES = {
    "sum by (rate)": "sum by (status) (rate(http_requests_total[5m]))",
    "ratio of rates": 'sum(rate(http_requests_total{status="500"}[5m]))'
    " / sum(rate(http_requests_total[5m]))",
    "topk of increase": "topk(10, increase(http_requests_total[10m]))",
    "avg_over_time": "avg by (instance) (avg_over_time(memory_bytes[10m]))",
    "histogram_quantile": "histogram_quantile(0.95,"
    " sum by (le, handler) (rate(duration_seconds_bucket[5m])))",
}
PROMETHEUS_MS = {"sum by (rate)": 670.0}
"""Prometheus 2.42 on the same data, as docs/architecture.md has it."""


class MatrixStore:
    """Targets whose series share their timestamps."""

    def __init__(self, blocks: Sequence[SeriesBlock]) -> None:
        self._blocks = blocks
        # As an index would: a block's one metric name is known without looking at each series.
        self._names = [block.labels[0].metric_name for block in blocks]

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        found: list[SeriesBlock] = []
        others = [matcher for matcher in matchers if matcher.name != METRIC_NAME]
        by_name = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
        for block, name in zip(self._blocks, self._names, strict=True):
            if not all(matcher.matches(name) for matcher in by_name):
                continue
            rows = list(range(len(block.labels)))
            for matcher in others:
                rows = [
                    row for row in rows if matcher.matches(block.labels[row].value(matcher.name))
                ]
            if not rows:
                continue
            begin = int(block.timestamps.searchsorted(start_ms, side="left"))
            end = int(block.timestamps.searchsorted(end_ms, side="right"))
            values = block.values[:, begin:end]
            if len(rows) < len(block.labels):
                values = values[rows]
            labels = block.labels
            if len(rows) < len(labels):
                labels = [labels[row] for row in rows]
            found.append(SeriesBlock(labels, block.timestamps[begin:end], values))
        return found

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        return sorted(
            labels for block in self.select(matchers, start_ms, end_ms) for labels in block.labels
        )

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        return sorted({n for each in self.find_series(matchers, start_ms, end_ms) for n in each})

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        series = self.find_series(matchers, start_ms, end_ms)
        return sorted({each[name] for each in series if name in each})


def make_store(series: int, hours: float) -> MatrixStore:
    """Return counters, gauges and histograms, `series` of each, in targets of 1,000 series."""
    random = np.random.default_rng(7)
    times = np.arange(int(hours * 3_600_000 / INTERVAL_MS), dtype=np.int64) * INTERVAL_MS
    blocks: list[SeriesBlock] = []
    for target in range(max(1, series // 1000)):
        size = min(series, 1000)
        instance = f"10.0.0.{target}:9090"
        for name, make in (
            ("http_requests_total", _request_labels),
            ("memory_bytes", _request_labels),
            ("duration_seconds_bucket", _bucket_labels),
        ):
            labels = [make(name, instance, row) for row in range(size)]
            steps = random.poisson(3.0, (size, len(times))).astype(np.float64)
            if name == "memory_bytes":
                values = 1e8 + np.cumsum((steps - 3.0) * 4096.0, axis=1)
            elif name == "duration_seconds_bucket":
                values = np.cumsum(steps, axis=1)
                width = len(BUCKETS)
                values = np.cumsum(values.reshape(-1, width, len(times)), axis=1)
                values = values.reshape(size, len(times))
            else:
                values = np.cumsum(steps, axis=1)
                values[:: size // 10, len(times) // 2 :] -= values[
                    :: size // 10, len(times) // 2, None
                ]
            blocks.append(SeriesBlock(labels, times, np.ascontiguousarray(values)))
    return MatrixStore(blocks)


def _request_labels(name: str, instance: str, row: int) -> Labels:
    return Labels.of(
        {"__name__": name},
        instance=instance,
        job="api",
        handler=f"/path/{row // len(STATUSES) % HANDLERS}",
        method=("GET", "POST", "PUT", "DELETE")[row // (len(STATUSES) * HANDLERS) % 4],
        status=STATUSES[row % len(STATUSES)],
    )


def _bucket_labels(name: str, instance: str, row: int) -> Labels:
    return Labels.of(
        {"__name__": name},
        instance=instance,
        job="api",
        handler=f"/path/{row // len(BUCKETS)}",
        le=BUCKETS[row % len(BUCKETS)],
    )


def measure(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the milliseconds of each run after one that does not count."""
    work()
    found: list[float] = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        work()
        found.append((time.perf_counter() - started) * 1000)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    store = make_store(arguments.series, arguments.hours)
    end_ms = int(arguments.hours * 3_600_000) - INTERVAL_MS
    options = Options(max_samples=1_000_000_000)
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{'query':22}{'select':>10}{'median':>10}{'least':>10}   Prometheus 2.42")
    for name, query in QUERIES.items():
        if arguments.only not in name:
            continue

        def run(query: str = query) -> object:
            return evaluate_range(
                store, query, start_ms=0, end_ms=end_ms, step_ms=STEP_MS, options=options
            )

        spent = _time_in_select(store, run)
        times = measure(run, arguments.repeats)
        median = statistics.median(times)
        peer = PROMETHEUS_MS.get(name)
        ratio = f"{peer:.0f} ms, {peer / median:.1f} x" if peer else ""
        print(f"{name:22}{spent:8.1f}ms{median:8.1f}ms{min(times):8.1f}ms   {ratio}")
    query = "sum by (status) (http_requests_total)"
    times = measure(
        lambda: evaluate_instant(store, query, end_ms, options=options), arguments.repeats
    )
    print(f"{'instant':22}{'':10}{statistics.median(times):8.1f}ms{min(times):8.1f}ms")


def _time_in_select(store: MatrixStore, run: Callable[[], object]) -> float:
    """Return the milliseconds of one run that are the store's, not the language's."""
    select, spent = store.select, [0.0]

    def timed(matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        started = time.perf_counter()
        found = select(matchers, start_ms, end_ms)
        spent[0] += (time.perf_counter() - started) * 1000
        return found

    store.select = timed
    run()
    del store.select
    return spent[0]


if __name__ == "__main__":
    main()
