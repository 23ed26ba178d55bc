"""How fast records become stored spans: read, corrected, scrubbed, compressed, durable."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.traces.data import Applications
from benchmarks.traces.store import BATCH, SteppingClock, build_reader, digest, open_store


def size_of(folder: Path) -> int:
    """Return how many bytes the files of a folder have."""
    return sum(path.stat().st_size for path in folder.iterdir())


async def measure_ingest(folder: Path, items: int) -> dict[str, Any]:
    """Digest `items` items in batches as the monitor does, then show all segments to nobody."""
    clock = SteppingClock(datetime.now(UTC))
    store, reader = open_store(folder, clock), build_reader()
    spans = raw_bytes = 0
    reading = storing = cpu = 0.0
    applications = Applications(seed=2)
    for _ in range(0, items, BATCH):
        records = list(applications.records(BATCH, at=clock.at))
        cpu_started, started = time.process_time(), time.perf_counter()
        batch = digest(reader, records)
        read = time.perf_counter()
        await store.store(batch)
        storing += time.perf_counter() - read
        reading += read - started
        cpu += time.process_time() - cpu_started
        spans += sum(len(item.spans) for item in batch)
        raw_bytes += sum(len(record.payload) for record in records)
    cpu_started, started = time.process_time(), time.perf_counter()
    segments = 0
    while settled := await store.take_settled(before=clock.at + timedelta(1), limit=BATCH):
        await store.mark_observed(settled)
        segments += len(settled)
    feeding = time.perf_counter() - started
    feeding_cpu = time.process_time() - cpu_started
    store.close()
    stored = size_of(folder)
    return {
        "spans": spans,
        "segments": segments,
        "spans_per_second": spans / (reading + storing),
        "read_spans_per_second": spans / reading,
        "stored_spans_per_second": spans / storing,
        "observed_segments_per_second": segments / feeding,
        "spans_per_second_with_observing": spans / (reading + storing + feeding),
        "cpu_us_per_span": cpu / spans * 1e6,
        "observing_cpu_us_per_span": feeding_cpu / spans * 1e6,
        "raw_bytes_per_span": raw_bytes / spans,
        "stored_bytes_per_span": stored / spans,
    }
