from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from resumatch_monitor.api.prometheus_admin import build_router
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import RowLayout, StoreFullError
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.storage.tsdb.support import NOW_MS, open_store, read_all
from tests.support.clock import FakeClock
from tests.support.web import ALICE, BOB, make_guard, serve

pytestmark = pytest.mark.anyio

DELETE = "/api/v1/admin/tsdb/delete_series"
CLEAN = "/api/v1/admin/tsdb/clean_tombstones"
SNAPSHOT = "/api/v1/admin/tsdb/snapshot"
A, B = Labels.of(__name__="a"), Labels.of(__name__="b")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TimeSeriesStore]:
    store = open_store(tmp_path / "metrics")
    yield store
    store.close()


@pytest.fixture
async def client(store: TimeSeriesStore, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    for step in range(3):
        values = np.array([1.0, 2.0])
        await store.append_row("x", RowLayout([A, B]), NOW_MS + step * 1000 - 3000, values)
    async with serve(build_router(admin=store, guard=make_guard(), clock=clock)) as client:
        yield client


def times_of(store: TimeSeriesStore) -> dict[str, list[int]]:
    """Return how many milliseconds before now the samples of each metric are."""
    return {
        labels.metric_name: [NOW_MS - time for time in samples]
        for labels, samples in read_all(store).items()
    }


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_deletes_what_matches_in_the_period(
    client: httpx.AsyncClient, store: TimeSeriesStore, method: str
) -> None:
    end = NOW_MS / 1000 - 2
    answer = await client.request(method, DELETE, params={"match[]": "a", "end": end})

    assert (answer.status_code, answer.content) == (204, b"")
    assert times_of(store) == {"a": [1000], "b": [3000, 2000, 1000]}


async def test_deletes_what_any_selector_of_a_form_matches(
    client: httpx.AsyncClient, store: TimeSeriesStore
) -> None:
    answer = await client.post(DELETE, data={"match[]": ["a", '{__name__=~"b|c"}']})

    assert answer.status_code == 204
    assert times_of(store) == {}


async def test_a_period_that_ends_before_it_starts_deletes_nothing(
    client: httpx.AsyncClient, store: TimeSeriesStore
) -> None:
    answer = await client.post(DELETE, params={"match[]": "a", "start": 2, "end": 1})

    assert answer.status_code == 204
    assert len(times_of(store)) == 2


async def test_what_is_deleted_can_be_cleaned_away(
    client: httpx.AsyncClient, store: TimeSeriesStore
) -> None:
    store.seal(NOW_MS)
    await client.post(DELETE, params={"match[]": "a"})

    answer = await client.post(CLEAN)

    assert answer.status_code == 204
    assert set(times_of(store)) == {"b"}


async def test_a_snapshot_is_a_store_of_its_own(client: httpx.AsyncClient, tmp_path: Path) -> None:
    answer = await client.post(SNAPSHOT, params={"skip_head": "false"})

    name = answer.json()["data"]["name"]
    copy = open_store(tmp_path / "metrics" / "snapshots" / name)
    assert times_of(copy) == {"a": [3000, 2000, 1000], "b": [3000, 2000, 1000]}
    copy.close()


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        (DELETE, {}, "no match[] parameter provided"),
        (DELETE, {"match[]": "{}"}, "at least one non-empty matcher"),
        (DELETE, {"match[]": "a", "start": "x"}, "Invalid time value for 'start'"),
        (SNAPSHOT, {"skip_head": "maybe"}, 'invalid parameter "skip_head"'),
    ],
)
async def test_says_what_is_wrong(
    client: httpx.AsyncClient, path: str, params: dict[str, str], text: str
) -> None:
    answer = await client.post(path, params=params)

    assert answer.status_code == 400
    assert answer.json()["errorType"] == "bad_data"
    assert text in answer.json()["error"]


@pytest.mark.parametrize("path", [DELETE, CLEAN, SNAPSHOT])
async def test_only_admins_may(client: httpx.AsyncClient, path: str) -> None:
    as_editor = {"Authorization": f"Bearer {BOB}"}
    by_get = {"Authorization": f"Bearer {ALICE}"}

    assert (await client.post(path, headers=as_editor)).status_code == 403
    assert (await client.get(path, headers=by_get)).status_code == 405


class FullStore:
    """A store on a disk without room."""

    async def delete_series(self, matchers: object, start_ms: int, end_ms: int) -> int:
        raise StoreFullError("the disk is full")

    async def clean_tombstones(self) -> None:
        raise StoreFullError("the disk is full")

    async def snapshot(self) -> str:
        raise StoreFullError("the disk is full")


@pytest.mark.parametrize("has_store", [True, False])
async def test_a_store_that_cannot_is_unavailable(clock: FakeClock, has_store: bool) -> None:
    admin = FullStore() if has_store else None
    async with serve(build_router(admin=admin, guard=make_guard(), clock=clock)) as client:
        for path in (DELETE, CLEAN, SNAPSHOT):
            answer = await client.post(path, params={"match[]": "a"})

            assert answer.status_code == (503 if has_store else 501)
            assert answer.json()["errorType"] == "unavailable"
            expected = "the disk is full" if has_store else "another server"
            assert expected in answer.json()["error"]
