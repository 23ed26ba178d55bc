"""How long people wait for a trace, and for searches, in a store that is full."""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.traces.store import SteppingClock, open_store
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.store import SegmentQuery, SegmentSort

_DAY_US = 86_400_000_000
_TRACES = 200
_REPEATS = 7


async def measure_lookups(folder: Path, known: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Look up traces of all days, and run searches of every kind.

    Args:
        folder: Of the store.
        known: Ids of traces that are in it, with their age in days.
    """
    clock = SteppingClock(datetime.now(UTC) + timedelta(days=1))
    store = open_store(folder, clock)
    chosen = random.Random(3).sample(list(known), min(_TRACES, len(known)))
    times = [await _time(_find(store, trace_id)) for trace_id, _ in chosen]
    found: dict[str, Any] = {"a trace by its id": _summarise(times)}
    page = await store.search(SegmentQuery(service="api", limit=1))
    for name, query in _build_queries(page.items[0].user).items():
        times = [await _time(_search(store, query)) for _ in range(_REPEATS)]
        found[name] = _summarise(times)
    times = [await _time(_sample(store)) for _ in range(_REPEATS)]
    found["durations of a day, newest 20,000"] = _summarise(times)
    store.close()
    return found


def _build_queries(user: str) -> dict[str, SegmentQuery]:
    end_us = int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1e6)
    day, month = end_us - 2 * _DAY_US, end_us - 40 * _DAY_US
    route = "/users/{id}/show"
    return {
        "newest of a month": SegmentQuery(start_us=month, end_us=end_us),
        "slowest of a month": SegmentQuery(start_us=month, end_us=end_us, sort=SegmentSort.SLOWEST),
        "slowest of one name, a month": SegmentQuery(
            start_us=month, end_us=end_us, sort=SegmentSort.SLOWEST, exact_name=route
        ),
        "newest of one name, a month": SegmentQuery(
            start_us=month, end_us=end_us, exact_name=route
        ),
        "newest of a part of a name, a day": SegmentQuery(
            start_us=day, end_us=end_us, name="resumes"
        ),
        "newest failed ones of a service, a month": SegmentQuery(
            start_us=month, end_us=end_us, service="api", status="error"
        ),
        "newest of a user, a month": SegmentQuery(start_us=month, end_us=end_us, user=user),
        "newest with a tag, a month": SegmentQuery(
            start_us=month, end_us=end_us, tags=(("plan", "team"),)
        ),
        "longer than 10 s, a month": SegmentQuery(
            start_us=month, end_us=end_us, min_duration_us=10_000_000
        ),
        "a name that is not there, a month": SegmentQuery(
            start_us=month, end_us=end_us, name="no such name"
        ),
    }


def _find(store: SqliteTraceStore, trace_id: str) -> Callable[[], Awaitable[object]]:
    return lambda: store.find_trace(trace_id, limit=10_000)


def _search(store: SqliteTraceStore, query: SegmentQuery) -> Callable[[], Awaitable[object]]:
    return lambda: store.search(query)


def _sample(store: SqliteTraceStore) -> Callable[[], Awaitable[object]]:
    query = SegmentQuery(start_us=int(datetime.now(UTC).timestamp() * 1e6) - _DAY_US)
    return lambda: store.sample_durations(query, limit=20_000)


async def _time(ask: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await ask()
    return time.perf_counter() - started


def _summarise(times: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "first": times[0],
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
    }
