"""The same queries of all systems over the same data, one after the other in turn."""

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.metrics.answers import compare
from benchmarks.metrics.client import Client, RefusedError
from benchmarks.metrics.data import BUCKETS, COUNTERS, GAUGES, KINDS, MINUTE_MS, make_dataset
from benchmarks.metrics.load import encode_bulk, load, now_ms, read_own_state, settle
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, System, run_system
from benchmarks.metrics.usage import measure_disk
from benchmarks.metrics.wire import Body
from tests.support.peers import PROMETHEUS


@dataclass(frozen=True, slots=True)
class Query:
    """One that is measured.

    Attributes:
        kind: The data that it is asked of.
        is_ranking: Which series it answers with may depend on how equal values are ordered.
    """

    name: str
    kind: str
    text: str
    is_range: bool = True
    is_ranking: bool = False


QUERIES = (
    Query("rate + sum by", COUNTERS, "sum by (status) (rate(http_requests_total[5m]))"),
    Query(
        "ratio of rates",
        COUNTERS,
        'sum by (handler) (rate(http_requests_total{status="500"}[5m]))'
        " / sum by (handler) (rate(http_requests_total[5m]))",
    ),
    Query(
        "topk of increase",
        COUNTERS,
        "topk(10, increase(http_requests_total[10m]))",
        is_ranking=True,
    ),
    Query("avg_over_time", GAUGES, "avg by (instance) (avg_over_time(worker_load[10m]))"),
    Query(
        "histogram_quantile",
        BUCKETS,
        "histogram_quantile(0.95,"
        " sum by (le, handler) (rate(http_request_duration_seconds_bucket[5m])))",
    ),
    Query("instant, all series", COUNTERS, "http_requests_total", is_range=False),
    Query("instant, sum of all", COUNTERS, "sum(http_requests_total)", is_range=False),
    Query(
        "instant, sum of rates",
        COUNTERS,
        "sum by (status) (rate(http_requests_total[5m]))",
        is_range=False,
    ),
)


def measure(plan: Plan) -> Result:
    """Load each kind of data into fresh systems and ask them."""
    found: Result = {"loads": {}, "queries": {}}
    for kind in KINDS:
        with contextlib.ExitStack() as stack:
            systems = [
                stack.enter_context(run_system(name, plan.folder / f"{kind}-{name}"))
                for name in plan.systems
            ]
            dataset = make_dataset(kind, series=plan.series, samples=plan.samples, end_ms=now_ms())
            bodies = encode_bulk(dataset, plan)
            end_ms = dataset.end_ms
            found["loads"][kind] = {each.name: _load(each, bodies, plan) for each in systems}
            for query in QUERIES:
                if query.kind == kind:
                    parameters = _build(query, start_ms=end_ms - plan.span_ms, end_ms=end_ms)
                    result = _measure_query(query, systems, parameters, plan.repeats)
                    print(f"  {query.name}", flush=True)
                    found["queries"][query.name] = result
    return found


def _load(system: System, bodies: Sequence[Body], plan: Plan) -> Result:
    meter = system.meter()
    idle_bytes = meter.resident_bytes()
    result = load(system, bodies)
    result["loaded_bytes"] = measure_disk(system.data)
    result["settling"] = settle(system, plan)
    result["disk_bytes"] = measure_disk(system.data)
    result["idle_resident_bytes"] = idle_bytes
    result["resident_bytes"] = meter.resident_bytes()
    result["peak_bytes"] = meter.peak_bytes()
    if system.name == OURS:
        result["state"] = read_own_state(system)
    return result


def _build(query: Query, *, start_ms: int, end_ms: int) -> Mapping[str, str]:
    if not query.is_range:
        return {"query": query.text, "time": str(end_ms // 1000)}
    return {
        "query": query.text,
        "start": str(start_ms // 1000),
        "end": str(end_ms // 1000),
        "step": str(MINUTE_MS // 1000),
    }


def _measure_query(
    query: Query, systems: Sequence[System], parameters: Mapping[str, str], repeats: int
) -> Result:
    path = "/api/v1/query_range" if query.is_range else "/api/v1/query"
    clients = {each.name: each.connect() for each in systems}
    bodies: dict[str, bytes] = {}
    refusals: dict[str, str] = {}
    for system in systems:
        try:
            bodies[system.name] = _ask(clients[system.name], system, path, parameters)
        except RefusedError as error:
            # The other systems and queries can be measured all the same.
            refusals[system.name] = str(error)
            print(f"  {system.name} REFUSES {query.name}: {error}", flush=True)
    systems = [system for system in systems if system.name in bodies]
    walls: dict[str, list[float]] = {each.name: [] for each in systems}
    cpus: dict[str, list[float]] = {each.name: [] for each in systems}
    for number in range(repeats):
        # In turn, and not always the same one first.
        for place in range(len(systems)):
            system = systems[(number + place) % len(systems)]
            meter = system.meter()
            _ask(clients[system.name], system, path, parameters)
            spent = meter.read()
            walls[system.name].append(spent.wall)
            cpus[system.name].append(spent.cpu)
    for client in clients.values():
        client.close()
    result: Result = {"text": query.text, "is_range": query.is_range, "systems": {}}
    result["refusals"] = refusals
    for name in walls:
        result["systems"][name] = {
            "median_seconds": statistics.median(walls[name]),
            "least_seconds": min(walls[name]),
            "seconds": walls[name],
            # The system counts in hundredths of a second: the mean says more than the median.
            "cpu_seconds": statistics.fmean(cpus[name]),
            "answer_bytes": len(bodies[name]),
        }
    result["agreement"] = {
        name: compare(bodies[OURS], body, is_ranking=query.is_ranking).describe()
        for name, body in bodies.items()
        if name != OURS and OURS in bodies
    }
    return result


def find_disagreements(found: Result) -> list[str]:
    """Return the queries that we answer otherwise than Prometheus does, or not at all."""
    refused = [
        f"{name}: {result['refusals'][OURS]}"
        for name, result in found["queries"].items()
        if OURS in result["refusals"]
    ]
    return refused + [
        f"{name}: {agreement['problem']}"
        for name, result in found["queries"].items()
        if (agreement := result["agreement"].get(PROMETHEUS)) and agreement["problem"]
    ]


def _ask(client: Client, system: System, path: str, parameters: Mapping[str, str]) -> bytes:
    return client.ask(path, {**parameters, **system.parameters})
