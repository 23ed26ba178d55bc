from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis, Fact
from resumatch_monitor.notify.notification import Notice, NoticeSection, Notification
from resumatch_monitor.notify.notifier import Attempt, NotifyError, Receipt
from resumatch_monitor.notify.pagerduty.config import PagerDutyConfig
from resumatch_monitor.notify.pagerduty.event import LARGEST_EVENT_BYTES, render_event
from resumatch_monitor.notify.pagerduty.notifier import PagerDutyNotifier
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import (
    HttpCatcher,
    catch_http,
    json_answer,
    make_context,
    make_notification,
)

KEY = "0123456789abcdef0123456789ABCDEF"
LINKS = Links("https://monitor.example.org")
ATTEMPT = Attempt("k1")


def make_notice(severity: str = "info") -> Notification:
    notice = Notice(
        "Release backend@2.1.0",
        "First seen.",
        (NoticeSection("Where", ("prod", "eu")),),
        severity=severity,
        path="/issues?release=2.1.0",
    )
    return replace(make_notification(), alerts=(), firing_count=0, notice=notice)


def with_labels(alert: Alert, labels: dict[str, str]) -> Alert:
    return replace(alert, labels=Labels.of(labels).with_labels(alert.labels))


async def send(catcher: HttpCatcher, notification: Notification) -> Receipt:
    catcher.default = json_answer(202, {"status": "success", "message": "Event processed"})
    config = PagerDutyConfig.model_validate({"routing_key": KEY, "url": f"{catcher.url}/"})
    return await PagerDutyNotifier(config, make_context()).notify(notification, ATTEMPT)


@pytest.mark.anyio
async def test_triggers_with_everything_that_the_one_on_call_needs() -> None:
    alert = make_alert(
        value=12.0,
        job="database",
        annotations={
            "summary": "Nobody answers",
            "runbook_url": "https://runbooks.example.org/db",
            "image_url": "https://img.example.org/db.png",
        },
    )
    async with catch_http() as catcher:
        receipt = await send(catcher, make_notification(alert))

    (request,) = catcher.requests
    event = request.json
    assert receipt.detail == "202 Event processed"
    assert request.path == "/v2/enqueue"
    assert request.headers["idempotency-key"] == "k1"
    assert (event["routing_key"], event["event_action"]) == (KEY, "trigger")
    assert event["dedup_key"] == make_notification(alert).dedup_key
    payload = event["payload"]
    assert payload["summary"] == "DatabaseConnectionFailed: Nobody answers"
    assert (payload["severity"], payload["source"]) == ("critical", "database")
    assert payload["timestamp"] == "2026-01-05T12:00:00.000Z"
    assert payload["class"] == "DatabaseConnectionFailed"
    assert payload["custom_details"]["firing"][0]["value"] == "12"
    assert {each["text"]: each["href"] for each in event["links"]} == {
        "Runbook": "https://runbooks.example.org/db",
        "Alert": f"https://monitor.example.org/alerts/{alert.fingerprint}",
        "Source": "https://monitor.example.org/explore?expr=up",
    }
    assert event["images"][0]["src"] == "https://img.example.org/db.png"
    assert event["client"] == "ResuMatch Monitor"


@pytest.mark.anyio
async def test_acknowledges_and_resolves_the_incident_that_it_opened() -> None:
    firing = make_notification()
    resolved = make_notification(resolve(make_alert(), START + timedelta(minutes=2)), id="n3")
    async with catch_http() as catcher:
        for each in (firing, replace(firing, id="n2", acknowledged_by="alice"), resolved):
            await send(catcher, each)

    events = [each.json for each in catcher.requests]
    assert [each["event_action"] for each in events] == ["trigger", "acknowledge", "resolve"]
    assert len({each["dedup_key"] for each in events}) == 1
    assert set(events[1]) == set(events[2]) == {"routing_key", "event_action", "dedup_key"}


@pytest.mark.anyio
async def test_a_notice_is_a_change_and_opens_no_incident() -> None:
    async with catch_http() as catcher:
        await send(catcher, make_notice())

    (request,) = catcher.requests
    assert request.path == "/v2/change/enqueue"
    assert request.json == {
        "routing_key": KEY,
        "payload": {
            "summary": "Release backend@2.1.0",
            "timestamp": "2026-01-05T12:03:00.000Z",
            "source": "https://monitor.example.org",
            "custom_details": {"text": "First seen.", "Where": "prod\neu"},
        },
        "links": [
            {
                "href": "https://monitor.example.org/issues?release=2.1.0",
                "text": "ResuMatch Monitor",
            }
        ],
    }


@pytest.mark.anyio
async def test_a_critical_notice_wakes_somebody() -> None:
    async with catch_http() as catcher:
        await send(catcher, make_notice("critical"))

    assert catcher.requests[0].path == "/v2/enqueue"
    assert catcher.requests[0].json["payload"]["summary"] == "Release backend@2.1.0"


@pytest.mark.anyio
async def test_an_answer_that_is_not_pagerdutys_delivers_nothing() -> None:
    async with catch_http() as catcher:
        catcher.answers = [json_answer(200, {"ok": True})]
        with pytest.raises(NotifyError, match="not as PagerDuty does") as caught:
            await send(catcher, make_notification())

    assert caught.value.retryable


@pytest.mark.anyio
async def test_a_bad_request_is_told_in_pagerdutys_own_words() -> None:
    async with catch_http() as catcher:
        said = {"status": "invalid event", "errors": [f"key {KEY} is unknown"]}
        catcher.answers = [json_answer(400, said)]
        with pytest.raises(NotifyError, match="invalid event") as caught:
            await send(catcher, make_notification())

    assert not caught.value.retryable
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        *((name, name) for name in ("critical", "error", "warning", "info")),
        ("page", "critical"),
        ("P1", "error"),
    ],
)
def test_severities_are_pagerdutys(severity: str, expected: str) -> None:
    event = render_event(make_notification(make_alert(severity=severity)), NO_DIAGNOSIS, LINKS)

    assert event["payload"]["severity"] == expected


def test_the_diagnosis_and_what_is_dragged_along_are_details() -> None:
    notification = make_notification(
        escalation="nobody acknowledged it within 15 min", dependents=(make_alert("ApiSlow"),)
    )
    diagnosis = Diagnosis(
        facts=(Fact("Last release", "2.1.0, 4 min before", "/issues?release=2.1.0"),),
        todo="Roll back.",
        sparkline="▁▂▇",
    )

    event = render_event(notification, diagnosis, LINKS)

    details = event["payload"]["custom_details"]
    assert details["Last release"] == "2.1.0, 4 min before"
    assert details["what to do first"] == "Roll back."
    assert details["chart"] == "▁▂▇"
    assert details["escalation"] == "nobody acknowledged it within 15 min"
    assert details["drags along"] == ["ApiSlow"]
    assert {"href": "https://monitor.example.org/issues?release=2.1.0", "text": "Last release"} in (
        event["links"]
    )


def test_a_drill_says_so_first() -> None:
    event = render_event(make_notification(is_drill=True), NO_DIAGNOSIS, LINKS)

    assert event["payload"]["summary"].startswith("[DRILL] ")


@settings(deadline=None)
@given(
    text=st.text(max_size=4000),
    labels=st.dictionaries(st.text(min_size=1, max_size=80), st.text(max_size=2000), max_size=60),
    count=st.integers(1, 60),
)
def test_stays_inside_pagerdutys_limits(text: str, labels: dict[str, str], count: int) -> None:
    annotations = {"summary": text, "description": text, "runbook": text}
    alerts = [
        with_labels(make_alert(text, annotations=annotations, n=str(n)), labels)
        for n in range(count)
    ]

    event: dict[str, Any] = render_event(
        make_notification(*alerts, group_labels=Labels.of(alertname=text)), NO_DIAGNOSIS, LINKS
    )

    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert len(event["payload"]["source"]) > 0
    assert len(event["dedup_key"]) <= 255
    assert len(orjson.dumps({"routing_key": KEY, **event})) <= LARGEST_EVENT_BYTES


def test_very_large_alerts_are_listed_less() -> None:
    text = "\u4e16" * 4000
    annotations = {"summary": text, "description": text + ".", "runbook": text}
    labels = {f"l{number}": text for number in range(60)}
    alerts = [with_labels(make_alert(annotations=annotations, n=str(n)), labels) for n in range(60)]

    event = render_event(make_notification(*alerts), NO_DIAGNOSIS, LINKS)

    assert len(orjson.dumps({"routing_key": KEY, **event})) <= LARGEST_EVENT_BYTES
    assert event["payload"]["custom_details"]["not listed"] > 20


@pytest.mark.parametrize("key", ["", "short", KEY + "0", KEY[:-1] + "-"])
def test_refuses_what_is_no_routing_key(key: str) -> None:
    with pytest.raises(ValidationError, match="32 letters and digits") as caught:
        PagerDutyConfig.model_validate({"routing_key": key})

    assert not key or f"'{key}'" not in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://x", "https://u:p@x", "https://x/?a=b", "https://x/#a"])
def test_refuses_what_is_no_base_url(url: str) -> None:
    with pytest.raises(ValidationError, match="http"):
        PagerDutyConfig.model_validate({"routing_key": KEY, "url": url})
