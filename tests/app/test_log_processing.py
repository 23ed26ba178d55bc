"""Pipelines, log rules and their alerts in a monitor that runs as a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.app.test_intake import wait_for
from tests.support.errors import KEY
from tests.support.monitor import TOKEN, run_monitor

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
"""
_STACK = 'Traceback (most recent call last):\n  File "pay.py", line 3, in pay\nValueError: no funds'

_FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("logs")
    signed_in = {"Authorization": f"Bearer {TOKEN}"}
    with (
        run_monitor(folder, config=_CONFIG) as monitor,
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
