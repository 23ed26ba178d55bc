from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor, Via
from resumatch_monitor.dispatch.handling.handling import Outcome
from resumatch_monitor.dispatch.handling.handlings import Handlings, Request
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.quality import SqlQuality
from tests.api.alerts_support import build_alerts_router
from tests.dispatch.builders import START, make_alert, resolve
from tests.support.clock import FakeClock
from tests.support.web import BOB, CHARLIE, serve

pytestmark = pytest.mark.anyio

URL = "/api/monitor/alerts"
MISSED = {"title": "Nobody could pay", "starts_at": "now-3h", "ends_at": "now-1h"}


async def test_what_no_rule_caught_is_recorded_listed_and_taken_back(database: Database) -> None:
    async with serve(build_alerts_router(database), token=BOB) as client:
        made = await client.post(f"{URL}/missed", json={**MISSED, "name": "PaymentsFail"})
        listed = (await client.get(f"{URL}/missed?name=PaymentsFail")).json()
        other = (await client.get(f"{URL}/missed?name=Other")).json()
        gone = await client.delete(f"{URL}/missed/{made.json()['id']}")
        again = await client.delete(f"{URL}/missed/{made.json()['id']}")
        left = (await client.get(f"{URL}/missed")).json()

    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "title": "Nobody could pay",
        "name": "PaymentsFail",
        "starts_at": "2026-01-05T09:00:00.000Z",
        "ends_at": "2026-01-05T11:00:00.000Z",
        "text": None,
        "created_at": "2026-01-05T12:00:00.000Z",
        "created_by": "bob@example.org",
    }
    assert listed == {"items": [made.json()], "next_cursor": None}
    assert other["items"] == left["items"] == []
    assert (gone.status_code, again.status_code) == (204, 404)


async def test_pages_through_what_was_missed(database: Database) -> None:
    seen: list[str] = []
    async with serve(build_alerts_router(database), token=BOB) as client:
        for number in range(5):
            await client.post(f"{URL}/missed", json={**MISSED, "title": f"T{number}"})
        cursor = ""
        while cursor is not None:
            page = (await client.get(f"{URL}/missed?limit=2&cursor={cursor}")).json()
            seen.extend(each["title"] for each in page["items"])
            cursor = page["next_cursor"]

    assert sorted(seen) == [f"T{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"title": ""}, 422),
        ({"title": None}, 422),
        ({"extra": 1}, 422),
        ({"starts_at": "now"}, 400),
        ({"ends_at": "now+1h"}, 400),
        ({"ends_at": "soon"}, 400),
        ({"text": "x" * 4097}, 422),
    ],
)
async def test_a_record_that_cannot_be_is_refused(
    database: Database, change: dict[str, Any], status: int
) -> None:
    async with serve(build_alerts_router(database), token=BOB) as client:
        answer = await client.post(f"{URL}/missed", json={**MISSED, **change})

    assert answer.status_code == status


@pytest.mark.parametrize("cursor", ["x", "5", "5-", "-a", "999999999999999999-a"])
async def test_a_cursor_that_was_not_given_out_is_refused(database: Database, cursor: str) -> None:
    async with serve(build_alerts_router(database)) as client:
        assert (await client.get(f"{URL}/missed?cursor={cursor}")).status_code == 400


async def test_a_viewer_does_not_record(database: Database) -> None:
    async with serve(build_alerts_router(database), token=CHARLIE) as client:
        answers = [
            await client.post(f"{URL}/missed", json=MISSED),
            await client.delete(f"{URL}/missed/x"),
        ]

    assert [each.status_code for each in answers] == [403, 403]


async def test_quality_counts_outcomes_and_what_was_missed(
    database: Database, clock: FakeClock
) -> None:
    alerts = [make_alert("Noisy", n=str(number)) for number in range(3)]
    over = [resolve(each, START + timedelta(minutes=1)) for each in alerts]
    await SqlAlerts(database).put([*alerts, make_alert("Quiet")], at=START)
    handlings = Handlings(store=SqlHandlings(database), clock=clock)
    ada = Actor("ada", Via.UI)
    await handlings.act(
        [
            Request(alerts[0].fingerprint, Action(ActionKind.ACKNOWLEDGE), ada),
            *(
                Request(each.fingerprint, Action(ActionKind.JUDGE, outcome=outcome), ada)
                for each, outcome in zip(
                    alerts, (Outcome.REAL, Outcome.NOISE, Outcome.NOISE), strict=True
                )
            ),
        ]
    )
    await SqlAlerts(database).put(over, at=START)

    async with serve(build_alerts_router(database), token=BOB) as client:
        await client.post(f"{URL}/missed", json={**MISSED, "name": "Quiet"})
        await client.post(f"{URL}/missed", json=MISSED)
        page = (await client.get(f"{URL}/quality")).json()
        none = (await client.get(f"{URL}/quality?since=now")).json()
        noisy = (await client.get(f"{URL}/{alerts[0].fingerprint}")).json()
        quiet = (await client.get(f"{URL}/{make_alert('Quiet').fingerprint}")).json()

    names = ("name", "occurrences", "acknowledged", "real", "noise", "missed")
    assert [tuple(each[name] for name in names) for each in page["items"]] == [
        ("Noisy", 3, 1, 1, 2, 0),
        ("Quiet", 1, 0, 0, 0, 1),
        (None, 0, 0, 0, 0, 1),
    ]
    assert page["items"][0]["noise_ratio"] == pytest.approx(2 / 3)
    assert [each["name"] for each in none["items"]] == ["Noisy", "Quiet"]
    assert (noisy["figures"]["missed"], noisy["figures"]["real"]) == (0, 1)
    assert quiet["figures"]["missed"] == 1


async def test_what_is_old_is_forgotten(database: Database) -> None:
    store = SqlQuality(database)
    async with serve(build_alerts_router(database), token=BOB) as client:
        await client.post(f"{URL}/missed", json=MISSED)

    assert await store.prune(START - timedelta(hours=2), limit=10) == 0
    assert await store.prune(START, limit=10) == 1
