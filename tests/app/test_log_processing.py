"""Pipelines, and rules with their alerts, in a monitor that runs as a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.app.test_intake import wait_for
from tests.support.errors import KEY
from tests.support.monitor import TOKEN, run_monitor
from tests.support.webhooks import Webhook, WebhookCatcher, catch_webhooks

_CONFIG = f"""
projects: [{{id: 1, slug: shop, key: {KEY}}}]
default_rules: false
logs:
  pipelines:
    - name: shop
      when: service:shop
      steps:
        - {{type: drop, when: health}}
        - {{type: json, ignore_failure: true}}
        - {{type: user_agent, when: "_exists_:user_agent.original"}}
        - {{type: event, when: "level:>=error", project: shop}}
  rules:
    - name: CardsDeclined
      query: card declined
      above: 2
      every: 10s
      group_by: service
      severity: critical
alerting:
  route: {{receiver: hook, group_wait: 0s}}
  receivers: [{{name: hook, webhook: [{{url: "URL/alerts"}}]}}]
outgoing: {{allowed_hosts: [127.0.0.1]}}
"""
_STACK = 'Traceback (most recent call last):\n  File "pay.py", line 3, in pay\nValueError: no funds'

_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(scope="module")
def catcher() -> Iterator[WebhookCatcher]:
    with catch_webhooks() as catcher:
        yield catcher


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, catcher: WebhookCatcher
) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("logs")
    signed_in = {"Authorization": f"Bearer {TOKEN}"}
    with (
        run_monitor(folder, config=_CONFIG.replace("URL", catcher.url)) as monitor,
        httpx.Client(base_url=monitor.url, headers=signed_in, trust_env=False) as client,
    ):
        yield client


def _send(client: httpx.Client, *documents: dict[str, Any]) -> None:
    lines = [line for each in documents for line in (b'{"create":{}}', orjson.dumps(each))]
    answer = client.post(
        "/es/logs/_bulk",
        content=b"\n".join(lines) + b"\n",
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.json()["errors"] is False, answer.text


def _search(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    return client.get("/api/monitor/logs", params={"query": query}).json()["items"]


def _find_alerts(received: list[Webhook]) -> list[dict[str, Any]]:
    alerts = [alert for each in received for alert in each.body["alerts"]]
    return [each for each in alerts if each["labels"]["alertname"] == "CardsDeclined"]


def test_records_are_processed_and_an_error_among_them_becomes_an_issue(
    client: httpx.Client,
) -> None:
    inner = {"msg": "payment failed", "level": "error", "error.stack_trace": _STACK, "order": 17}
    _send(
        client,
        {"message": "GET /health", "service.name": "shop"},
        {"message": orjson.dumps(inner).decode(), "service.name": "shop"},
        {"message": "started", "service.name": "shop", "user_agent.original": _FIREFOX},
    )
    (record,) = wait_for(lambda: _search(client, "order:17"))
    assert (record["message"], record["severity"]) == ("payment failed", "error")
    started, failed = _search(client, "service:shop")
    assert (started["message"], failed["message"]) == ("started", "payment failed")
    assert started["attributes"]["user_agent.name"] == "Firefox"
    assert started["attributes"]["user_agent.os.name"] == "Linux"
    (issue,) = wait_for(lambda: client.get("/api/monitor/issues").json()["items"])
    assert (issue["type"], issue["value"]) == ("ValueError", "no funds")


def test_too_many_records_of_a_service_are_told_with_the_newest_of_them(
    client: httpx.Client, catcher: WebhookCatcher
) -> None:
    declined = {"message": "card declined", "service.name": "till", "log.level": "error"}
    _send(client, *[{**declined, "n": n} for n in range(4)])
    received = catcher.wait(lambda received: bool(_find_alerts(received)), seconds=30)
    (alert,) = _find_alerts(received)
    assert (alert["labels"]["service"], alert["labels"]["severity"]) == ("till", "critical")
    assert "till error: card declined" in alert["annotations"]["description"]
    (rule,) = client.get("/api/monitor/logs/rules").json()["items"]
    assert (rule["problem"], rule["alerts"][0]["state"]) == (None, "firing")

    body = {"rule": "{query: card declined, above: 2, window: 1m}", "span": "1h"}
    preview = client.post("/api/monitor/logs/rules/preview", json=body).json()
    assert len(preview["counts"]) == 60
    refused = client.post("/api/monitor/logs/rules/preview", json={"rule": "{query: '(a'}"})
    assert refused.status_code == 400
    assert refused.json()["error"]["mistakes"][0]["place"] == "query"
