"""How long people wait for answers, and how long a scan of a packed file takes beside it."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.logs.client import Client
from benchmarks.logs.data import PHRASE, RARE_WORD
from benchmarks.metrics.systems import System
from benchmarks.metrics.usage import Meter

_RUNS = 15
_SCAN_RUNS = 3


def measure_queries(system: System, documents: Path) -> dict[str, dict[str, float]]:
    """Return how long each question takes over HTTP, and what its answer tells of its size."""
    client = Client(system.url, system.headers)
    known = _read_middle(documents)
    trace, user = known["trace.id"], known["user.id"]
    questions: dict[str, tuple[int, Callable[[], Any]]] = {
        "rare word": (_RUNS, lambda: client.search(RARE_WORD)),
        "field = value": (_RUNS, lambda: client.search(f"user.id:{user}")),
        "phrase": (_RUNS, lambda: client.search(f'"{PHRASE}"')),
        "phrase, counted over time": (_RUNS, lambda: client.histogram(f'"{PHRASE}"')),
        "trace": (_RUNS, lambda: client.search(f"trace.id:{trace}")),
        "histogram of all": (_RUNS, lambda: client.histogram("")),
        "latest 100": (_RUNS, lambda: client.search("")),
        "errors of a service": (_RUNS, lambda: client.search("service:api level:error")),
        "top users": (_RUNS, lambda: _values(client, "user.id")),
        "expression, rare": (_SCAN_RUNS, lambda: client.search(f"/{RARE_WORD[:7]}[a-z]+/")),
        "expression, nothing": (_SCAN_RUNS, lambda: client.search(r"/no such text \d+/")),
        "expression without a text": (_SCAN_RUNS, lambda: client.search(r"/^[^ ]{40}/")),
        "wildcard in an attribute": (_SCAN_RUNS, lambda: client.search("http.route:*/nothing/*")),
    }
    meter = Meter(system.pid)
    found = {name: _time(ask, runs, meter) for name, (runs, ask) in questions.items()}
    client.close()
    return found


def measure_grep(documents: Path) -> dict[str, float]:
    """Return how long `zstdgrep` takes for the same data, packed as `zstd` does by itself."""
    if shutil.which("zstdgrep") is None:
        return {}
    packed = documents.with_suffix(".zst")
    subprocess.run(["zstd", "-q", "-f", "-3", str(documents), "-o", str(packed)], check=True)
    seconds: list[float] = []
    for _ in range(_SCAN_RUNS):
        started = time.perf_counter()
        subprocess.run(["zstdgrep", "-c", RARE_WORD, str(packed)], capture_output=True, check=False)
        seconds.append(time.perf_counter() - started)
    size = packed.stat().st_size
    packed.unlink()
    return {"p50": statistics.median(seconds), "packed_bytes": size}


def _time(ask: Callable[[], Any], runs: int, meter: Meter) -> dict[str, float]:
    seconds: list[float] = []
    meter.restart()
    answer: Any = None
    for _ in range(runs):
        started = time.perf_counter()
        answer = ask()
        seconds.append(time.perf_counter() - started)
    spent = meter.read()
    return {
        "first": seconds[0],
        "p50": statistics.median(seconds),
        "longest": max(seconds),
        "cpu": spent.cpu / runs,
        "found": _size(answer),
        "is_complete": float(answer.get("is_complete", True)),
    }


def _size(answer: dict[str, Any]) -> float:
    """Return how many records an answer has or counts."""
    if "items" in answer:
        return len(answer["items"])
    return answer.get("total", answer.get("having", 0))


def _values(client: Client, field: str) -> Any:
    return client.get("/api/monitor/logs/values", field=field, limit=10, **{"from": "now-1d"})


def _read_middle(documents: Path) -> dict[str, Any]:
    """Return a document from the middle of the file."""
    with documents.open("rb") as file:
        file.seek(documents.stat().st_size // 2)
        file.readline()
        return orjson.loads(file.readline())
