"""Asks this engine and Prometheus the same random questions about the same samples.

`RESUMATCH_DIFFERENTIAL_QUERIES` asks more of them, `RESUMATCH_DIFFERENTIAL_SEED` others.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from resumatch_monitor.metrics.samples import Queryable, RowLayout
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.promql.differential.compare import ask_ours, find_difference, read_theirs
from tests.promql.differential.data import BEGIN_MS, END_MS, Series, make_data
from tests.promql.differential.differences import find_known_difference
from tests.promql.differential.peer import ARGUMENTS, PrometheusClient
from tests.promql.differential.queries import Query, QueryMaker
from tests.storage.tsdb.support import arrays, open_store
from tests.support.memory_store import MemoryStore
from tests.support.peers import PROMETHEUS, run_prometheus

SEED = int(os.environ.get("RESUMATCH_DIFFERENTIAL_SEED", "20260105"))
QUERIES = int(os.environ.get("RESUMATCH_DIFFERENTIAL_QUERIES", "1500"))
_MOST_SHOWN = 10


@pytest.fixture(scope="module")
def data() -> list[Series]:
    return [series for series in make_data(SEED) if series.points]


@pytest.fixture(scope="module")
def peer(
    data: Sequence[Series], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusClient]:
    folder = tmp_path_factory.mktemp("prometheus")
    with run_prometheus(folder, arguments=ARGUMENTS) as server:
        client = PrometheusClient(server.url)
        client.write(data)
        yield client
        client.close()


@pytest.fixture(scope="module")
def stores(
    data: Sequence[Series], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Queryable]]:
    matrix, ragged = MemoryStore(is_matrix=True), MemoryStore(is_matrix=False)
    for series in data:
        matrix.add(series.labels, series.points)
        ragged.add(series.labels, series.points)
    store = open_store(tmp_path_factory.mktemp("store"))
    try:
        asyncio.run(_fill(store, data))
        yield [matrix, ragged, store]
    finally:
        store.close()


async def _fill(store: TimeSeriesStore, data: Sequence[Series]) -> None:
    """Store as a scraper does what has a target, the rest as pushed; half of it in a block."""
    rows: dict[tuple[str, int], list[tuple[Series, float]]] = {}
    for series in data:
        target = series.labels.value("instance")
        if not target:
            await store.append_samples([(series.labels, *arrays(series.points))])
        for time, value in series.points.items() if target else ():
            rows.setdefault((target, time), []).append((series, value))
    layouts: dict[tuple[int, ...], RowLayout] = {}
    for (target, time), row in sorted(rows.items(), key=lambda each: each[0]):
        layout = layouts.setdefault(
            tuple(id(series) for series, _ in row), RowLayout([series.labels for series, _ in row])
        )
        values = np.array([value for _, value in row], dtype=np.float64)
        await store.append_row(target, layout, time, values)
    assert store.seal((BEGIN_MS + END_MS) // 2)


@pytest.mark.peer(PROMETHEUS)
@pytest.mark.timeout(0 if QUERIES > 5000 else 120)
def test_answers_as_prometheus_does(peer: PrometheusClient, stores: Sequence[Queryable]) -> None:
    maker = QueryMaker(SEED)
    problems: list[str] = []
    kinds: Counter[str] = Counter()
    for _ in range(QUERIES):
        query = maker.make()
        theirs = read_theirs(_ask(peer, query))
        for store in stores:
            ours = ask_ours(store, query)
            difference = find_difference(query, ours, theirs)
            known = difference and find_known_difference(query, ours, theirs)
            if known:
                kinds[known.reason] += 1
            elif difference:
                problems.append(f"{query}\n{type(store).__name__}: {difference[:1000]}")
        kinds["error" if theirs.error else "series" if theirs.series else "nothing"] += 1

    assert not problems, f"{len(problems)} of them:\n" + "\n\n".join(problems[:_MOST_SHOWN])
    # The questions are worth asking only if most have an answer, and a few have none.
    assert kinds["series"] > QUERIES / 3
    assert 0 < kinds["error"] < QUERIES / 8


def _ask(peer: PrometheusClient, query: Query) -> dict[str, object]:
    if query.is_instant:
        return peer.query(query.text, query.start_ms)
    return peer.query_range(query.text, query.start_ms, query.end_ms, query.step_ms)
