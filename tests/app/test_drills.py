"""Drills of a running monitor, by the command, to channels that really answer."""

import contextlib
import io
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from resumatch_monitor.cli import main
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.webhooks import WebhookCatcher, catch_webhooks

CONFIG = """
alerting:
  receivers:
    - name: default
      webhook: [{{url: "{url}/hook"}}]
      pagerduty: [{{routing_key: "0123456789abcdef0123456789abcdef", url: "{url}"}}]
"""


@dataclass(frozen=True, slots=True)
class Parts:
    monitor: RunningMonitor
    catcher: WebhookCatcher

    def drill(self, *arguments: str) -> tuple[int, str]:
        """Run the command; return its status and what it says."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(["drill", "--url", self.monitor.url, "--token", TOKEN, *arguments])
        return status, said.getvalue()

    def get(self, path: str, method: str = "GET") -> Any:
        answer = httpx.request(
            method,
            f"{self.monitor.url}/api/monitor{path}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Generator[Parts]:
    folder = tmp_path_factory.mktemp("drills")
    with (
        catch_webhooks() as catcher,
        run_monitor(folder / "monitor", config=CONFIG.format(url=catcher.url)) as monitor,
    ):
        yield Parts(monitor, catcher)


def test_an_alert_goes_the_whole_way_and_is_marked(parts: Parts) -> None:
    status, said = parts.drill("DatabaseConnectionFailed")

    assert status == 0, said
    assert "DatabaseConnectionFailed: passed" in said
    assert "fired after 60 s (on a shadow clock)" in said
    assert "delivered after" in said
    assert "spared: default/pagerduty/0" in said
    (drill, *_) = parts.get("/drills?alert=DatabaseConnectionFailed")["items"]
    report = drill["report"]
    assert report["method"] == "series"
    assert report["deliveries"][0]["integration"] == "webhook"
    assert report["deliveries"][0]["status"] == "sent"
    seen = [
        each.body
        for each in parts.catcher.wait(lambda all_: len(all_) >= 2, seconds=30)
        if each.path == "/hook"
    ]
    firing, resolved = seen[:2]
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["alerts"][0]["labels"]["drill"] == "true"
    assert firing["groupKey"].startswith("drill/")
    # Nothing of it is among what really fires.
    assert parts.get("/alerts?status=firing")["items"] == []


def test_all_shipped_alerts_are_proved(parts: Parts) -> None:
    status, said = parts.drill("all")

    coverage = parts.get("/drills/coverage")
    assert status == 0, said
    assert coverage["never"] == coverage["failed"] == 0
    assert coverage["passed"] == coverage["alerts"] >= 15
    methods = {item["last"]["report"]["method"] for item in coverage["items"] if item["group"]}
    assert methods == {"series"}
    own = {item["alert"] for item in coverage["items"] if item["group"] is None}
    assert own == {"RuleEvaluationFailing", "RuleWithoutData"}
    assert "listed in a digest: default, weekly" in said
    assert said.endswith(f"{len(coverage['items'])} of {len(coverage['items'])} passed.\n")
    assert not [each for each in parts.catcher.received if "enqueue" in each.path]


def test_somebody_acknowledges(parts: Parts) -> None:
    parts.drill("RulesBroken")
    drill_id = parts.get("/drills?alert=RulesBroken")["items"][0]["id"]

    first = parts.get(f"/drills/{drill_id}/acknowledge", "POST")
    second = parts.get(f"/drills/{drill_id}/acknowledge", "POST")

    assert first["report"]["acknowledged_by"] == "token:tests"
    assert first["report"]["acknowledged_after_seconds"] >= 0
    assert second == first == parts.get(f"/drills/{drill_id}")


def test_says_what_cannot_be_tried(parts: Parts) -> None:
    status, said = parts.drill("NoSuchAlert")
    elsewhere, why = parts.drill("all", "--url", "http://127.0.0.1:1")

    assert (status, elsewhere) == (1, 1)
    assert "There is no alerting rule 'NoSuchAlert'" in said
    assert "cannot be reached" in why


# The last one: the catcher does not answer as PagerDuty does, so this drill takes long.
def test_pagers_are_told_only_if_asked_for(parts: Parts) -> None:
    answer = httpx.post(
        f"{parts.monitor.url}/api/monitor/drills",
        json={"alert": "RedisDown", "page": True},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )
    assert answer.status_code == 202

    parts.catcher.wait(lambda all_: any("enqueue" in each.path for each in all_), seconds=30)
