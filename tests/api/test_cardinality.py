from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from resumatch_monitor.api.cardinality import build_router
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.samples import RowLayout
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.tsdb.support import NOW_MS, arrays, open_store
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TimeSeriesStore]:
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
async def client(store: TimeSeriesStore) -> AsyncGenerator[httpx.AsyncClient]:
    metadata = MetadataStore()
    metadata.put("api", {"requests_total": Metadata("counter", "Requests.", "")})
    router = build_router(source=store, metadata=metadata, guard=make_guard())
    async with serve(router, token=CHARLIE) as client:
        yield client


async def fill(store: TimeSeriesStore) -> None:
    """Write three series of one metric in a row, and one of another with its own times."""
    layout = RowLayout(
        [
            Labels.of({"__name__": "requests_total"}, job="api", path=path)
            for path in ("/", "/a", "/bb")
        ]
    )
    await store.append_row("api", layout, NOW_MS, np.array([1.0, 2.0, 3.0]))
    up = Labels.of({"__name__": "up"}, job="api")
    await store.append_samples([(up, *arrays({NOW_MS - 60_000: 1.0}))])


async def test_counts_what_the_series_come_from(
    store: TimeSeriesStore, client: httpx.AsyncClient
) -> None:
    await fill(store)

    body = (await client.get("/api/monitor/cardinality")).json()

    assert (body["series"], body["metrics"], body["labels"], body["label_pairs"]) == (4, 2, 3, 6)
    assert body["oldest_sample_at"] < body["newest_sample_at"]
    assert body["by_metric"] == [
        {
            "metric": "requests_total",
            "series": 3,
            "share": 0.75,
            "type": "counter",
            "help": "Requests.",
        },
        {"metric": "up", "series": 1, "share": 0.25, "type": None, "help": None},
    ]
    assert body["by_label"][0] == {"label": "path", "values": 3}
    assert {"label": "path", "size_bytes": 6} in body["by_label_bytes"]
    assert body["by_pair"][0] == {"label": "job", "value": "api", "series": 4, "share": 1.0}


async def test_lists_are_cut_to_the_limit(
    store: TimeSeriesStore, client: httpx.AsyncClient
) -> None:
    await fill(store)

    body = (await client.get("/api/monitor/cardinality", params={"limit": 1})).json()

    assert [len(body[key]) for key in ("by_metric", "by_label", "by_label_bytes", "by_pair")] == [
        1,
        1,
        1,
        1,
    ]
    assert body["series"] == 4


async def test_tells_which_label_of_a_metric_has_many_values(
    store: TimeSeriesStore, client: httpx.AsyncClient
) -> None:
    await fill(store)

    body = (await client.get("/api/monitor/cardinality/requests_total", params={"limit": 2})).json()

    assert (body["series"], body["type"]) == (3, "counter")
    path, job = body["labels"]
    assert (path["label"], path["values"], path["series"], path["size_bytes"]) == ("path", 3, 3, 6)
    assert path["top_values"] == [{"value": "/", "series": 1}, {"value": "/a", "series": 1}]
    assert (job["label"], job["values"]) == ("job", 1)


async def test_an_empty_store_and_an_unknown_metric(client: httpx.AsyncClient) -> None:
    everything = await client.get("/api/monitor/cardinality")
    unknown = await client.get("/api/monitor/cardinality/nosuch")
    too_many = await client.get("/api/monitor/cardinality", params={"limit": 1000})

    assert everything.json()["series"] == 0
    assert everything.json()["oldest_sample_at"] is None
    assert unknown.status_code == 404
    assert too_many.status_code == 422


async def test_a_sealed_block_counts_as_the_head_does(
    store: TimeSeriesStore, client: httpx.AsyncClient
) -> None:
    await fill(store)
    before = (await client.get("/api/monitor/cardinality")).json()

    store.seal(NOW_MS + 1)

    assert (await client.get("/api/monitor/cardinality")).json() == before
