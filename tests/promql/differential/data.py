"""Random samples with everything that real ones have: gaps, resets, markers, NaN and infinities.

No time of a sample has a millisecond part of 0 or 500, and all queries end on such moments: so it
does not matter whether a range holds the sample at its very beginning (see `differences.py`).
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE
from resumatch_monitor.promql.format import format_float

BEGIN_MS = 1_767_607_200_000
"""2026-01-05 10:00 UTC, a Monday."""
MINUTES = 60
END_MS = BEGIN_MS + MINUTES * 60_000

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
WILD = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e300, 1e-300, 1.0, -1.0, 2.5)
SPECIAL = {
    "nan": (math.nan, 1.0, 2.5, -1.0),
    "inf": (math.inf, 3.0, 1.0, math.inf, -math.inf, 0.5),
    "zero": (0.0, -0.0, 0.0, 1.0),
}


@dataclass
class Series:
    """One series and its samples: values by millisecond."""

    labels: Labels
    points: dict[int, float] = field(default_factory=dict[int, float])


def make_data(seed: int) -> list[Series]:
    """Return the series of several targets, each on a grid of its own, and pushed ones."""
    random = Random(seed)
    series: list[Series] = []
    for job, instance in (("api", "a:1"), ("api", "b:1"), ("api", "c:1"), ("web", "a:2")):
        series += _target(random, job, instance)
    series += _unscraped(random)
    return series


def _grid(random: Random, interval_ms: int) -> list[int]:
    """Return the times of scrapes, a few missing and one outage among them."""
    shift = random.randrange(interval_ms // 1000) * 1000 + random.randrange(1, 499)
    times = range(BEGIN_MS + shift, END_MS, interval_ms)
    outage = random.randrange(len(times))
    length = random.choice((0, 3, 40))
    kept = [
        time
        for index, time in enumerate(times)
        if not outage <= index < outage + length and random.random() > 0.02
    ]
    return kept or list(times)


def _target(random: Random, job: str, instance: str) -> Iterator[Series]:
    times = _grid(random, random.choice((10_000, 15_000, 30_000)))

    def label(name: str, **labels: str) -> Labels:
        return Labels.of({"__name__": name, "job": job, "instance": instance}, **labels)

    def make(name: str, values: Iterator[float], **labels: str) -> Series:
        points = {time: next(values) for time in _keep_most(random, times)}
        return Series(label(name, **labels), _end_for_a_while(random, points))

    def count(name: str, **labels: str) -> Series:
        there = dict.fromkeys(_keep_most(random, times), 0.0)
        return Series(label(name, **labels), _count_up(random, _end_for_a_while(random, there)))

    yield make("up", _flags(random))
    fresh = _from_zero(random)
    regular = range(times[len(times) // 2], END_MS, 15_000)
    yield Series(label("fresh_total"), {time: next(fresh) for time in regular})
    for method in ("get", "post"):
        for code in ("200", "404", "500"):
            yield count("requests_total", method=method, code=code)
        if random.random() < 0.8:
            yield count("errors_total", method=method)
    for sensor in ("north", "south"):
        yield make("temperature", _gauge(random), sensor=sensor)
    yield make("memory_bytes", _integers(random))
    yield make("build_info", _ones(), version=random.choice(("1.0", "1.1", "2.0")))
    histogram = _histogram(random, times)
    for bucket, bound in enumerate(BOUNDS):
        values = {time: counts[bucket] for time, counts in histogram.items()}
        yield Series(label("latency_bucket", le=format_float(bound)), values)


def _keep_most(random: Random, times: list[int]) -> list[int]:
    begin = random.choice((0, 0, 0, len(times) // 3))
    return [time for time in times[begin:] if random.random() > 0.01]


def _end_for_a_while(random: Random, points: dict[int, float]) -> dict[int, float]:
    times = list(points)
    if len(times) < 10 or random.random() < 0.75:
        return points
    end = random.randrange(1, len(times) - 1)
    again = end + random.choice((1, 5, 30, 1000))
    kept = {time: points[time] for time in (*times[:end], *times[again:])}
    return dict(sorted({**kept, times[end]: STALE}.items()))


def _may_reset(times: list[int], index: int) -> bool:
    """Tell whether the last samples came regularly: see the zero of a counter in `differences`."""
    intervals = [after - time for time, after in itertools.pairwise(times[: index + 1][-11:])]
    return len(intervals) == 10 and max(intervals) < 1.5 * min(intervals)


def _count_up(random: Random, points: dict[int, float]) -> dict[int, float]:
    times = list(points)
    value, step = 1e6 + random.randrange(80_000) / 8, random.choice((0, 1, 10, 1000))
    for index, time in enumerate(times):
        if points[time] == 0:
            points[time] = value
        value += random.choice((0, 0, step, step / 4, random.randint(0, 3 * step)))
        if random.random() < 0.02 and _may_reset(times, index):
            value = 250_000 + random.randrange(2_000_000) / 8
    return points


def _unscraped(random: Random) -> Iterator[Series]:
    for kind in ("one", "two", "three"):
        labels = Labels.of({"__name__": "wild"}, kind=kind)
        times = _jittered(random, 20_000)
        yield Series(labels, {time: random.choice(WILD) for time in times})
    for kind in ("nan", "inf", "zero"):
        labels = Labels.of({"__name__": "special"}, kind=kind)
        times = _jittered(random, 20_000)
        yield Series(labels, {time: random.choice(SPECIAL[kind]) for time in times})
    for number in range(4):
        labels = Labels.of({"__name__": "pushed"}, id=str(number), zone=f"z{number % 2}")
        values = _gauge(random)
        times = _jittered(random, random.choice((5_000, 60_000, 200_000)))
        yield Series(labels, {time: next(values) for time in times})
    for job, value in (("api", 100.0), ("web", 250.0)):
        labels = Labels.of({"__name__": "limits"}, job=job)
        yield Series(labels, dict.fromkeys(_jittered(random, 60000), value))
    yield Series(Labels.of({"__name__": "lonely"}), dict.fromkeys(_jittered(random, 120000), 7.0))
    yield Series(
        Labels.of({"__name__": "odd"}, text='quo"te\nline\\back ä', empty=""),
        dict.fromkeys(_jittered(random, 45000), 3.0),
    )


def _jittered(random: Random, mean_ms: int) -> list[int]:
    times: list[int] = []
    time = BEGIN_MS
    while time < END_MS:
        time += max(1000, round(random.expovariate(1 / mean_ms) / 1000) * 1000)
        times.append(time + random.randrange(1, 499))
    return times


def _from_zero(random: Random) -> Iterator[float]:
    value = 0.0
    while True:
        yield value
        value += random.choice((0, 1, 7.5))


def _gauge(random: Random) -> Iterator[float]:
    value = random.uniform(-50, 50)
    while True:
        value += random.choice((0, 0, random.gauss(0, 5)))
        yield random.choice((round(value, 3), round(value), round(value, 1), 0.0, -0.0, value / 8))


def _integers(random: Random) -> Iterator[float]:
    while True:
        yield float(random.randrange(10**9))


def _flags(random: Random) -> Iterator[float]:
    while True:
        yield float(random.random() < 0.8)


def _ones() -> Iterator[float]:
    while True:
        yield 1.0


def _histogram(random: Random, times: list[int]) -> dict[int, list[float]]:
    counts = [100_000.0 + bucket for bucket in range(len(BOUNDS))]
    rows: dict[int, list[float]] = {}
    for index, time in enumerate(times):
        for _ in range(random.choice((0, 0, 3, 20))):
            place = min(random.randrange(len(BOUNDS)), random.randrange(len(BOUNDS)))
            for bucket in range(place, len(BOUNDS)):
                counts[bucket] += 1
        if random.random() < 0.01 and _may_reset(times, index):
            counts = [50_000.0] * len(BOUNDS)
        rows[time] = list(counts)
    return rows
