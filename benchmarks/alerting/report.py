"""Writes what was measured as Markdown, from the JSON alone."""

from typing import Any

from benchmarks.alerting.systems import BOTH
from benchmarks.metrics.systems import OURS
from tests.support.peers import ALERTMANAGER

_MIB = 1024 * 1024
_METHOD = """\
Both are configured alike and tell one webhook on loopback.
Storm: alerts of 50 names, pushed 500 a request over one connection to `/api/v2/alerts`, grouped by
name, `group_wait` 2 s, which is longer than either needs to be pushed to, so that each group speaks
once; the median round of three; the time runs from the first push until the
webhook has accepted a message about the last alert, waiting included. The monitor stores every
alert and every message durably before it goes on.
Latency: values cross a line at irregular moments; scraped and evaluated every second, `for: 0s`,
no `group_wait`; from the scrape that first sees a value beyond the line until the webhook has it.
Both systems run at the same time and scrape the same target.
"""


def render_report(found: dict[str, Any]) -> str:
    """Return the whole report; what was not measured is left out."""
    lines = ["# Alerting beside Prometheus and Alertmanager", ""]
    lines += [f"- {name}: {value}" for name, value in found["machine"].items()]
    lines += ["", _METHOD]
    if "storm" in found:
        lines += ["## Storm", "", "| | ours | Alertmanager | goal |", "|---|---|---|---|"]
        ours, theirs = found["storm"][OURS], found["storm"][ALERTMANAGER]
        rows = [
            ("alerts told", "told", "{:,.0f}", "all"),
            ("seconds until the last is accepted", "seconds", "{:.2f}", "< 5"),
            ("of these pushing", "push_seconds", "{:.2f}", ""),
            ("CPU seconds", "cpu_seconds", "{:.2f}", ""),
            ("messages", "messages", "{:.0f}", ""),
        ]
        lines += [
            f"| {title} | {form.format(ours[key])} | {form.format(theirs[key])} | {goal} |"
            for title, key, form, goal in rows
        ]
        lines += [
            f"| peak memory, MiB | {ours['peak_bytes'] / _MIB:.0f}"
            f" | {theirs['peak_bytes'] / _MIB:.0f} | < 300 |",
            "",
        ]
    if "latency" in found:
        lines += [
            "## Latency",
            "",
            "| seconds | ours | Prometheus + Alertmanager |",
            "|---|---|---|",
        ]
        ours, theirs = found["latency"][OURS], found["latency"][BOTH]
        lines += [
            f"| {title} | {ours[key]:.3f} | {theirs[key]:.3f} |"
            for title, key in (
                ("median", "median_seconds"),
                ("p99", "p99_seconds"),
                ("worst", "worst_seconds"),
            )
        ]
        lines += [
            f"| told | {ours['told']} | {theirs['told']} of {found['latency']['count']} |",
            "",
        ]
    return "\n".join(lines)
