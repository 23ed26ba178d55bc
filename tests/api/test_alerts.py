from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.muting.silence import Silence
from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.api.alerts_support import build_alerts_router
from tests.dispatch.builders import START, make_alert, make_dispatcher, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import CHARLIE, serve

pytestmark = pytest.mark.anyio

ALERT = make_alert(value=float("inf"))
PENDING = make_alert("HighResponseTime", severity="warning")


def router(
    database: Database, pending: Sequence[Alert] = (PENDING,), firing: Sequence[Alert] = (ALERT,)
) -> APIRouter:
    return build_alerts_router(database, pending=pending, firing=firing)


async def test_needs_somebody_who_is_known(database: Database) -> None:
    async with serve(router(database), token=None) as client:
        assert (await client.get("/api/monitor/alerts")).status_code == 401


async def test_lists_what_fires(database: Database) -> None:
    await SqlAlerts(database).put([ALERT], at=START)

    async with serve(router(database), token=CHARLIE) as client:
        answer = await client.get("/api/monitor/alerts?status=firing")

    assert answer.json() == {
        "items": [
            {
                "fingerprint": ALERT.fingerprint,
                "name": "DatabaseConnectionFailed",
                "severity": "critical",
                "status": "firing",
                "source": "rule",
                "is_event": False,
                "labels": {"alertname": "DatabaseConnectionFailed", "severity": "critical"},
                "annotations": {"summary": "Database connection failed"},
                "starts_at": "2026-01-05T12:00:00.000Z",
                "ends_at": None,
                "value": None,
                "path": "/explore?expr=up",
                "receivers": ["default"],
                "notified_at": None,
                "state": "firing",
                "mute": None,
                "handling": None,
            }
        ],
        "next_cursor": None,
        "counts": {
            "pending": 1,
            "firing": 1,
            "acknowledged": 0,
            "snoozed": 0,
            "silenced": 0,
            "suppressed": 0,
        },
        "is_cut": False,
        "has_channel": False,
    }


async def test_pages_through_pending_and_stored_alerts_without_a_gap(database: Database) -> None:
    stored = [make_alert(n=str(number)) for number in range(5)]
    pending = [make_alert("Waiting", n=str(number)) for number in range(5)]
    over = [resolve(each, START + timedelta(minutes=1)) for each in stored[3:]]
    await SqlAlerts(database).put([*stored, *over], at=START)

    for limit in (1, 2, 3, 5, 7):
        seen: list[str] = []
        cursor = ""
        async with serve(router(database, pending, stored[:3])) as client:
            for _ in range(20):
                url = f"/api/monitor/alerts?limit={limit}&cursor={cursor}"
                page: dict[str, Any] = (await client.get(url)).json()
                seen.extend(each["fingerprint"] for each in page["items"])
                cursor = page["next_cursor"]
                if cursor is None:
                    break
        assert sorted(seen) == sorted(each.fingerprint for each in [*stored, *pending])


async def test_lists_only_pending_ones(database: Database) -> None:
    await SqlAlerts(database).put([ALERT], at=START)

    async with serve(router(database)) as client:
        page = (await client.get("/api/monitor/alerts?status=pending")).json()
        other = (await client.get("/api/monitor/alerts?status=pending&severity=info")).json()

    assert [each["status"] for each in page["items"]] == ["pending"]
    assert other["items"] == []


async def test_an_event_is_shown_as_over(database: Database) -> None:
    await SqlAlerts(database).put([make_alert("NewIssue", is_event=True)], at=START)

    async with serve(router(database)) as client:
        (item,) = (await client.get("/api/monitor/alerts?status=resolved")).json()["items"]

    assert (item["status"], item["ends_at"], item["is_event"]) == (
        "resolved",
        item["starts_at"],
        True,
    )


async def test_shows_an_alert_with_its_past_and_what_was_sent(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()
    await dispatcher.put([ALERT])
    await dispatcher.flush_due()
    await dispatcher.put([resolve(ALERT, START + timedelta(minutes=1))])

    async with serve(router(database)) as client:
        found = (await client.get(f"/api/monitor/alerts/{ALERT.fingerprint}")).json()
        waiting = (await client.get(f"/api/monitor/alerts/{PENDING.fingerprint}")).json()
        missing = await client.get("/api/monitor/alerts/0123456789abcdef")

    assert found["status"] == "resolved"
    assert found["expr"] == "up == 0"
    assert found["notified_at"] == "2026-01-05T12:00:00.000Z"
    assert found["history"] == [
        {
            "starts_at": "2026-01-05T12:00:00.000Z",
            "ends_at": "2026-01-05T12:01:00.000Z",
            "duration_seconds": 60.0,
            "value": None,
            "acknowledged_at": None,
            "acknowledged_by": None,
            "acknowledged_after_seconds": None,
            "handling": None,
        }
    ]
    assert [each["action"] for each in found["timeline"]] == ["fired", "notified", "ended"]
    assert [each["kind"] for each in found["notifications"]] == ["firing"]
    assert waiting["status"] == "pending"
    assert missing.status_code == 404


@pytest.mark.parametrize(
    "cursor", ["x", "l", "lx", "lWzFd", "lIng", "s1", "s1-2-3", "s999999999999999-1", "p-1"]
)
async def test_a_cursor_that_was_not_given_out_is_refused(database: Database, cursor: str) -> None:
    async with serve(router(database)) as client:
        assert (await client.get(f"/api/monitor/alerts?cursor={cursor}")).status_code == 400


async def test_a_past_occurrence_has_a_page_of_its_own(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()
    for _ in range(3):
        alert = make_alert(starts_at=clock.now())
        await dispatcher.put([alert])
        await dispatcher.flush_due()
        await clock.advance(60)
        await dispatcher.put([resolve(alert, clock.now())])
        await dispatcher.flush_due()
        await clock.advance(7200)
    url = f"/api/monitor/alerts/{ALERT.fingerprint}"

    async with serve(router(database, pending=[make_alert()])) as client:
        first = (await client.get(f"{url}?starts_at=2026-01-05T12:00:00Z")).json()
        waiting = (await client.get(url)).json()
        missing = await client.get(f"{url}?starts_at=2026-01-05T12:00:01Z")
        wrong = await client.get(f"{url}?starts_at=then")

    assert (first["starts_at"], first["state"]) == ("2026-01-05T12:00:00.000Z", "resolved")
    assert sorted(each["action"] for each in first["timeline"]) == [
        "ended",
        "fired",
        "notified",
        "notified",
    ]
    assert waiting["state"] == "pending"
    assert (missing.status_code, wrong.status_code) == (404, 400)


async def test_pages_through_the_past_of_an_alert(database: Database) -> None:
    store = SqlAlerts(database)
    for number in range(5):
        alert = make_alert(starts_at=START + timedelta(hours=number))
        await store.put([alert, resolve(alert, alert.starts_at)], at=alert.starts_at)
    url = f"/api/monitor/alerts/{ALERT.fingerprint}/history"

    seen: list[str] = []
    async with serve(router(database)) as client:
        cursor = ""
        while cursor is not None:
            page = (await client.get(f"{url}?limit=2&cursor={cursor}")).json()
            seen.extend(each["starts_at"][11:13] for each in page["items"])
            cursor = page["next_cursor"]
        wrong = await client.get(f"{url}?cursor=999999999999999999")

    assert seen == ["16", "15", "14", "13", "12"]
    assert wrong.status_code == 400


async def test_an_alert_tells_everything_that_holds_it_back(database: Database) -> None:
    await SqlAlerts(database).put([ALERT], at=START)
    silenced = Mute(MuteKind.SILENCED, "1", "silenced by ada")
    others = [silenced, Mute(MuteKind.INHIBITED, "2", "inhibited by another")]
    routes = build_alerts_router(database, mute_of=lambda _alert, _now: silenced, mutes=others)

    async with serve(routes) as client:
        shown = (await client.get(f"/api/monitor/alerts/{ALERT.fingerprint}")).json()

    assert shown["mute"] == shown["mutes"][0]
    assert [each["kind"] for each in shown["mutes"]] == ["silenced", "inhibited"]


async def test_a_silence_made_anywhere_is_in_the_timeline(database: Database) -> None:
    await SqlAlerts(database).put([ALERT], at=START)
    clock = FakeClock(start=START + timedelta(hours=2))
    silence = Silence(
        id="1",
        matchers=(Matcher("alertname", MatchOp.EQUAL, ALERT.name),),
        starts_at=START + timedelta(minutes=5),
        ends_at=START + timedelta(minutes=30),
        created_by="ada",
        comment="planned",
        created_at=START,
        updated_at=START,
        ended_by="bob",
    )
    other = replace(silence, id="2", matchers=(Matcher("alertname", MatchOp.EQUAL, "Other"),))
    await SqlSilences(database).save([silence, other])

    async with serve(build_alerts_router(database, clock=clock), token=CHARLIE) as client:
        shown = (await client.get(f"/api/monitor/alerts/{ALERT.fingerprint}")).json()

    steps = [(each["action"], each["actor"], each["text"]) for each in shown["timeline"]]
    assert steps == [
        ("fired", None, None),
        ("silenced", "ada", "until 2026-01-05 12:30 UTC: planned"),
        ("unsilenced", "bob", None),
    ]
