"""Everything about an issue of which people are told, from the SDK's door to the list of alerts."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.test_intake import wait_for
from tests.support.errors import KEY, make_event, make_exception
from tests.support.monitor import TOKEN, run_monitor

_CONFIG = f"""
projects: [{{id: 1, slug: shop, key: {KEY}}}]
default_rules: false
errors:
  storm: {{issues: 4, window: 1m}}
  alerts:
    - {{name: new, when: new}}
    - {{name: regressed, when: regressed}}
    - {{name: pro, when: new, tags: {{plan: pro}}, severity: critical}}
    - {{name: burst, when: events, threshold: 3, window: 5m, title: "Often*"}}
    - {{name: people, when: users, threshold: 3, window: 5m, title: "Many*"}}
"""


class Shop:
    """An application that fails, and the monitor's answer to that."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._number = 0

    def fail(self, kind: str, **over: Any) -> None:
        self._number += 1
        exception = {"values": [make_exception(kind, "no", f"call_{kind.lower()}")]}
        event = make_event(self._number, timestamp=time.time(), exception=exception, **over)
        answer = self.client.post(f"/api/1/store/?sentry_key={KEY}", json=event)
        assert answer.status_code == 200, answer.text

    def alerts(self, name: str, state: str, **labels: str) -> list[dict[str, Any]]:
        """Wait for alerts of that name and state."""

        def ask() -> list[dict[str, Any]]:
            found = self.client.get("/api/monitor/alerts", params={"state": state}).json()["items"]
            return [
                each
                for each in found
                if each["name"] == name
                and all(each["labels"].get(key) == value for key, value in labels.items())
            ]

        return wait_for(ask)

    def change(self, path: str, **body: Any) -> None:
        answer = self.client.patch(f"/api/monitor{path}", json=body)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder: Path = tmp_path_factory.mktemp("shop")
    signed_in = {"Authorization": f"Bearer {TOKEN}"}
    with (
        run_monitor(folder, config=_CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=signed_in, trust_env=False) as client,
    ):
        yield Shop(client)


def test_what_happens_to_an_issue_is_told(shop: Shop) -> None:
    shop.fail("NewError")
    (new,) = shop.alerts("NewIssue", "firing")
    assert (new["severity"], new["labels"]["issue"]) == ("warning", "SHOP-1")
    shop.change(new["path"], status="resolved")
    (ended,) = shop.alerts("NewIssue", "resolved")
    assert ended["labels"]["issue"] == "SHOP-1"

    shop.fail("NewError")
    (back,) = shop.alerts("IssueRegressed", "firing")
    assert back["labels"]["issue"] == "SHOP-1"

    shop.fail("ProError", tags={"plan": "pro"})
    (tagged,) = shop.alerts("NewIssue", "firing", rule="pro")
    assert tagged["severity"] == "critical"

    for _ in range(3):
        shop.fail("OftenError")
    (often,) = shop.alerts("IssueEvents", "firing")
    assert (often["labels"]["rule"], often["value"]) == ("burst", 3)
    shop.change(often["path"], status="ignored")
    shop.alerts("IssueEvents", "resolved")

    for user in "abc":
        shop.fail("ManyError", user={"id": user})
    (people,) = shop.alerts("IssueUsers", "firing")
    assert (people["labels"]["rule"], people["value"]) == ("people", 3)


def test_a_storm_is_told_once(shop: Shop) -> None:
    for number in range(12):
        shop.fail(f"Storm{number}Error")

    def ask() -> list[dict[str, Any]]:
        found = shop.alerts("IssueStorm", "firing")
        return [each for each in found if each["value"] and each["value"] >= 12]

    (storm,) = wait_for(ask)
    assert storm["severity"] == "warning"
    told = shop.alerts("NewIssue", "firing")
    assert sum("Storm" in each["annotations"]["summary"] for each in told) < 4
