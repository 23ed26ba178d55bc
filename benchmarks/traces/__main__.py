"""Measures traces and writes `benchmarks/results/traces.md` and `.json`.

`python -m benchmarks.traces [--spans N] [--only ingest|lookups|thinning] [--store DIR] [--quick]`.
`--store` keeps the filled store there and uses it again; `--quick` is for trying it out and writes
to `build/`.
"""

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.metrics.machine import describe_machine
from benchmarks.traces.ingest import measure_ingest
from benchmarks.traces.lookups import measure_lookups
from benchmarks.traces.report import render_report
from benchmarks.traces.store import SteppingClock, count_spans, fill, open_store

_ROOT = Path(__file__).parents[2]
_DAYS = 30


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--only", choices=["fill", "ingest", "lookups", "thinning"])
    parser.add_argument("--store", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    folder = _ROOT / ("build" if options.quick else "benchmarks/results")
    folder.mkdir(exist_ok=True)
    stored = folder / "traces.json"
    found: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    found["machine"] = describe_machine()
    with tempfile.TemporaryDirectory(prefix="traces-") as scratch:
        asyncio.run(_measure(options, Path(scratch), found))
    if options.only == "fill":
        return
    stored.write_text(json.dumps(found, indent=1) + "\n")
    text = render_report(found)
    stored.with_suffix(".md").write_text(text)
    print(text)


async def _measure(options: argparse.Namespace, scratch: Path, found: dict[str, Any]) -> None:
    spans = 200_000 if options.quick else options.spans
    if options.only in (None, "ingest"):
        found["ingest"] = await measure_ingest(
            scratch / "ingest", 2_000 if options.quick else 20_000
        )
    if options.only == "ingest":
        return
    folder = options.store or scratch / "full"
    known_path = folder.with_suffix(".known.json")
    if not known_path.exists():
        started = time.perf_counter()
        known = await fill(folder, spans, days=_DAYS)
        known_path.write_text(json.dumps([spans, known]))
        print(f"filled in {time.perf_counter() - started:.0f} s", flush=True)
    _, known = json.loads(known_path.read_text())
    if options.only in (None, "lookups"):
        found["lookups"] = {
            "spans": count_spans(folder),
            "bytes": sum(path.stat().st_size for path in folder.iterdir()),
            "files": len(list(folder.glob("*.sqlite3"))),
            "times": await measure_lookups(folder, known),
        }
    if options.only in (None, "thinning"):
        found["thinning"] = await _measure_thinning(folder)


async def _measure_thinning(folder: Path) -> dict[str, Any]:
    """Thin the oldest part."""
    store = open_store(folder, SteppingClock(datetime.now(UTC)))
    before = store.size_bytes()
    part = [each for each in store.catalog.newest_first() if not each.name.generation][-1]
    part_bytes = part.size_bytes
    started = time.perf_counter()
    fitted = await store.fit(before - 1)
    took = time.perf_counter() - started
    left = part_bytes - (before - store.size_bytes())
    store.close()
    return {"parts": fitted.thinned, "bytes": part_bytes, "left": left, "seconds": took}


if __name__ == "__main__":
    main()
