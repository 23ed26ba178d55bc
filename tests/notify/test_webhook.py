import hmac
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.notification import Notice
from resumatch_monitor.notify.notifier import Attempt
from resumatch_monitor.notify.webhook.config import WebhookConfig
from resumatch_monitor.notify.webhook.notifier import WebhookNotifier, render_payload
from resumatch_monitor.notify.wording import Links
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import catch_http, make_context, make_notification
from tests.support.clock import FakeClock


def test_alerts_carry_the_external_labels_without_losing_their_own() -> None:
    alert = make_alert(cluster="own")
    notification = replace(
        make_notification(alert), external_labels=Labels.of(cluster="other", site="north")
    )

    payload = render_payload(notification, Links(""))

    added = {"cluster": "own", "site": "north"}
    assert added.items() <= payload["alerts"][0]["labels"].items()
    assert added.items() <= payload["commonLabels"].items()
    assert payload["alerts"][0]["fingerprint"] == alert.fingerprint


@pytest.mark.anyio
async def test_posts_alertmanagers_payload() -> None:
    firing = make_alert(instance="a", annotations={"summary": "Down"})
    resolved = resolve(make_alert(instance="b", annotations={}), START + timedelta(minutes=1))
    async with catch_http() as catcher:
        config = WebhookConfig.model_validate(
            {"url": f"{catcher.url}/hook?a=b", "bearer_token": "token-token"}
        )
        receipt = await WebhookNotifier(config, make_context()).notify(
            make_notification(firing, resolved), Attempt("key-1")
        )

    (request,) = catcher.requests
    assert receipt.detail == "200 ok"
    assert request.path == "/hook?a=b"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer token-token"
    assert request.headers["idempotency-key"] == "key-1"
    common = {"alertname": "DatabaseConnectionFailed", "severity": "critical"}
    assert request.json == {
        "receiver": "team",
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": {**common, "instance": "a"},
                "annotations": {"summary": "Down"},
                "startsAt": "2026-01-05T12:00:00.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://monitor.example.org/explore?expr=up",
                "fingerprint": firing.fingerprint,
            },
            {
                "status": "resolved",
                "labels": {**common, "instance": "b"},
                "annotations": {},
                "startsAt": "2026-01-05T12:00:00.000Z",
                "endsAt": "2026-01-05T12:01:00.000Z",
                "generatorURL": "https://monitor.example.org/explore?expr=up",
                "fingerprint": resolved.fingerprint,
            },
        ],
        "groupLabels": {"alertname": "DatabaseConnectionFailed"},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "https://monitor.example.org",
        "version": "4",
        "groupKey": '{}:{alertname="DatabaseConnectionFailed"}',
        "truncatedAlerts": 0,
    }


@pytest.mark.anyio
async def test_an_endless_answer_is_an_answer() -> None:
    async with catch_http() as catcher:
        catcher.answers = [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000]
        config = WebhookConfig.model_validate({"url": catcher.url})
        receipt = await WebhookNotifier(config, make_context()).notify(
            make_notification(), Attempt("key-1")
        )

    assert len(receipt.detail) < 5000


@pytest.mark.parametrize("url", ["ftp://a/b", "example.org/hook", "http:///", "http://a:b/", "h t"])
def test_refuses_what_is_no_url_without_showing_it(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"url": url})

    assert url not in str(caught.value)


@pytest.mark.anyio
async def test_a_destination_that_knows_the_secret_knows_that_it_is_us() -> None:
    async with catch_http() as catcher:
        config = WebhookConfig.model_validate({"url": catcher.url, "secret": "shared-secret"})
        await WebhookNotifier(config, make_context()).notify(make_notification(), Attempt("k"))

    (request,) = catcher.requests
    timestamp = request.headers["x-signature-timestamp"]
    signed = f"{timestamp}.".encode() + request.body
    digest = hmac.new(b"shared-secret", signed, "sha256").hexdigest()
    assert request.headers["x-signature-256"] == f"sha256={digest}"
    assert timestamp == str(int(FakeClock().now().timestamp()))


def test_what_alertmanager_does_not_know_has_keys_of_its_own() -> None:
    plain = render_payload(make_notification(), Links(""))
    full = render_payload(
        make_notification(is_drill=True, escalation="x", dependents=(make_alert("Slow"),)),
        Links(""),
    )
    notice = replace(make_notification(), alerts=(), firing_count=0, notice=Notice("Digest"))

    assert {"drill", "escalation", "dependents", "notice"}.isdisjoint(plain)
    assert (full["drill"], full["escalation"]) == (True, "x")
    assert full["dependents"][0]["labels"]["alertname"] == "Slow"
    assert render_payload(notice, Links(""))["status"] == "notice"
    assert render_payload(notice, Links(""))["notice"]["title"] == "Digest"
