"""Writes what was measured as Markdown, from the JSON alone."""

from collections.abc import Callable
from typing import Any

from benchmarks.errors.systems import BUGSINK, BUGSINK_VERSION
from benchmarks.metrics.systems import OURS

_MIB = 1024 * 1024
_METHOD = f"""\
Events are those that the real `sentry-sdk` makes of a FastAPI application with SQLAlchemy,
brought to 10 kB and 50 kB of JSON, of 40 bugs, gzip as the SDK packs it, sent over eight
connections by a process of its own on the same machine. The rate counts what is *fully
processed*: from the first request until the system's own count, read from its database, has
reached all acknowledged events. The acknowledgement is measured from the moment at which a
request was due, at half of that rate. Memory is that of all processes of a system together, disk
what its folder grew by. Scrubbing, which only the monitor does, is included. Both take turns; shown
is the round of median rate of three, the load average tells how much else the machine had to do.
Bugsink {BUGSINK_VERSION} runs on its `singleserver` configuration and the gunicorn settings that
it ships, with its snappea worker and SQLite; its quotas are lifted and its retention lies beyond
what is sent.
"""


def render_report(found: dict[str, Any]) -> str:
    """Return the whole report; what was not measured is left out."""
    lines = ["# Errors beside Bugsink", ""]
    lines += [f"- {name}: {value}" for name, value in found["machine"].items()]
    if "remark" in found:
        lines += ["", found["remark"]]
    lines += ["", _METHOD]
    for size in sorted(found.get("ingest", {}), key=int):
        lines += _render_ingest(int(size), found["ingest"][size])
    if "lists" in found:
        lines += _render_lists(found["lists"])
    if "crash" in found:
        lines += _render_crash(found["crash"])
    return "\n".join(lines)


def _render_ingest(size: int, found: dict[str, Any]) -> list[str]:
    ours, theirs = found[OURS], found[BUGSINK]
    ratio = ours["events_per_second"] / theirs["events_per_second"]
    raw = found["raw_bytes"]
    rows: list[tuple[str, Callable[[dict[str, Any]], str], str]] = [
        ("events/s fully processed", lambda each: f"{each['events_per_second']:,.0f}", "20 times"),
        ("acknowledged/s meanwhile", lambda each: f"{each['acknowledged_per_second']:,.0f}", ""),
        (
            "p50 acknowledgement at half of that, ms",
            lambda each: f"{1e3 * each['p50_seconds']:.1f}",
            "",
        ),
        (
            "p99 acknowledgement at half of that, ms",
            lambda each: f"{1e3 * each['p99_seconds']:.1f}",
            "< 50",
        ),
        (
            "processor time an event, ms",
            lambda each: f"{1e3 * each['cpu_seconds'] / each['acknowledged']:.2f}",
            "",
        ),
        ("peak memory, MiB", lambda each: f"{each['peak_bytes'] / _MIB:.0f}", "< 381"),
        ("bytes on disk an event", lambda each: f"{each['disk_bytes_per_event']:,.0f}", ""),
        (
            "of its raw size",
            lambda each: f"{each['disk_bytes_per_event'] / raw:.0%}",
            "",
        ),
        ("events a round", lambda each: f"{each['acknowledged']:,}", ""),
        ("load average of the machine", lambda each: f"{each['load_average']:.1f}", "~ 2"),
        ("lost or counted twice", lambda each: f"{each['expected'] - each['counted']}", "0"),
    ]
    return [
        f"## Events of {size // 1000} kB",
        "",
        f"{ratio:.0f} times as many events a second.",
        "",
        "| | ours | Bugsink | goal |",
        "|---|---|---|---|",
        *(f"| {name} | {show(ours)} | {show(theirs)} | {goal} |" for name, show, goal in rows),
        "",
    ]


def _render_lists(found: dict[str, Any]) -> list[str]:
    return [
        f"## Lists at {found['issues']:,} issues and {found['events']:,} stored events",
        "",
        f"Requests over HTTP; the database has {found['database_bytes'] / 1e9:.1f} GB, the monitor"
        f" {found['resident_bytes'] / _MIB:.0f} MiB. Goal: p95 < 100 ms. Processor time is that of"
        " the whole monitor, divided by the requests.",
        "",
        "| ms | p50 | p95 | worst | processor |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {1e3 * each['p50_seconds']:.1f} | {1e3 * each['p95_seconds']:.1f}"
            f" | {1e3 * each['worst_seconds']:.1f} | {_in_ms(each.get('cpu_seconds'))} |"
            for name, each in found["requests"].items()
        ),
        "",
    ]


def _in_ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.1f}"


def _render_crash(found: dict[str, Any]) -> list[str]:
    return [
        "## `kill -9` in the storm",
        "",
        f"Killed {found['kills']} times at full speed, with {found['helpers_killed_with_it']}"
        f" helping processes at work. Of {found['acknowledged']:,} acknowledged events"
        f" {found['lost']} are lost and {found['twice']} are there twice; {found['stored']:,}"
        f" stored, {found['counted']:,} counted. More than acknowledged: some were on the disk"
        " before the kill took their answer.",
        "",
    ]
