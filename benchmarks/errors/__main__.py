"""Runs the parts and writes `benchmarks/results/errors.md` and `.json`.

`python -m benchmarks.errors [--only ingest|lists|crash] [--quick]`; `--quick` is for trying it out
and writes to `build/`. Makes a virtual environment with Bugsink unless BUGSINK_VENV names one.
`--prepare` only writes the envelopes that are sent, into `build/`, where a later run finds them.
`--crowd FILE` leaves the database of the lists there and uses it again.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.errors.crash import measure_crash
from benchmarks.errors.ingest import measure_ingest, prepare_bodies
from benchmarks.errors.lists import measure_lists
from benchmarks.errors.report import render_report
from benchmarks.errors.systems import BUGSINK, BUGSINK_VERSION
from benchmarks.metrics.machine import describe_machine
from benchmarks.metrics.systems import OURS

_ROOT = Path(__file__).parents[2]
_SIZES = (10_000, 50_000)
_COUNTS = {OURS: (8_000, 2_000), BUGSINK: (160, 50)}
_ROUNDS = 3
_QUICK_COUNTS = {OURS: (600, 200), BUGSINK: (60, 20)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["ingest", "lists", "crash"])
    parser.add_argument("--size", type=int, choices=_SIZES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--crowd", type=Path)
    options = parser.parse_args()
    counts = _QUICK_COUNTS if options.quick else _COUNTS
    sizes = _SIZES if options.size is None else (options.size,)
    build = _ROOT / "build"
    build.mkdir(exist_ok=True)
    if options.prepare:
        for size in sizes:
            prepare_bodies(build, size, _most(counts))
        return
    folder = build if options.quick else _ROOT / "benchmarks" / "results"
    stored = folder / "errors.json"
    found: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    found["machine"] = {**describe_machine(), BUGSINK: BUGSINK_VERSION}
    with tempfile.TemporaryDirectory(prefix="errors-", dir=build) as scratch:
        if options.only in (None, "ingest"):
            for size in sizes:
                ingest = found.setdefault("ingest", {})
                rounds = 1 if options.quick else _ROUNDS
                ingest[str(size)] = _measure_both(Path(scratch), build, size, counts, rounds)
        if options.only in (None, "lists"):
            issues, events = (2_000, 100_000) if options.quick else (100_000, 5_000_000)
            found["lists"] = measure_lists(
                Path(scratch) / "lists",
                issues=issues,
                events=events,
                times=20 if options.quick else 200,
                crowd=options.crowd,
            )
        if options.only in (None, "crash"):
            kills, events = (2, 400) if options.quick else (6, 2_000)
            bodies, _ = prepare_bodies(build, _SIZES[0], kills * events)
            found["crash"] = measure_crash(
                Path(scratch) / "crash", bodies, kills=kills, events=events
            )
    stored.write_text(json.dumps(found, indent=1) + "\n")
    text = render_report(found)
    stored.with_suffix(".md").write_text(text)
    print(text)


def _measure_both(
    scratch: Path, build: Path, size: int, counts: dict[str, tuple[int, int]], rounds: int
) -> dict[str, Any]:
    """Let both take turns, and return the round of median rate of each."""
    bodies, raw = prepare_bodies(build, size, _most(counts))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in counts}
    for turn in range(rounds):
        for name, (count, half) in counts.items():
            folder = scratch / f"{name}-{size}-{turn}"
            measured = measure_ingest(name, folder, bodies, count=count, half_count=half)
            measured["load_average"] = os.getloadavg()[0]
            print(size, name, json.dumps(measured), flush=True)
            found[name].append(measured)
            shutil.rmtree(folder)
    return {"raw_bytes": raw, **{name: _take_median(each) for name, each in found.items()}}


def _take_median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    middle = statistics.median_low(each["events_per_second"] for each in rounds)
    chosen = next(each for each in rounds if each["events_per_second"] == middle)
    lost = [each["expected"] - each["counted"] for each in rounds]
    return {**chosen, "counted": chosen["expected"] - max(lost, key=abs)}


def _most(counts: dict[str, tuple[int, int]]) -> int:
    return max(map(sum, counts.values())) + 100


if __name__ == "__main__":
    main()
