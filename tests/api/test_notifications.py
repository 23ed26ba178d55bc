import pytest
from fastapi import APIRouter

from resumatch_monitor.api.notifications import build_router
from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.text import render_text
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import START, make_alert, make_dispatcher
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio


async def render_plainly(notification: Notification) -> str:
    return render_text(notification, NO_DIAGNOSIS, Links(""))


class Scene:
    """Failed and waiting deliveries, and the routes."""

    def __init__(self, database: Database, clock: FakeClock, ids: SequentialIds) -> None:
        self.store = SqlOutbox(database)
        self.retried = 0
        self._clock = clock
        self._dispatcher = make_dispatcher(database, clock, ids)

    async def fill(self) -> None:
        await self._dispatcher.load()
        await self._dispatcher.put([make_alert(), make_alert("Other")])
        await self._dispatcher.flush_due()
        await self.store.mark(1, Outcome(at=START, is_sent=False, error="404 no_service"))

    @property
    def router(self) -> APIRouter:
        return build_router(
            deliveries=self.store,
            log=self.store,
            render_message=render_plainly,
            on_retry=self.count,
            clock=self._clock,
            guard=make_guard(),
        )

    def count(self) -> None:
        self.retried += 1


@pytest.fixture
async def scene(database: Database, clock: FakeClock, ids: SequentialIds) -> Scene:
    scene = Scene(database, clock, ids)
    await scene.fill()
    return scene


async def test_lists_newest_first_and_by_status(scene: Scene) -> None:
    async with serve(scene.router, token=CHARLIE) as client:
        page = (await client.get("/api/monitor/notifications?limit=1")).json()
        url = f"/api/monitor/notifications?limit=1&cursor={page['next_cursor']}"
        rest = (await client.get(url)).json()
        failed = (await client.get("/api/monitor/notifications?status=failed")).json()

    assert [each["id"] for each in page["items"] + rest["items"]] == ["2", "1"]
    assert rest["next_cursor"] is None
    (item,) = failed["items"]
    assert item == {
        "id": "1",
        "receiver": "default",
        "integration": "webhook",
        "destination": "somewhere/…",
        "status": "failed",
        "kind": "firing",
        "title": item["title"],
        "created_at": "2026-01-05T12:00:00.000Z",
        "sent_at": None,
        "attempts": 1,
        "last_error": "404 no_service",
        "detail": None,
        "fallback_of": None,
        "fell_back_to": [],
        "drill_id": None,
        "next_attempt_at": None,
        "alerts": item["alerts"],
    }
    assert [each["status"] for each in item["alerts"]] == ["firing"]


async def test_an_editor_has_a_failed_one_sent_again(scene: Scene) -> None:
    async with serve(scene.router, token=BOB) as client:
        first = await client.post("/api/monitor/notifications/1/retry")
        second = await client.post("/api/monitor/notifications/1/retry")

    assert (first.status_code, first.json()["status"]) == (200, "queued")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "not_failed")
    assert scene.retried == 1


async def test_a_viewer_retries_nothing(scene: Scene) -> None:
    async with serve(scene.router, token=CHARLIE) as client:
        assert (await client.post("/api/monitor/notifications/1/retry")).status_code == 403


@pytest.mark.parametrize("notification_id", ["99", "x", "9" * 30])
async def test_what_is_not_there_is_not_found(scene: Scene, notification_id: str) -> None:
    async with serve(scene.router) as client:
        retried = await client.post(f"/api/monitor/notifications/{notification_id}/retry")
        shown = await client.get(f"/api/monitor/notifications/{notification_id}")

    assert (retried.status_code, shown.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", ["1"]),
        ("receiver=default", ["2", "1"]),
        ("receiver=other", []),
        ("integration=webhook&text=Other", ["2"]),
        ("text=no_service", ["1"]),
        ("from=2026-01-05T12:00:00Z&to=now-1s", []),
        ("from=now-1h", ["2", "1"]),
    ],
)
async def test_finds_what_people_look_for(scene: Scene, query: str, expected: list[str]) -> None:
    async with serve(scene.router, token=CHARLIE) as client:
        page = (await client.get(f"/api/monitor/notifications?{query}")).json()

    assert [each["id"] for each in page["items"]] == expected


async def test_shows_the_way_of_a_notification_and_what_it_says(scene: Scene) -> None:
    async with serve(scene.router, token=CHARLIE) as client:
        shown = (await client.get("/api/monitor/notifications/1")).json()

    assert shown["steps"] == [
        {"at": "2026-01-05T12:00:00.000Z", "step": "queued", "detail": ""},
        {"at": "2026-01-05T12:00:00.000Z", "step": "failed", "detail": "404 no_service"},
    ]
    assert shown["message"].startswith("[FIRING:1] DatabaseConnectionFailed (critical)\n")
    assert shown["group_labels"] == {"alertname": "DatabaseConnectionFailed"}
    assert shown["status"] == "failed"


@pytest.mark.parametrize(
    "query",
    ["cursor=x", "status=lost", "limit=0", "limit=999", "from=soon", f"text={'x' * 201}"],
)
async def test_refuses_a_query_that_makes_no_sense(scene: Scene, query: str) -> None:
    async with serve(scene.router) as client:
        answer = await client.get(f"/api/monitor/notifications?{query}")

    assert answer.status_code in (400, 422)
