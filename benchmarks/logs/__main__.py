"""Measures logs and writes `benchmarks/results/logs.md` and `.json`.

`python -m benchmarks.logs [--records N] [--quick]`; by default 300,000 records, `--records 3000000`
for as many as a small company writes in a day. Each size has its own section, which a later run
replaces. `--quick` is for trying it out and writes to `build/`.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.logs.ingest import measure_ingest, measure_visible, write_documents
from benchmarks.logs.queries import measure_grep, measure_queries
from benchmarks.logs.report import render_report
from benchmarks.metrics.machine import describe_machine
from benchmarks.metrics.systems import run_monitor

_ROOT = Path(__file__).parents[2]
_QUICK = 20_000


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    count = _QUICK if options.quick else options.records
    build = _ROOT / "build"
    build.mkdir(exist_ok=True)
    stored = (build if options.quick else _ROOT / "benchmarks/results") / "logs.json"
    found: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    found["machine"] = describe_machine()
    with tempfile.TemporaryDirectory(prefix="logs-", dir=build) as scratch:
        found.setdefault("sizes", {})[str(count)] = _measure(Path(scratch), count)
    stored.write_text(json.dumps(found, indent=1) + "\n")
    text = render_report(found)
    stored.with_suffix(".md").write_text(text)
    print(text)


def _measure(folder: Path, count: int) -> dict[str, Any]:
    documents = folder / "documents.ndjson"
    write_documents(documents, count)
    load = os.getloadavg()[0]
    with run_monitor(folder, "") as system:
        ingest = measure_ingest(system, folder / "data", documents, count)
        visible = measure_visible(system)
        queries = measure_queries(system, documents)
    return {
        "load_average": load,
        "ingest": ingest,
        "visible": visible,
        "queries": queries,
        "grep": measure_grep(documents),
    }


if __name__ == "__main__":
    main()
