from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter

from resumatch_monitor.api.receivers import build_router
from resumatch_monitor.dispatch.outbox.store import Outcome
from resumatch_monitor.dispatch.practice.trial import ChannelTester
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notifier import FailureReason, NotifyError
from resumatch_monitor.notify.registry import build_integrations
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import START, Recorder, make_alert, make_dispatcher, make_integration
from tests.notify.catchers import catch_http, catch_mail, json_answer, make_context
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

BASE = "/api/monitor/receivers"
KEY = "0123456789abcdef0123456789abcdef"


def build(
    database: Database,
    clock: FakeClock,
    ids: SequentialIds,
    receivers: Sequence[ReceiverConfig],
    integrations: Any = None,
) -> APIRouter:
    if integrations is None:
        integrations = build_integrations(receivers, make_context())
    return build_router(
        receivers=receivers,
        tester=ChannelTester(integrations, clock=clock, ids=ids),
        log=SqlOutbox(database),
        guard=make_guard(),
    )


async def test_shows_how_each_channel_is_doing(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    receivers = [ReceiverConfig(name="default", fallback="ops"), ReceiverConfig(name="ops")]
    integrations = [make_integration(kind="slack"), make_integration(kind="email")]
    dispatcher = make_dispatcher(database, clock, ids, integrations=integrations)
    await dispatcher.load()
    await dispatcher.put([make_alert()])
    await dispatcher.flush_due()
    store = SqlOutbox(database)
    await store.mark(1, Outcome(START, is_sent=False, error="503 busy", next_attempt_at=START))
    await store.mark(1, Outcome(START + timedelta(seconds=5), is_sent=True, detail="ok"))

    router = build(database, clock, ids, receivers, integrations)
    async with serve(router, token=CHARLIE) as client:
        answer = (await client.get(BASE)).json()

    first, second = answer["items"]
    assert (first["name"], first["fallback"], first["fallback_after_seconds"]) == (
        "default",
        "ops",
        300,
    )
    assert first["integrations"][0] == {
        "id": "default/slack/0",
        "integration": "slack",
        "index": 0,
        "destination": "somewhere/…",
        "send_resolved": True,
        "last_success_at": "2026-01-05T12:00:05.000Z",
        "last_failure": {"at": "2026-01-05T12:00:00.000Z", "error": "503 busy"},
        "waiting": 0,
    }
    assert first["integrations"][1]["waiting"] == 1
    assert first["integrations"][1]["last_failure"] is None
    assert second == {
        "name": "ops",
        "fallback": None,
        "fallback_after_seconds": 300,
        "integrations": [],
    }


async def test_sends_a_real_message_and_says_what_the_provider_said(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    async with catch_http() as catcher, catch_mail() as mails:
        mail = {
            "to": ["alice@example.org"],
            "from": "m@example.org",
            "host": "127.0.0.1",
            "port": mails.port,
            "tls": "none",
        }
        receiver = ReceiverConfig.model_validate(
            {
                "name": "default",
                "email": [mail],
                "slack": [{"webhook_url": f"{catcher.url}/services/T0/secret-path"}],
                "webhook": [{"url": f"{catcher.url}/hook"}],
                "pagerduty": [{"routing_key": KEY, "url": catcher.url}],
            }
        )
        catcher.default = json_answer(202, {"status": "success", "message": "Event processed"})
        router = build(database, clock, ids, [receiver])
        async with serve(router, token=BOB) as client:
            answer = await client.post(f"{BASE}/default/test")

    items = {each["integration"]: each for each in answer.json()["items"]}
    assert all(each["accepted"] for each in items.values())
    assert items["email"]["detail"] == "queued as 42"
    assert items["pagerduty"]["detail"] == "202 Event processed; resolved: 202 Event processed"
    assert "secret-path" not in answer.text
    assert mails.messages[0]["Subject"] == "[DRILL] Test message"
    pages = [each.json for each in catcher.requests if each.path == "/v2/enqueue"]
    assert [each["event_action"] for each in pages] == ["trigger", "resolve"]
    assert pages[0]["dedup_key"] == pages[1]["dedup_key"]
    (hook,) = [each.json for each in catcher.requests if each.path == "/hook"]
    assert hook["alerts"][0]["labels"]["alertname"] == "TestMessage"


async def test_says_what_went_wrong_in_the_providers_words(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    async with catch_http() as catcher:
        catcher.answers = [b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nno_service"]
        receiver = ReceiverConfig.model_validate(
            {"name": "default", "slack": [{"webhook_url": f"{catcher.url}/x"}]}
        )
        router = build(database, clock, ids, [receiver])
        async with serve(router, token=BOB) as client:
            answer = await client.post(f"{BASE}/default/test?integration=slack&index=0")

    assert answer.status_code == 200
    (item,) = answer.json()["items"]
    assert (item["accepted"], item["retryable"]) == (False, False)
    assert item["detail"] == "the destination answered 404: no_service"


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/default/test", CHARLIE, 403),
        ("/nobody/test", BOB, 404),
        ("/default/test?integration=fax", BOB, 404),
        ("/default/test?index=7", BOB, 404),
        ("/default/test?index=-1", BOB, 422),
        ("/default/test?index=x", BOB, 422),
    ],
)
async def test_refuses_what_makes_no_sense(
    database: Database,
    clock: FakeClock,
    ids: SequentialIds,
    path: str,
    token: str,
    status: int,
) -> None:
    router = build(
        database, clock, ids, [ReceiverConfig(name="default")], [make_integration(kind="slack")]
    )
    async with serve(router, token=token) as client:
        assert (await client.post(f"{BASE}{path}")).status_code == status


async def test_channels_are_not_tried_without_end(
    database: Database, clock: FakeClock, ids: SequentialIds
) -> None:
    recorder = Recorder([NotifyError("no", retryable=True, reason=FailureReason.TIMEOUT)])
    router = build(
        database,
        clock,
        ids,
        [ReceiverConfig(name="default")],
        [make_integration(recorder, kind="slack")],
    )
    async with serve(router, token=BOB) as client:
        answers = [await client.post(f"{BASE}/default/test") for _ in range(11)]
        await clock.advance(60)
        later = await client.post(f"{BASE}/default/test")

    assert [each.status_code for each in answers] == [200] * 10 + [429]
    assert answers[10].headers["retry-after"] == "60"
    assert answers[10].json()["error"]["code"] == "too_many_tests"
    assert later.status_code == 200
    assert len(recorder.attempts) == 11
