"""Remote write: what it costs each system to take the same bodies, and what they take on disk."""

import threading
import time
from collections.abc import Sequence

from benchmarks.metrics.client import Client
from benchmarks.metrics.data import COUNTERS, Dataset, make_dataset
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, System, run_system
from benchmarks.metrics.usage import measure_disk
from benchmarks.metrics.wire import Body, slice_in_time_order
from tests.support.peers import PROMETHEUS

WRITE_PATH = "/api/v1/write"

_MOST_SETTLE_SECONDS = 150.0
_LIVE_SERIES = 2_000
_AGE_MS = 3 * 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def encode_bulk(dataset: Dataset, plan: Plan) -> list[Body]:
    """Return bodies of many samples of each of their series, as a back-fill sends them."""
    return list(slice_in_time_order(dataset, series=plan.write_series, samples=plan.write_samples))


def load(system: System, bodies: Sequence[Body]) -> Result:
    """Send `bodies` one after the other, and return what that cost the server."""
    client, meter = system.connect(), system.meter()
    for body in bodies:
        client.write(WRITE_PATH, body.content)
    spent = meter.read()
    client.close()
    samples = sum(body.samples for body in bodies)
    print(f"  {system.name} has taken {samples:,} samples in {spent.wall:.0f} s", flush=True)
    return {
        "samples": samples,
        "wall_seconds": spent.wall,
        "cpu_seconds": spent.cpu,
        "samples_per_cpu_second": samples / spent.cpu,
        "refusals": client.refusals,
    }


def settle(system: System, plan: Plan) -> Result:
    """Wait until the server has nothing more to do, and return what it did meanwhile."""
    spent = system.meter().wait_until_quiet(
        least_seconds=plan.settle_seconds, most_seconds=_MOST_SETTLE_SECONDS
    )
    return {"wall_seconds": spent.wall, "cpu_seconds": spent.cpu}


def measure_live(plan: Plan) -> Result:
    """Write as Prometheus' agents do: one sample of each series a request, several connections."""
    found: Result = {}
    for name in plan.systems:
        dataset = make_dataset(
            COUNTERS, series=plan.series, samples=plan.live_samples, end_ms=now_ms()
        )
        shards = [
            list(
                slice_in_time_order(
                    dataset,
                    series=_LIVE_SERIES,
                    samples=1,
                    rows=range(first, min(first + _LIVE_SERIES, plan.series)),
                )
            )
            for first in range(0, plan.series, _LIVE_SERIES)
        ]
        with run_system(name, plan.folder / f"live-{name}") as system:
            found[name] = _load_in_parallel(system, shards)
            found[name]["settling"] = settle(system, plan)
    return found


def _load_in_parallel(system: System, shards: Sequence[Sequence[Body]]) -> Result:
    clients = [system.connect() for _ in shards]
    failures: list[Exception] = []

    def send(client: Client, bodies: Sequence[Body]) -> None:
        try:
            for body in bodies:
                client.write(WRITE_PATH, body.content)
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that waits
            failures.append(error)

    meter = system.meter()
    threads = [
        threading.Thread(target=send, args=pair) for pair in zip(clients, shards, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = meter.read()
    for client in clients:
        client.close()
    if failures:
        raise failures[0]
    samples = sum(body.samples for bodies in shards for body in bodies)
    return {
        "samples": samples,
        "connections": len(shards),
        "requests": sum(map(len, shards)),
        "wall_seconds": spent.wall,
        "cpu_seconds": spent.cpu,
        "samples_per_cpu_second": samples / spent.cpu,
        "refusals": sum(client.refusals for client in clients),
    }


def measure_size(plan: Plan) -> Result:
    """Load counters that ended three hours ago, so that each system seals them by itself."""
    found: Result = {}
    for name in plan.systems:
        dataset = make_dataset(
            COUNTERS, series=plan.series, samples=plan.samples, end_ms=now_ms() - _AGE_MS
        )
        bodies = encode_bulk(dataset, plan)
        folder = plan.folder / f"size-{name}"
        with run_system(name, folder) as system:
            result = load(system, bodies)
            result["loaded_bytes"] = measure_disk(system.data)
            result["settling"] = settle(system, plan)
            result["settled_bytes"] = measure_disk(system.data)
            if name == OURS:
                result["state"] = read_own_state(system)
            if name == PROMETHEUS:
                client = system.connect()
                client.ask("/api/v1/admin/tsdb/snapshot")
                client.close()
                result["sealed_bytes"] = measure_disk(system.data / "snapshots")
            data = system.data
        # VictoriaMetrics has its latest samples in memory only until it is stopped.
        result["stopped_bytes"] = measure_disk(data, without="snapshots")
        result.setdefault("sealed_bytes", result["stopped_bytes"])
        found[name] = result
    return found


def read_own_state(system: System) -> Result:
    """Return what our store says of itself."""
    client = system.connect()
    text = client.fetch("/metrics").decode()
    client.close()
    prefix = "resumatch_monitor_tsdb_"
    wanted = (
        *("head_series", "head_samples", "blocks", "block_bytes", "wal_bytes"),
        "open_duration_seconds",
    )
    found: Result = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name.startswith(prefix) and name.removeprefix(prefix) in wanted:
            found[name.removeprefix(prefix)] = float(value)
    return found
