"""`/api/monitor/crons`: jobs and runs, page by page, and what is done about them."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest

from resumatch_monitor.api.crons import CronSources, build_router
from resumatch_monitor.crons.reading import read_check_in
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.crons import SqlCheckInStore
from resumatch_monitor.storage.sql.crons_desk import SqlJobDesk
from resumatch_monitor.storage.sql.crons_incidents import IncidentBook
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

CRONS = "/api/monitor/crons"
CONFIG = {"schedule": {"type": "crontab", "value": "0 * * * *"}, "timezone": "Europe/Paris"}


@pytest.fixture
async def client(database: Database) -> AsyncGenerator[httpx.AsyncClient]:
    clock = FakeClock()
    store = SqlCheckInStore(database, IncidentBook(severity="warning", slug_of=lambda _: "shop"))
    said: list[dict[str, Any]] = [
        {"monitor_slug": "backup", "status": "ok", "monitor_config": CONFIG, "duration": 2.5},
        {"monitor_slug": "backup", "status": "error", "environment": "staging"},
        {"monitor_slug": "report", "status": "in_progress", "check_in_id": "a" * 32},
    ]
    records = [
        ItemRecord(ItemKind.CHECK_IN, 1, f"{n:032x}", clock.now(), orjson.dumps(each))
        for n, each in enumerate(said)
    ]
    await store.record(records, [read_check_in(record) for record in records])
    sources = CronSources(
        store=SqlJobDesk(database, retention=timedelta(days=90)),
        slug_of=lambda _: "shop",
        on_change=lambda: None,
        clock=clock,
    )
    async with serve(build_router(sources=sources, guard=make_guard())) as client:
        yield client


async def test_jobs_are_listed_with_what_is_expected_of_them(client: httpx.AsyncClient) -> None:
    page = (await client.get(CRONS, params={"limit": 1})).json()

    (backup,) = page["items"]
    assert (backup["slug"], backup["project"], backup["status"]) == ("backup", "shop", "failing")
    assert backup["config"]["schedule"] == "0 * * * * (Europe/Paris)"
    assert backup["coming"][0] == "2026-01-05T13:00:00.000Z"
    production, staging = backup["environments"]
    assert production["next_at"] == "2026-01-05T13:00:00.000Z"
    assert (staging["failing_kind"], staging["failures"]) == ("failed", 1)

    following = (await client.get(CRONS, params={"cursor": page["next_cursor"]})).json()
    assert [item["slug"] for item in following["items"]] == ["report"]
    assert following["next_cursor"] is None
    assert following["items"][0]["config"] is None
    assert (await client.get(CRONS, params={"project": 2})).json()["items"] == []


@pytest.mark.parametrize(
    ("asked", "slugs"),
    [
        ({"status": "failing"}, ["backup"]),
        ({"status": "failing", "environment": "production"}, []),
        ({"status": "ok", "environment": "production"}, ["backup"]),
        ({"environment": "staging"}, ["backup"]),
        ({"status": "waiting"}, ["report"]),
        ({"status": "paused"}, []),
        ({"query": "ACK"}, ["backup"]),
        ({"query": "%"}, []),
    ],
)
async def test_jobs_are_filtered(
    client: httpx.AsyncClient, asked: dict[str, str], slugs: list[str]
) -> None:
    page = (await client.get(CRONS, params=asked)).json()

    assert [item["slug"] for item in page["items"]] == slugs
    assert page["environments"] == ["production", "staging"] or "query" in asked
    if set(asked) == {"status"}:
        assert page["counts"] == {"failing": 1, "ok": 0, "waiting": 1, "paused": 0}
    if asked.get("environment") == "production" and slugs:
        assert page["items"][0]["status"] == "ok"


async def test_runs_are_paged_and_filtered(client: httpx.AsyncClient) -> None:
    page = (await client.get(f"{CRONS}/1/backup/runs", params={"limit": 1})).json()
    assert [run["status"] for run in page["items"]] == ["error"]
    parameters = {"cursor": page["next_cursor"], "environment": "production"}
    page = (await client.get(f"{CRONS}/1/backup/runs", params=parameters)).json()

    assert page["items"][0]["duration_seconds"] == 2.5
    page = (await client.get(f"{CRONS}/1/backup/runs", params={"status": "error"})).json()
    assert [run["environment"] for run in page["items"]] == ["staging"]
    assert page["next_cursor"] is None


async def test_a_job_is_muted_paused_and_deleted(client: httpx.AsyncClient) -> None:
    path = f"{CRONS}/1/backup"
    muted = (await client.patch(path, json={"is_muted": True})).json()
    assert (muted["is_muted"], muted["environments"][1]["failing_since"]) == (True, None)
    paused = (await client.patch(path, json={"is_paused": True})).json()
    assert (paused["status"], paused["is_muted"], paused["coming"]) == ("paused", True, [])
    assert paused["environments"][0]["next_at"] is None

    viewer = {"Authorization": f"Bearer {CHARLIE}"}
    assert (await client.delete(path, headers=viewer)).status_code == 403
    assert (await client.patch(path, json={}, headers=viewer)).status_code == 403
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/1/nothing", 404),
        ("/9/backup", 404),
        (f"/{10**30}/backup", 404),
        ("/x/backup", 422),
        ("?cursor=x", 400),
        (f"?cursor={10**30}:a", 400),
        (f"?project={10**30}", 422),
        ("?status=broken", 422),
        ("/1/backup/runs?cursor=x", 400),
    ],
)
async def test_nonsense_is_refused(client: httpx.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(CRONS + path)).status_code == status
