"""Runs both parts and writes `benchmarks/results/alerting.md` and `.json`.

`python -m benchmarks.alerting [--only storm|latency] [--quick]`; `--quick` is for trying it out and
writes to `build/`. Needs Debian's `prometheus` and `prometheus-alertmanager`.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.alerting.latency import measure_latency
from benchmarks.alerting.report import render_report
from benchmarks.alerting.storm import measure_storm
from benchmarks.metrics.machine import describe_machine
from benchmarks.metrics.systems import OURS
from tests.support.peers import ALERTMANAGER

_ROOT = Path(__file__).parents[2]
_ROUNDS = 3


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["storm", "latency"])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    folder = _ROOT / ("build" if options.quick else "benchmarks/results")
    folder.mkdir(exist_ok=True)
    stored = folder / "alerting.json"
    found: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    found["machine"] = describe_machine()
    with tempfile.TemporaryDirectory(prefix="alerting-") as scratch:
        if options.only in (None, "storm"):
            alerts, rounds = (1_000, 1) if options.quick else (10_000, _ROUNDS)
            found["storm"] = {
                name: _take_median(
                    [
                        measure_storm(name, Path(scratch) / f"storm-{name}-{turn}", alerts)
                        for turn in range(rounds)
                    ]
                )
                for name in (OURS, ALERTMANAGER)
            }
        if options.only in (None, "latency"):
            count = 10 if options.quick else 120
            found["latency"] = measure_latency(Path(scratch) / "latency", count)
    stored.write_text(json.dumps(found, indent=1) + "\n")
    text = render_report(found)
    stored.with_suffix(".md").write_text(text)
    print(text)


def _take_median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the round of median length; it is complete only if all are."""
    middle = statistics.median_low(each["seconds"] for each in rounds)
    chosen = next(each for each in rounds if each["seconds"] == middle)
    return {**chosen, "is_complete": all(each["is_complete"] for each in rounds)}


if __name__ == "__main__":
    main()
