"""Lists, searches and pages of a monitor with 100,000 issues and 5 million stored events."""

import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.errors.crowd import PROJECTS, build_crowd
from benchmarks.metrics.client import Client
from benchmarks.metrics.systems import run_monitor
from benchmarks.metrics.usage import Meter

_SEED = 3
_SEARCHES_PART = 10
_SEARCHES = (
    "is:unresolved checkout",
    "message:failed",
    '"of 123"',
    "!message:failed",
    "!word",
    "er",
    "tenant:tenant-77",
    "tenant:*77*",
    "!environment:production",
    "http.status:>500",
    "has:tenant",
    "!has:tenant",
    "release:latest",
    "!release:app@1.*",
    "user.id:77",
    "!user.id:77",
    "is:regressed",
    "assigned:me",
    "firstSeen:-24h",
    "age:+1w",
    "timesSeen:>100",
    "tenant:tenant-77 OR user.id:77",
    "(level:fatal OR environment:staging-1) !message:failed",
)
_ISSUES = "/api/monitor/issues"


def measure_lists(
    folder: Path, *, issues: int, events: int, times: int, crowd: Path | None = None
) -> dict[str, Any]:
    """Return the quantiles of each kind of request, in seconds.

    Args:
        folder: Does not exist.
        issues: How many there are in the database.
        events: How many are stored in it.
        times: How often each kind of list is asked for.
        crowd: Where the database is, or is built and left; None builds one under `folder`.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    database = data / "monitor.sqlite3"
    if crowd is not None:
        database.symlink_to(crowd.resolve())
        database = crowd
    seconds = 0.0
    if not database.exists():
        now_ms = int(time.time() * 1_000)
        seconds = build_crowd(database, issues=issues, events=events, now_ms=now_ms)
    config = "projects:\n" + "".join(
        f"  - {{id: {number}, slug: project-{number}, key: '{number:032x}'}}\n"
        for number in range(1, PROJECTS + 1)
    )
    with run_monitor(folder, config) as monitor:
        client = monitor.connect()
        client.fetch(_ISSUES)
        meter = monitor.meter()
        found = {
            name: _measure(client, meter, paths)
            for name, paths in _requests(client, issues=issues, times=times).items()
        }
        resident = monitor.meter().resident_bytes()
    return {
        "issues": issues,
        "events": events,
        "build_seconds": seconds,
        "database_bytes": database.stat().st_size,
        "resident_bytes": resident,
        "requests": found,
    }


def _requests(client: Client, *, issues: int, times: int) -> dict[str, list[str]]:
    chance = random.Random(_SEED)
    some = [chance.randrange(1, issues + 1) for _ in range(times)]
    # Every hundredth issue has ten times as many events.
    crowded = [100 * chance.randrange(1, issues // 100 + 1) for _ in range(times)]
    unresolved = f"{_ISSUES}?status=unresolved"
    return {
        "list, unresolved": [unresolved] * times,
        "list, every status": [_ISSUES] * times,
        "list, by events": [f"{unresolved}&sort=events"] * times,
        "list, by users": [f"{unresolved}&sort=users"] * times,
        "list of a project": [
            f"{unresolved}&project={1 + number % PROJECTS}" for number in range(times)
        ],
        "list, deeper pages": list(_deeper_pages(client, unresolved, times)),
        "list, by trend": [f"{unresolved}&sort=trend"] * times,
        "issue": [f"{_ISSUES}/{number}" for number in some],
        "issue, crowded": [f"{_ISSUES}/{number}" for number in crowded],
        "events of an issue": [f"{_ISSUES}/{number}/events" for number in some],
        "events of a crowded issue": [f"{_ISSUES}/{number}/events" for number in crowded],
        **{
            f"search `{search}`": [f"{_ISSUES}?{urlencode({'query': search})}"]
            * max(1, times // _SEARCHES_PART)
            for search in _SEARCHES
        },
    }


def _deeper_pages(client: Client, path: str, times: int) -> Iterable[str]:
    cursor = None
    for _ in range(times):
        page = client.fetch_json(f"{path}&cursor={cursor}" if cursor else path)
        cursor = page["next_cursor"]
        yield f"{path}&cursor={cursor}"


def _measure(client: Client, meter: Meter, paths: list[str]) -> dict[str, float]:
    """Return quantiles of the time until an answer, and the processor time of one."""
    client.fetch(paths[0])
    meter.restart()
    seconds: list[float] = []
    for path in paths:
        began = time.perf_counter()
        client.fetch(path)
        seconds.append(time.perf_counter() - began)
    spent = meter.read()
    seconds.sort()
    return {
        "p50_seconds": seconds[len(seconds) // 2],
        "p95_seconds": seconds[int(0.95 * len(seconds))],
        "worst_seconds": seconds[-1],
        "cpu_seconds": spent.cpu / len(paths),
    }
