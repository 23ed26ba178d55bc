"""Deterministic samples as a web team's targets make them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]
LabelPairs = tuple[tuple[str, str], ...]
"""Label names and values, sorted by name; the metric's name among them."""

INTERVAL_MS = 15_000
MINUTE_MS = 60_000

COUNTERS = "counters"
GAUGES = "gauges"
BUCKETS = "buckets"
KINDS = (COUNTERS, GAUGES, BUCKETS)

_HANDLERS = 50
_METHODS = ("GET", "POST", "PUT", "DELETE")
_STATUSES = ("200", "201", "400", "404", "500")
_BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")
_PER_INSTANCE = 1000
_SEED = 7
# Samples never fall on a whole minute. Prometheus 2 counts a sample on the left edge of a range
# and Prometheus 3 does not: with none there, both have to give the same answers.
_PHASE_MS = 7_000
# Counters did not start with the data. Where they do, Prometheus 2 and 3 extrapolate otherwise.
_SAMPLES_BEFORE = 4_000


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """S series that share T timestamps.

    Attributes:
        labels: The S label sets.
        times: (T,) milliseconds since the epoch.
        values: (S, T)
    """

    kind: str
    labels: tuple[LabelPairs, ...]
    times: TimeArray
    values: FloatArray

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self.values.size)

    @property
    def end_ms(self) -> int:
        """The whole minute after the last sample."""
        return int(-(-self.times[-1] // MINUTE_MS) * MINUTE_MS)

    def last(self, count: int) -> "Dataset":
        """Return the last `count` samples of each series."""
        return Dataset(self.kind, self.labels, self.times[-count:], self.values[:, -count:])


def make_dataset(kind: str, *, series: int, samples: int, end_ms: int) -> Dataset:
    """Return `series` series of `kind`, each with `samples` samples, the last before `end_ms`.

    The same arguments make the same values; only the times depend on `end_ms`, which is rounded
    down to a whole minute.
    """
    end_ms -= end_ms % MINUTE_MS
    last_ms = end_ms - INTERVAL_MS + _PHASE_MS
    times = last_ms - np.arange(samples - 1, -1, -1, dtype=np.int64) * INTERVAL_MS
    label_series, make_values = _MAKERS[kind]
    labels = tuple(label_series(row) for row in range(series))
    random = np.random.default_rng(_SEED)
    return Dataset(kind, labels, times, make_values(random, series, samples))


def _label_counter(row: int) -> LabelPairs:
    within = row % _PER_INSTANCE
    return (
        ("__name__", "http_requests_total"),
        ("handler", f"/api/v1/resource/{within // len(_STATUSES) % _HANDLERS}"),
        ("instance", _instance(row)),
        ("job", "api"),
        ("method", _METHODS[within // (len(_STATUSES) * _HANDLERS) % len(_METHODS)]),
        ("status", _STATUSES[within % len(_STATUSES)]),
    )


def _label_gauge(row: int) -> LabelPairs:
    return (
        ("__name__", "worker_load"),
        ("instance", _instance(row)),
        ("job", "api"),
        ("queue", f"queue-{row % _PER_INSTANCE // 20}"),
        ("worker", f"worker-{row % 20}"),
    )


def _label_bucket(row: int) -> LabelPairs:
    return (
        ("__name__", "http_request_duration_seconds_bucket"),
        ("handler", f"/api/v1/resource/{row % _PER_INSTANCE // len(_BOUNDS)}"),
        ("instance", _instance(row)),
        ("job", "api"),
        ("le", _BOUNDS[row % len(_BOUNDS)]),
    )


def _instance(row: int) -> str:
    return f"10.0.{row // _PER_INSTANCE // 250}.{row // _PER_INSTANCE % 250}:8000"


def _count(random: np.random.Generator, series: int, samples: int) -> FloatArray:
    # Some handlers have much more traffic than others; one instance in ten restarts half-way.
    means = random.lognormal(np.log(2.5), 0.5, (series, 1))
    values = np.cumsum(random.poisson(means, (series, samples)), axis=1).astype(np.float64)
    values += np.floor(means * _SAMPLES_BEFORE)
    restarted = np.arange(series) // _PER_INSTANCE % 10 == 1
    half = samples // 2
    values[restarted, half:] -= values[restarted, half, None]
    return values


def _walk(random: np.random.Generator, series: int, samples: int) -> FloatArray:
    # A load in per cent, with two decimals as exporters round it.
    steps = random.normal(0.0, 0.8, (series, samples))
    walked: FloatArray = 50.0 + np.cumsum(steps, axis=1)
    walked[walked < 0.0] *= -1.0
    return walked.round(2)


def _accumulate(random: np.random.Generator, series: int, samples: int) -> FloatArray:
    width = len(_BOUNDS)
    groups = -(-series // width)
    # Most requests are answered within a few of the middle buckets.
    shares = np.array([0.1, 0.3, 0.8, 1.5, 1.2, 0.6, 0.3, 0.1, 0.03, 0.01])
    traffic = random.lognormal(0.0, 0.5, (groups, 1))
    observed = random.poisson((traffic * shares)[:, :, None], (groups, width, samples))
    cumulative = np.cumsum(np.cumsum(observed, axis=2), axis=1)
    before = np.floor(np.cumsum(traffic * shares, axis=1) * _SAMPLES_BEFORE)
    cumulative = cumulative + before[:, :, None]
    return cumulative.reshape(groups * width, samples)[:series].astype(np.float64)


_MAKERS: dict[
    str,
    tuple[Callable[[int], LabelPairs], Callable[[np.random.Generator, int, int], FloatArray]],
] = {
    COUNTERS: (_label_counter, _count),
    GAUGES: (_label_gauge, _walk),
    BUCKETS: (_label_bucket, _accumulate),
}
