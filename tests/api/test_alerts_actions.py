import json
from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handling import SqlHandlings
from tests.api.alerts_support import build_alerts_router
from tests.dispatch.builders import START, make_alert, make_dispatcher, resolve
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, serve

pytestmark = pytest.mark.anyio

ALERT = make_alert()
ONE = f"/api/monitor/alerts/{ALERT.fingerprint}"
ALL = "/api/monitor/alerts/actions"
JSON = {"Content-Type": "application/json"}
NOTHING: dict[str, Any] = {
    "acknowledged_at": None,
    "acknowledged_by": None,
    "snoozed_until": None,
    "assignee": None,
    "resolved_at": None,
    "resolved_by": None,
    "outcome": None,
}


@pytest.fixture
async def database(database: Database) -> Database:
    await SqlAlerts(database).put([ALERT], at=START)
    return database


async def test_a_viewer_reads_and_does_not_act(database: Database) -> None:
    async with serve(build_alerts_router(database), token=CHARLIE) as client:
        answers = [
            await client.post(f"{ONE}/actions", json={"action": "acknowledge"}),
            await client.post(ALL, json={"action": "acknowledge", "fingerprints": []}),
            await client.put(f"{ONE}/outcome", json={"outcome": "noise"}),
        ]

    assert [each.status_code for each in answers] == [403, 403, 403]


async def test_an_editor_acknowledges_and_everybody_sees_it(database: Database) -> None:
    router = build_alerts_router(database, firing=[ALERT])
    async with serve(router, token=BOB) as client:
        first = await client.post(f"{ONE}/actions", json={"action": "acknowledge"})
        second = await client.post(f"{ONE}/actions", json={"action": "acknowledge"})
        shown = (await client.get(ONE)).json()
        found = (await client.get("/api/monitor/alerts?state=acknowledged")).json()

    handling = {
        **NOTHING,
        "acknowledged_at": "2026-01-05T12:00:00.000Z",
        "acknowledged_by": "bob@example.org",
    }
    assert first.json() == {
        "fingerprint": ALERT.fingerprint,
        "status": "changed",
        "code": None,
        "message": None,
        "handling": handling,
    }
    assert second.json()["status"] == "unchanged"
    assert (shown["state"], shown["status"], shown["handling"]) == (
        "acknowledged",
        "firing",
        handling,
    )
    assert [(each["action"], each["actor"], each["via"]) for each in shown["timeline"]] == [
        ("fired", None, "monitor"),
        ("acknowledged", "bob@example.org", "ui"),
    ]
    assert [each["fingerprint"] for each in found["items"]] == [ALERT.fingerprint]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"action": "snooze", "duration": "2h"}, {"snoozed_until": "2026-01-05T14:00:00.000Z"}),
        ({"action": "snooze", "until": "now+1d"}, {"snoozed_until": "2026-01-06T12:00:00.000Z"}),
        ({"action": "assign", "assignee": "ada"}, {"assignee": "ada"}),
        ({"action": "comment", "text": "looking"}, {}),
    ],
)
async def test_an_alert_can_be(
    database: Database, body: dict[str, str], expected: dict[str, str]
) -> None:
    async with serve(build_alerts_router(database), token=BOB) as client:
        answer = await client.post(f"{ONE}/actions", json=body)

    assert answer.json()["handling"] == {**NOTHING, **expected}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"action": "explode"}, 422, "invalid_request"),
        ({"action": "acknowledge", "color": "red"}, 422, "invalid_request"),
        ({"action": "comment", "text": "x" * 4097}, 422, "invalid_request"),
        ({"action": "comment", "text": "\ud800"}, 422, "invalid_request"),
        ({"action": "comment"}, 400, "invalid"),
        ({"action": "assign"}, 400, "bad_request"),
        ({"action": "acknowledge", "assignee": "ada"}, 400, "bad_request"),
        ({"action": "acknowledge", "until": "now+1h"}, 400, "bad_request"),
        ({"action": "snooze"}, 400, "invalid"),
        ({"action": "snooze", "duration": "0s"}, 400, "invalid"),
        ({"action": "snooze", "duration": "31d"}, 400, "invalid"),
        ({"action": "snooze", "duration": "99999y"}, 400, "bad_request"),
        ({"action": "snooze", "duration": "long"}, 400, "bad_request"),
        ({"action": "snooze", "until": "tomorrow"}, 400, "bad_request"),
        ({"action": "snooze", "until": "now+1h", "duration": "1h"}, 400, "bad_request"),
        ({"action": "acknowledge", "starts_at": "now-7d"}, 404, "not_found"),
    ],
)
async def test_an_action_that_cannot_be_understood_is_refused(
    database: Database, body: dict[str, str], status: int, code: str
) -> None:
    async with serve(build_alerts_router(database), token=BOB) as client:
        # As `json.dumps` writes it: half of a surrogate pair becomes an escape.
        answer = await client.post(f"{ONE}/actions", content=json.dumps(body), headers=JSON)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_is_over_is_judged_but_not_acknowledged(database: Database) -> None:
    await SqlAlerts(database).put([resolve(ALERT, START + timedelta(minutes=5))], at=START)
    event = make_alert("NewIssue", is_event=True)
    await SqlAlerts(database).put([event], at=START)
    snooze = {"action": "snooze", "duration": "1h"}

    async with serve(build_alerts_router(database), token=BOB) as client:
        over = await client.post(f"{ONE}/actions", json={"action": "acknowledge"})
        happened = await client.post(
            f"/api/monitor/alerts/{event.fingerprint}/actions", json=snooze
        )
        judged = await client.put(
            f"{ONE}/outcome", json={"outcome": "noise", "starts_at": "2026-01-05T12:00:00Z"}
        )
        (past,) = (await client.get(ONE)).json()["history"]

    assert (over.status_code, over.json()["error"]["code"]) == (409, "over")
    assert (happened.status_code, happened.json()["error"]["code"]) == (409, "event")
    assert judged.json()["handling"] == {**NOTHING, "outcome": "noise"} == past["handling"]


async def test_several_firings_are_judged_at_once(database: Database) -> None:
    past = make_alert("SlowMatching")
    for alert in (past, resolve(past, START + timedelta(minutes=1))):
        await SqlAlerts(database).put([alert], at=alert.ends_at or START)
    async with serve(build_alerts_router(database, firing=[ALERT]), token=BOB) as client:
        answer = await client.put(
            "/api/monitor/alerts/outcomes",
            json={
                "outcome": "noise",
                "occurrences": [
                    {"fingerprint": ALERT.fingerprint},
                    {"fingerprint": past.fingerprint, "starts_at": past.starts_at.isoformat()},
                    {"fingerprint": "0123456789abcdef"},
                ],
            },
        )
        shown = [
            (await client.get(f"/api/monitor/alerts/{each.fingerprint}")).json()
            for each in (ALERT, past)
        ]
        broken = await client.put(
            "/api/monitor/alerts/outcomes",
            json={
                "outcome": "real",
                "occurrences": [{"fingerprint": ALERT.fingerprint, "starts_at": "yesterday"}],
            },
        )

    results = answer.json()
    assert [each["status"] for each in results["results"]] == ["changed", "changed", "refused"]
    assert (results["changed"], results["unchanged"], results["refused"]) == (2, 0, 1)
    assert [each["handling"]["outcome"] for each in shown] == ["noise", "noise"]
    assert broken.status_code == 400
    assert "occurrences.0.starts_at" in broken.json()["error"]["message"]


async def test_many_are_acted_on_at_once_with_a_result_each(database: Database) -> None:
    over = make_alert("Over")
    await SqlAlerts(database).put([over, resolve(over, START)], at=START)
    fingerprints = [ALERT.fingerprint, over.fingerprint, "0" * 16, ALERT.fingerprint]

    async with serve(build_alerts_router(database), token=BOB) as client:
        body = {"action": "acknowledge", "fingerprints": fingerprints}
        answer = (await client.post(ALL, json=body)).json()

    assert [(each["status"], each["code"]) for each in answer["results"]] == [
        ("changed", None),
        ("refused", "over"),
        ("refused", "not_found"),
    ]
    assert (answer["changed"], answer["unchanged"], answer["refused"]) == (1, 0, 2)


async def test_matchers_select_what_fires(database: Database) -> None:
    team_a = [make_alert(n=str(number), team="a") for number in range(3)]
    await SqlAlerts(database).put(team_a, at=START)

    async with serve(build_alerts_router(database, firing=[ALERT, *team_a]), token=BOB) as client:
        body = {"action": "acknowledge", "matchers": ['team="a"', 'n=~"0|1"']}
        answer = (await client.post(ALL, json=body)).json()

    assert {each["fingerprint"] for each in answer["results"]} == {
        each.fingerprint for each in team_a[:2]
    }


@pytest.mark.parametrize(
    ("selection", "status"),
    [
        ({}, 400),
        ({"fingerprints": [], "matchers": ['a="b"']}, 400),
        ({"matchers": []}, 422),
        ({"matchers": ["a b"]}, 400),
        ({"matchers": ['a=~"("']}, 400),
        ({"fingerprints": ["x"]}, 422),
        ({"fingerprints": ["0" * 16] * 1001}, 422),
    ],
)
async def test_a_selection_that_cannot_be_understood_is_refused(
    database: Database, selection: dict[str, Any], status: int
) -> None:
    async with serve(build_alerts_router(database), token=BOB) as client:
        answer = await client.post(ALL, json={"action": "acknowledge", **selection})

    assert answer.status_code == status


async def test_no_more_than_a_thousand_at_once(database: Database) -> None:
    firing = [make_alert(n=str(number)) for number in range(1001)]

    async with serve(build_alerts_router(database, firing=firing), token=BOB) as client:
        body = {"action": "acknowledge", "matchers": ['severity="critical"']}
        answer = await client.post(ALL, json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many")


async def test_what_a_person_resolves_ends_and_stays_quiet_for_a_while(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    dispatcher = make_dispatcher(database, clock, ids)
    await dispatcher.load()

    handlings = Handlings(store=SqlHandlings(database), clock=clock, close=dispatcher.close_all)
    router = build_alerts_router(database, clock=clock, handlings=handlings)
    async with serve(router, token=BOB) as client:
        body = {"action": "resolve", "duration": "2h", "text": "a false one"}
        answer = await client.post(f"{ONE}/actions", json=body)
        await dispatcher.put([ALERT])
        shown = (await client.get(ONE)).json()
        again = await client.post(f"{ONE}/actions", json=body)

    assert answer.json()["handling"]["resolved_by"] == "bob@example.org"
    assert (shown["state"], shown["ends_at"]) == ("resolved", "2026-01-05T12:00:00.000Z")
    assert {each["action"] for each in shown["timeline"]} == {"fired", "resolved", "ended"}
    assert (again.status_code, again.json()["error"]["code"]) == (409, "over")


async def test_what_is_pending_cannot_be_handled_and_the_answer_says_why(
    database: Database,
) -> None:
    await SqlAlerts(database).put([resolve(ALERT, START)], at=START)
    waiting = make_alert("Waits")
    router = build_alerts_router(database, pending=[ALERT, waiting])
    acknowledge = {"action": "acknowledge"}
    async with serve(router, token=BOB) as client:
        never_fired = await client.post(
            f"/api/monitor/alerts/{waiting.fingerprint}/actions", json=acknowledge
        )
        fired_before = await client.post(f"{ONE}/actions", json=acknowledge)
        past = await client.post(
            f"{ONE}/actions", json={**acknowledge, "starts_at": "2026-01-05T12:00:00Z"}
        )
        many = await client.post(
            ALL,
            json={**acknowledge, "fingerprints": [waiting.fingerprint, "0" * 16]},
        )

    assert [each.status_code for each in (never_fired, fired_before, past)] == [409] * 3
    codes = [each.json()["error"]["code"] for each in (never_fired, fired_before, past)]
    assert codes == ["pending", "pending", "over"]
    assert "before it fires" in never_fired.json()["error"]["message"]
    assert [each["code"] for each in many.json()["results"]] == ["pending", "not_found"]
