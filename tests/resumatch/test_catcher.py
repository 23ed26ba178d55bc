"""The demonstration's catcher answers as the providers do."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch.demo.catcher import Mailbox, build_app

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER: dict[str, Any] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "database",
    "payload": {"summary": "The database is away", "source": "db-1", "severity": "critical"},
}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = build_app(Mailbox(tmp_path / "messages.jsonl"))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://catcher.test") as client:
        yield client


async def send(client: httpx.AsyncClient, event: dict[str, Any], kind: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": "the-first"}
    return await client.post(f"/pagerduty/v2/{kind}enqueue", json=event, headers=headers)


async def test_an_incident_is_triggered_acknowledged_and_resolved(
    client: httpx.AsyncClient,
) -> None:
    answers = [
        await send(client, TRIGGER),
        await send(
            client, {"routing_key": KEY, "event_action": "acknowledge", "dedup_key": "database"}
        ),
        await send(
            client, {"routing_key": KEY, "event_action": "resolve", "dedup_key": "database"}
        ),
    ]

    assert [each.status_code for each in answers] == [202, 202, 202]
    assert answers[0].json() == {
        "status": "success",
        "message": "Event processed",
        "dedup_key": "database",
    }
    messages = (await client.get("/messages")).json()
    assert [(each["channel"], each["title"]) for each in messages] == [
        ("pagerduty", f"{action} The database is away")
        for action in ("trigger", "acknowledge", "resolve")
    ]
    assert {each["key"] for each in messages} == {"the-first"}


async def test_a_change_opens_no_incident(client: httpx.AsyncClient) -> None:
    change = {"routing_key": KEY, "payload": {"summary": "Release 7"}}

    answer = await send(client, change, "change/")

    assert answer.json() == {"status": "success", "message": "Change event processed"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"routing_key": "short"}, "routing_key"),
        ({"event_action": "page"}, "event_action"),
        ({"event_action": "resolve", "dedup_key": ""}, "dedup_key"),
        ({"dedup_key": "k" * 256}, "dedup_key"),
        ({"payload": {"summary": "", "source": "s", "severity": "critical"}}, "summary"),
        ({"payload": {"summary": "s", "source": "s", "severity": "grave"}}, "severity"),
        ({"payload": {"summary": "s" * 1025, "source": "s", "severity": "info"}}, "summary"),
        ({"payload": "nothing"}, "source"),
    ],
)
async def test_refuses_what_pagerduty_refuses(
    client: httpx.AsyncClient, change: dict[str, Any], error: str
) -> None:
    answer = await send(client, {**TRIGGER, **change})

    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert any(error in each for each in answer.json()["errors"])
    assert (await client.get("/messages")).json() == []
