"""How fast records are taken in, from a request to being found, and what that takes."""

import queue
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from benchmarks.logs.client import Client
from benchmarks.logs.data import Applications
from benchmarks.metrics.systems import System
from benchmarks.metrics.usage import MIB, Meter, measure_disk

_BATCH = 1_000
_SENDERS = 2
_QUEUE = 8
_POLL_SECONDS = 0.02
_VISIBLE_SAMPLES = 60
_LONGEST_SECONDS = 30.0


def write_documents(path: Path, count: int) -> int:
    """Write `count` documents, one a line; return how many bytes they have."""
    with path.open("wb") as file:
        for document in Applications().documents(count):
            file.write(document + b"\n")
    return path.stat().st_size - count


def measure_ingest(system: System, data: Path, documents: Path, count: int) -> dict[str, Any]:
    """Send all documents by two connections, and wait until all are indexed."""
    meter = Meter(system.pid)
    started = time.perf_counter()
    refused = _send_all(system, documents)
    sent = time.perf_counter() - started
    client = Client(system.url, system.headers)
    while client.count_indexed() < count:
        time.sleep(_POLL_SECONDS)
    spent = meter.read()
    peak = meter.peak_bytes()
    settled = meter.wait_until_quiet(least_seconds=2, most_seconds=120)
    raw = documents.stat().st_size - count
    disk = measure_disk(data / "logs")
    client.close()
    return {
        "records": count,
        "raw_bytes": raw,
        "records_per_second_taken": count / sent,
        "records_per_second_indexed": count / spent.wall,
        "cpu_us_per_record": spent.cpu / count * 1e6,
        "cpu_us_per_record_afterwards": settled.cpu / count * 1e6,
        "refused_requests": refused,
        "disk_bytes": disk,
        "disk_bytes_per_raw_byte": disk / raw,
        "peak_resident_mib": peak / MIB,
        "resident_mib": meter.resident_bytes() / MIB,
    }


def measure_visible(system: System) -> dict[str, float]:
    """Send records one at a time, and ask for each until it is found."""
    client = Client(system.url, system.headers)
    waits: list[float] = []
    for _ in range(_VISIBLE_SAMPLES):
        word = f"w{uuid4().hex}"
        started = time.perf_counter()
        client.send(orjson.dumps({"message": f"look for {word}"}))
        while not client.search(word, limit=1)["items"]:
            if time.perf_counter() - started > _LONGEST_SECONDS:
                raise TimeoutError(word)
            time.sleep(_POLL_SECONDS)
        waits.append(time.perf_counter() - started)
    client.close()
    ordered = sorted(waits)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "longest": ordered[-1],
    }


def _send_all(system: System, documents: Path) -> int:
    """Return how many requests were refused for a while."""
    waiting: queue.Queue[bytes | None] = queue.Queue(_QUEUE)
    clients = [Client(system.url, system.headers) for _ in range(_SENDERS)]
    failures: list[Exception] = []

    def send(client: Client) -> None:
        while (body := waiting.get()) is not None:
            if failures:
                continue
            try:
                client.send_body(body)
            except Exception as error:  # noqa: BLE001 - told by whoever waits for the thread
                failures.append(error)
        client.close()

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for body in _bodies(documents):
        waiting.put(body)
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(client.refused for client in clients)


def _bodies(documents: Path) -> Iterator[bytes]:
    """Yield the bodies of bulk requests."""
    with documents.open("rb") as file:
        lines: list[bytes] = []
        for line in file:
            lines += (b'{"create":{}}\n', line)
            if len(lines) >= 2 * _BATCH:
                yield b"".join(lines)
                lines = []
        if lines:
            yield b"".join(lines)
