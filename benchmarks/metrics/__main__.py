"""Runs the sections, keeps what they measured as JSON, and writes the report.

`python -m benchmarks metrics` writes benchmarks/results/metrics.md; with `--only SECTION` the other
sections' figures stay what they were, and `--report` measures nothing. `--quick` shows whether
everything works, in two minutes, and writes to build/.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.metrics import growth, load, queries, rules, scrape, startup
from benchmarks.metrics.machine import describe_machine
from benchmarks.metrics.plan import Plan, Result, make_quick
from benchmarks.metrics.plot import render_plot
from benchmarks.metrics.report import render_report
from benchmarks.metrics.systems import ALL, OURS
from tests.support.peers import explain_absence, find_peer

_ROOT = Path(__file__).parents[2]
_RESULTS = _ROOT / "benchmarks" / "results"
_QUICK_RESULTS = _ROOT / "build" / "benchmarks"

SECTIONS: dict[str, Callable[[Plan], Result]] = {
    "queries": queries.measure,
    "write": load.measure_live,
    "disk": load.measure_size,
    "scrape": scrape.measure,
    "rules": rules.measure,
    "growth": growth.measure,
    "startup": startup.measure,
}


def main() -> int:
    """Run the sections that are wanted and write the report; 1 if something went wrong."""
    options = _parse()
    results = _QUICK_RESULTS if options.quick else _RESULTS
    results.mkdir(parents=True, exist_ok=True)
    path = results / "metrics.json"
    found: Result = json.loads(path.read_text()) if path.exists() else {}
    is_well = True
    if not options.report:
        # Also when it is ended from outside, no server is left running.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        is_well = _run_sections(options, found, path)
    report = render_report(found)
    (results / "metrics.md").write_text(report)
    if "growth" in found and found["growth"].get("systems"):
        (results / "metrics-growth.svg").write_text(render_plot(found["growth"]))
    print(report)
    print(f"Written to {results.relative_to(_ROOT)}/metrics.md")
    return 0 if is_well else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks metrics", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run, to build/")
    parser.add_argument("--report", action="store_true", help="write the report again")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="may be repeated")
    parser.add_argument("--system", action="append", choices=ALL, help="may be repeated")
    return parser.parse_args()


def _run_sections(options: argparse.Namespace, found: Result, path: Path) -> bool:
    """Measure, and keep what was measured after each section; tell whether all went well."""
    systems = _choose_systems(options.system or ALL)
    found["machine"] = describe_machine()
    is_well = True
    for name in options.only or SECTIONS:
        path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        started = time.monotonic()
        print(f"{name} …", flush=True)
        with tempfile.TemporaryDirectory(prefix="resumatch-bench-") as folder:
            plan = (
                make_quick(Path(folder), systems) if options.quick else Plan(Path(folder), systems)
            )
            try:
                result = SECTIONS[name](plan)
            except Exception:  # noqa: BLE001 - the other sections can be measured all the same
                traceback.print_exc()
                found[name] = {"failure": traceback.format_exc(limit=0).strip()}
                is_well = False
                _keep_logs(Path(folder))
                continue
        result["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        result["seconds"] = time.monotonic() - started
        # Sections may be measured again one by one.
        result["version"] = found["machine"][OURS]
        found[name] = result
        print(f"{name} took {result['seconds']:.0f} s", flush=True)
        if name == "queries":
            for problem in queries.find_disagreements(result):
                print(f"THE ANSWERS DIFFER: {problem}", flush=True)
                is_well = False
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return is_well


def _choose_systems(wanted: tuple[str, ...]) -> tuple[str, ...]:
    absent = [name for name in wanted if name != OURS and find_peer(name) is None]
    for name in absent:
        print(f"Left out: {explain_absence(name)}", flush=True)
    return tuple(name for name in wanted if name not in absent)


def _keep_logs(folder: Path) -> None:
    kept = _QUICK_RESULTS / "logs"
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.rglob("*.log"):
        shutil.copyfile(log, kept / f"{log.parent.name}-{log.name}")


if __name__ == "__main__":
    sys.exit(main())
