"""What speaks to Alertmanager speaks to the monitor: Debian's amtool and Prometheus."""

import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.peers import AMTOOL, PROMETHEUS, run_prometheus
from tests.support.webhooks import Webhook, WebhookCatcher, catch_webhooks

CONFIG = """
default_rules: false
alerting:
  receivers:
    - {{name: default, webhook: [{{url: "{url}/default"}}]}}
    - {{name: web, webhook: [{{url: "{url}/web"}}]}}
  route:
    receiver: default
    group_by: [alertname]
    group_wait: 0s
    group_interval: 1s
    repeat_interval: 1h
    routes:
      - {{matchers: ['team="web"'], receiver: web, mute_time_intervals: [never]}}
  time_intervals:
    - name: never
      time_intervals:
        - {{years: ["1999"], times: [{{start_time: "00:00", end_time: "24:00"}}]}}
  inhibit_rules:
    - source_matchers: ['alertname="Root"']
      target_matchers: ['alertname="Leaf"']
      equal: [node]
"""
RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - alert: ForAWhile
        expr: vector({value}) > 0
        labels: {{severity: page, team: web}}
        annotations: {{summary: "it is {{{{ $value }}}}"}}
"""
PROMETHEUS_CONFIG = """
global: {{evaluation_interval: 1s, external_labels: {{cluster: a}}}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["{address}"]}}]
      authorization: {{credentials: {token}}}
"""


@dataclass(frozen=True, slots=True)
class Parts:
    """A running monitor, what it sends, and amtool."""

    monitor: RunningMonitor
    catcher: WebhookCatcher
    http_config: Path

    def amtool(self, *arguments: str, fails: bool = False) -> str:
        """Run amtool and return what it says."""
        done = subprocess.run(
            [
                "amtool",
                f"--alertmanager.url={self.monitor.url}",
                f"--http.config.file={self.http_config}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stderr
        return done.stderr if fails else done.stdout


# One process does for all tests: their alerts have names of their own.
@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Generator[Parts]:
    folder = tmp_path_factory.mktemp("clients")
    http_config = folder / "http.yml"
    http_config.write_text(f"authorization: {{credentials: {TOKEN}}}\n")
    with (
        catch_webhooks() as catcher,
        run_monitor(folder / "monitor", config=CONFIG.format(url=catcher.url)) as monitor,
    ):
        yield Parts(monitor, catcher, http_config)


@pytest.mark.peer(AMTOOL)
def test_amtool_adds_and_queries_alerts(parts: Parts) -> None:
    parts.amtool(
        "alert",
        "add",
        "alertname=Added",
        "team=web",
        "node=a b",
        "--annotation=summary=hello",
        "--generator-url=http://origin.test/x",
    )

    (alert,) = orjson.loads(parts.amtool("alert", "query", "alertname=Added", "-o", "json"))
    assert alert["labels"] == {"alertname": "Added", "team": "web", "node": "a b"}
    assert (alert["receivers"], alert["status"]["state"]) == ([{"name": "web"}], "active")
    assert "hello" in parts.amtool("alert", "query", "Added")
    assert 'node="a b"' in parts.amtool("alert", "query", "-o", "extended", 'node=~"a.*"')
    assert "Added" not in parts.amtool("alert", "query", "--receiver=default")
    (said,) = parts.catcher.wait(
        lambda all_: any("Added" in each.body["groupKey"] for each in all_), seconds=30
    )[-1:]
    assert said.path == "/web"
    (told,) = said.body["alerts"]
    assert told["generatorURL"] == "http://origin.test/x"


@pytest.mark.peer(AMTOOL)
def test_amtool_ends_an_alert(parts: Parts) -> None:
    parts.amtool("alert", "add", "alertname=Ended")
    assert "Ended" in parts.amtool("alert")

    parts.amtool("alert", "add", "alertname=Ended", "--end=2020-01-01T00:00:00Z")

    assert "Ended" not in parts.amtool("alert")


@pytest.mark.peer(AMTOOL)
def test_amtool_sees_what_is_inhibited(parts: Parts) -> None:
    parts.amtool("alert", "add", "alertname=Root", "node=n")
    parts.amtool("alert", "add", "alertname=Leaf", "node=n")
    parts.amtool("alert", "add", "alertname=Leaf", "node=m")

    assert 'node="n"' not in parts.amtool("alert", "query", "Leaf", "-o", "extended")
    assert 'node="m"' in parts.amtool("alert", "query", "Leaf", "-o", "extended")
    assert 'node="n"' in parts.amtool("alert", "query", "-i", "Leaf", "-o", "extended")


@pytest.mark.peer(AMTOOL)
def test_amtool_makes_changes_and_ends_silences(parts: Parts) -> None:
    parts.amtool("alert", "add", "alertname=Silenced", "node=a")
    made = parts.amtool(
        "silence", "add", "alertname=Silenced", "node=~[ab]", "-a", "ada", "-c", "works", "-d", "1h"
    )
    silence_id = made.strip()
    assert silence_id in parts.amtool("silence", "query")
    assert silence_id in parts.amtool("silence", "query", "alertname=Silenced", "-q")
    assert "Silenced" not in parts.amtool("alert")
    assert "suppressed" in parts.amtool("alert", "query", "-s", "Silenced")

    parts.amtool("silence", "update", "-d", "2h", "-c", "more works", silence_id)
    (changed,) = orjson.loads(parts.amtool("silence", "query", "-o", "json", "alertname=Silenced"))
    assert (changed["id"], changed["comment"]) == (silence_id, "more works")

    parts.amtool("silence", "expire", silence_id)
    assert silence_id not in parts.amtool("silence", "query")
    assert silence_id in parts.amtool("silence", "query", "--expired")
    assert "Silenced" in parts.amtool("alert")


@pytest.mark.peer(AMTOOL)
def test_amtool_imports_silences(parts: Parts, tmp_path: Path) -> None:
    silence = {
        "matchers": [{"name": "alertname", "value": "Imported", "isRegex": False}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2999-01-01T00:00:00Z",
        "createdBy": "ada",
        "comment": "from elsewhere",
    }
    path = tmp_path / "silences.json"
    path.write_bytes(orjson.dumps([silence]))

    parts.amtool("silence", "import", str(path))

    assert "from elsewhere" in parts.amtool("silence", "query", "alertname=Imported")


@pytest.mark.peer(AMTOOL)
def test_amtool_is_told_what_is_wrong(parts: Parts) -> None:
    told = parts.amtool("silence", "add", "x=~", "-c", "all", fails=True)

    assert "must not match the empty string" in told
    missing = "00000000-0000-4000-8000-000000000000"
    assert "404" in parts.amtool("silence", "expire", missing, fails=True)


@pytest.mark.peer(AMTOOL)
def test_amtool_tests_and_shows_the_routes(parts: Parts, tmp_path: Path) -> None:
    assert parts.amtool("config", "routes", "test", "team=web").strip() == "web"
    assert parts.amtool("config", "routes", "test", "team=x").strip() == "default"
    parts.amtool("config", "routes", "test", "team=x", "--verify.receivers=web", fails=True)
    assert '{team="web"}  receiver: web' in parts.amtool("config", "routes", "show")
    assert "disabled" in parts.amtool("cluster", "show")

    path = tmp_path / "alertmanager.yml"
    path.write_text(parts.amtool("config", "show"))
    checked = parts.amtool("check-config", str(path))
    assert "1 inhibit rules" in checked
    assert "2 receivers" in checked


@pytest.mark.peer(AMTOOL)
def test_amtool_without_a_token_is_refused_and_may_send_it_as_a_password(parts: Parts) -> None:
    def ask(url: str) -> subprocess.CompletedProcess[str]:
        command = ["amtool", f"--alertmanager.url={url}", "alert"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    url = parts.monitor.url

    assert ask(url).returncode == 1
    assert ask(url.replace("http://", f"http://any:{TOKEN}@")).returncode == 0


@pytest.mark.peer(PROMETHEUS)
def test_prometheus_gets_its_alerts_through_and_their_end(parts: Parts, tmp_path: Path) -> None:
    def has(status: str) -> Callable[[list[Webhook]], bool]:
        return lambda all_: any(
            "ForAWhile" in each.body["groupKey"] and each.body["status"] == status for each in all_
        )

    folder = tmp_path / "prometheus"
    folder.mkdir()
    rules = folder / "rules.yml"
    rules.write_text(RULES.format(value=3))
    config = PROMETHEUS_CONFIG.format(
        address=parts.monitor.url.removeprefix("http://"), token=TOKEN
    )

    with run_prometheus(folder, config=config, arguments=["--rules.alert.resend-delay=5s"]) as peer:
        # For its first five seconds it has not discovered whom to send to.
        parts.catcher.wait(has("firing"), seconds=60)
        rules.write_text(RULES.format(value=0))
        httpx.post(f"{peer.url}/-/reload", trust_env=False).raise_for_status()
        messages = parts.catcher.wait(has("resolved"), seconds=60)

    mine = [each for each in messages if "ForAWhile" in each.body["groupKey"]]
    assert [(each.path, each.body["status"]) for each in mine] == [
        ("/web", "firing"),
        ("/web", "resolved"),
    ]
    (fired,) = mine[0].body["alerts"]
    assert fired["labels"] == {
        "alertname": "ForAWhile",
        "cluster": "a",
        "severity": "page",
        "team": "web",
    }
    assert fired["annotations"] == {"summary": "it is 3"}
    assert "/graph?g0.expr=" in fired["generatorURL"]
    history = httpx.get(
        f"{parts.monitor.url}/api/monitor/alerts?name=ForAWhile",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    ).json()["items"]
    assert [(each["source"], each["status"]) for each in history] == [("pushed", "resolved")]
