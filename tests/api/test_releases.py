"""`/api/monitor/releases`: health, adoption, deploys, and the series that rules may use."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from resumatch_monitor.api.releases import ReleaseSources, build_router
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.samples import SampleBatch
from resumatch_monitor.releases.model import Deploy
from resumatch_monitor.releases.series import CrashFreeSeries
from resumatch_monitor.releases.sessions import read_sessions
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.release_health import SqlHealthReader
from resumatch_monitor.storage.sql.releases_book import SqlReleaseBook
from resumatch_monitor.storage.sql.sessions import SqlSessionStore
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore
from tests.rules.support import World, make_group, make_rule
from tests.support.clock import FakeClock
from tests.support.web import make_guard, serve

pytestmark = pytest.mark.anyio

RELEASES = "/api/monitor/releases"


@pytest.fixture
async def client(database: Database, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    now = clock.now()
    started = (now - timedelta(hours=2)).isoformat()
    said: list[tuple[str, dict[str, Any]]] = [
        ("org/shop@1.0", {"started": started, "exited": 6, "errored": 1, "crashed": 1}),
        ("org/shop@2.0", {"started": now.isoformat(), "exited": 2}),
    ]
    records = [
        ItemRecord(
            ItemKind.SESSIONS,
            1,
            f"{number:032x}",
            now,
            orjson.dumps({"attrs": {"release": version}, "aggregates": [counts]}),
        )
        for number, (version, counts) in enumerate(said)
    ]
    updates = [update for record in records for update in read_sessions(record)]
    await SqlSessionStore(database).record(records, updates)
    book = SqlReleaseBook(database)
    await book.add_deploys([Deploy(0, 1, "org/shop@1.0", "live", now, now, name="first")])
    sources = ReleaseSources(
        reader=SqlHealthReader(database),
        new_issues=book,
        deploys=book,
        slug_of=lambda _: "shop",
        clock=clock,
    )
    async with serve(build_router(sources=sources, guard=make_guard())) as client:
        yield client


async def test_releases_are_listed_with_health_and_adoption(client: httpx.AsyncClient) -> None:
    page = (await client.get(RELEASES, params={"limit": 1})).json()
    (newest,) = page["items"]
    assert (newest["version"], newest["adoption"]) == ("org/shop@2.0", 0.2)

    page = (await client.get(RELEASES, params={"limit": 1, "cursor": page["next_cursor"]})).json()
    (first,) = page["items"]
    assert first["health"] == {
        "sessions": 8,
        "errored": 1,
        "abnormal": 0,
        "crashed": 1,
        "users": 0,
        "crash_free_sessions": 0.875,
        "crash_free_users": None,
    }
    assert (first["adoption"], first["new_issues"], first["regressed_issues"]) == (0.8, 0, 0)
    assert page["next_cursor"] is None

    quiet = (await client.get(RELEASES, params={"environment": "staging"})).json()["items"]
    assert [item["adoption"] for item in quiet] == [None, None]


@pytest.mark.parametrize(
    ("asked", "versions"),
    [
        ({"query": "SHOP@1"}, ["org/shop@1.0"]),
        ({"query": "shop_2"}, []),
        ({"status": "in_use"}, ["org/shop@2.0", "org/shop@1.0"]),
        ({"status": "in_use", "hours": "1"}, ["org/shop@2.0"]),
        ({"status": "in_use", "environment": "staging"}, []),
    ],
)
async def test_releases_are_filtered(
    client: httpx.AsyncClient, asked: dict[str, str], versions: list[str]
) -> None:
    page = (await client.get(RELEASES, params=asked)).json()

    assert [item["version"] for item in page["items"]] == versions
    assert page["environments"] == ["production"]


async def test_a_release_is_shown_with_its_hours_and_deploys(client: httpx.AsyncClient) -> None:
    release = (await client.get(f"{RELEASES}/1/org/shop@1.0")).json()

    assert release["series"] == {"total": [8], "crashed": [1]}
    assert release["environments"][0]["name"] == "production"
    assert [deploy["name"] for deploy in release["deploys"]] == ["first"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/1/nothing", 404),
        (f"/{10**30}/x", 404),
        ("/x/y", 422),
        ("?hours=0", 422),
        ("?hours=169", 422),
        ("?cursor=x", 400),
    ],
)
async def test_nonsense_is_refused(client: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(RELEASES + path)).status_code == status


class Samples:
    """Remembers what was written."""

    def __init__(self) -> None:
        self.written: dict[str, float] = {}

    async def append_batch(self, batch: SampleBatch) -> None:
        for number, labels in enumerate(batch.labels):
            key = f"{labels.get('__name__', '')} {labels.get('release', '')}"
            self.written[key] = float(batch.values[batch.offsets[number]])


@pytest.mark.usefixtures("client")
async def test_rates_become_series(database: Database, clock: FakeClock) -> None:
    samples = Samples()
    series = CrashFreeSeries(
        reader=SqlHealthReader(database),
        sink=samples,
        metadata=MetadataStore(),
        slug_of=lambda _: "shop",
        clock=clock,
    )
    await series.write()

    assert samples.written == {
        "release_crash_free_sessions_ratio org/shop@1.0": 0.875,
        "release_crash_free_sessions_ratio org/shop@2.0": 1.0,
        "release_sessions org/shop@1.0": 8.0,
        "release_sessions org/shop@2.0": 2.0,
    }


@pytest.mark.usefixtures("client")
async def test_a_release_that_crashes_too_often_fires_an_alert(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    store = TimeSeriesStore(
        tmp_path / "metrics", clock=clock, telemetry=Telemetry(), retention=timedelta(days=1)
    )
    store.open()
    series = CrashFreeSeries(
        reader=SqlHealthReader(database),
        sink=store,
        metadata=MetadataStore(),
        slug_of=lambda _: "shop",
        clock=clock,
    )
    await series.write()
    world = World(clock, store=store)
    expr = "release_crash_free_sessions_ratio < 0.95 and release_sessions > 5"
    await world.start(make_group(make_rule("Crashes", expr=expr)))
    await world.evaluate()
    await world.stop()
    store.close()

    (alert,) = world.alerts.firing.values()
    assert (alert.name, alert.labels["release"]) == ("Crashes", "org/shop@1.0")
    assert alert.value == pytest.approx(0.875)
