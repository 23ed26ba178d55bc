"""From the scrape that sees a value beyond the line to the accepted message."""

import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.alerting.servers import Catcher, Target
from benchmarks.alerting.systems import BOTH, run_pair
from benchmarks.metrics.systems import OURS, run_monitor

_LONGEST_SECONDS = 60.0
_SETTLE_SECONDS = 8.0
_SEED = 4
PARTS = 10
"""Groups of rules: each is evaluated at a moment of its own, as both systems spread them."""

_GROUP = """\
  - name: bench-{part}
    interval: 1s
    rules:
      - alert: Crossed
        expr: bench_value{{part="{part}"}} > 0
        for: 0s
        labels: {{severity: critical}}
        annotations: {{summary: "{{{{ $labels.id }}}} is at {{{{ $value }}}}"}}
"""
_ROUTE = "route: {receiver: catcher, group_by: [id], group_wait: 0s, group_interval: 1s}"


def measure_latency(folder: Path, count: int) -> dict[str, Any]:
    """Let `count` values cross the line, one after the other, and follow each through both."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = folder / "rules.yml"
    rules.write_text("groups:\n" + "".join(_GROUP.format(part=n) for n in range(PARTS)))
    target = Target(count, PARTS)
    catchers = {OURS: Catcher("id"), BOTH: Catcher("id")}
    ours, theirs = folder / "ours", folder / "theirs"
    ours.mkdir()
    own_config = (
        _render(rules, target.address, "/ours")
        + "alerting:\n  max_messages_per_hour: 0\n"
        + f"  {_ROUTE}\n"
        + f"  receivers: [{{name: catcher, webhook: [{{url: '{catchers[OURS].url}'}}]}}]\n"
    )
    try:
        with (
            run_monitor(ours, own_config),
            run_pair(
                theirs,
                catchers[BOTH].url,
                route=_ROUTE,
                config=_render(rules, target.address, "/theirs"),
            ),
        ):
            # Both scrape and evaluate before anything crosses.
            time.sleep(_SETTLE_SECONDS)
            _cross_all(target, count)
            for catcher in catchers.values():
                catcher.wait_for(count, seconds=_LONGEST_SECONDS)
        return {
            "count": count,
            OURS: _summarise(target, "/ours", catchers[OURS]),
            BOTH: _summarise(target, "/theirs", catchers[BOTH]),
        }
    finally:
        for catcher in catchers.values():
            catcher.close()
        target.close()


def _cross_all(target: Target, count: int) -> None:
    chance = random.Random(_SEED)
    for number in range(count):
        target.cross(number)
        # Never in step with scrapes and evaluations.
        time.sleep(chance.uniform(0.3, 0.9))


def _render(rules: Path, address: str, path: str) -> str:
    return (
        "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{rules}']\n"
        "scrape_configs:\n"
        f"  - job_name: bench\n    metrics_path: {path}\n"
        f"    static_configs: [{{targets: ['{address}']}}]\n"
    )


def _summarise(target: Target, path: str, catcher: Catcher) -> dict[str, Any]:
    seconds = sorted(
        at - target.served_at(path, int(number)) for number, at in catcher.first_at.items()
    )
    return {
        "told": len(seconds),
        "median_seconds": statistics.median(seconds) if seconds else None,
        "p99_seconds": _quantile(seconds, 0.99) if seconds else None,
        "worst_seconds": seconds[-1] if seconds else None,
    }


def _quantile(ordered: Sequence[float], fraction: float) -> float:
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]
