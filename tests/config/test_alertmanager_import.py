"""An `alertmanager.yml` becomes a configuration of the monitor that routes as it did."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from resumatch_monitor.cli import main
from resumatch_monitor.config.alertmanager.importer import import_alertmanager
from resumatch_monitor.config.alertmanager.picture import draw_routes
from resumatch_monitor.config.alertmanager.section import UnreadableError
from resumatch_monitor.config.loader import parse_config
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.metrics.labels import Labels
from tests.support.peers import AMTOOL

FILE = """\
global:
  resolve_timeout: 10m
  smtp_smarthost: 'mail.example.org:587'
  smtp_from: 'am@example.org'
  smtp_auth_username: am
  smtp_auth_password: hunter2-secret
  slack_api_url: https://hooks.slack.com/services/T/B/SECRET
  opsgenie_api_url: https://x.example.org
templates: ['/etc/alertmanager/templates/*.tmpl']
route:
  receiver: team
  group_by: [alertname, cluster]
  routes:
    - match: {severity: critical}
      match_re: {service: "^(foo|bar)$"}
      receiver: pager
      continue: true
      routes:
        - matchers: [ owner="db", team!~"x|y" ]
          receiver: mail
          group_wait: 5s
          mute_time_intervals: [offhours]
    - matchers: [ '{severity="critical"}' ]
      receiver: mail
      group_by: []
    - receiver: 'null'
      matchers: [ alertname=Watchdog ]
receivers:
- name: 'null'
- name: team
  slack_configs: [{channel: '#a', send_resolved: true, title: x}]
  webhook_configs:
    - url: "http://127.0.0.1:5001/"
      http_config: {authorization: {credentials: tok-secret}, proxy_url: http://p}
- name: pager
  pagerduty_configs:
    - {routing_key: abcdefabcdefabcdefabcdefabcdefab, url: "https://events.eu.pagerduty.com/v2/enqueue"}
    - {service_key: old}
    - {routing_key_file: /run/key}
  opsgenie_configs: [{api_key: x}]
- name: mail
  email_configs:
    - {to: "a@example.org, b@example.org", html: x, auth_password: another-secret}
    - {to: c@example.org, smarthost: "mx.example.org:465", send_resolved: true}
inhibit_rules:
- source_match: {severity: critical}
  target_match_re: {severity: warning|info}
  equal: [alertname]
time_intervals:
- name: offhours
  time_intervals:
  - times: [{start_time: 17:00, end_time: 24:00}]
    weekdays: ['monday:friday', saturday]
    days_of_month: [1:5]
    location: Europe/Berlin
"""
ENVIRONMENT = {
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/SECRET",
    "WEBHOOK_TOKEN": "tok-secret",
    "PAGERDUTY_ROUTING_KEY": "abcdefabcdefabcdefabcdefabcdefab",
    "PAGERDUTY_ROUTING_KEY_PAGER": "0" * 32,
    "SMTP_PASSWORD": "another-secret",
    "SMTP_PASSWORD_MAIL": "hunter2-secret",
}
SECRETS = ("hunter2", "SECRET", "tok-secret", "abcdefab", "another-secret")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(FILE)
    return path


def test_the_result_is_a_configuration_of_the_monitor() -> None:
    text = import_alertmanager(FILE).render()

    config = parse_config(text, source="x", environment=ENVIRONMENT)

    receivers = {each.name: each for each in config.alerting.receivers}
    assert list(receivers) == ["null", "team", "pager", "mail"]
    (slack,) = receivers["team"].slack
    assert slack.webhook_url.get_secret_value() == ENVIRONMENT["SLACK_WEBHOOK_URL"]
    (webhook,) = receivers["team"].webhook
    assert webhook.bearer_token.get_secret_value() == "tok-secret"
    first, second = receivers["pager"].pagerduty
    assert (first.url, second.routing_key.get_secret_value()) == (
        "https://events.eu.pagerduty.com",
        "0" * 32,
    )
    mail, implicit = receivers["mail"].email
    assert (mail.to, mail.host, mail.port, mail.tls, mail.send_resolved) == (
        ["a@example.org", "b@example.org"],
        "mail.example.org",
        587,
        "starttls",
        False,
    )
    assert (implicit.host, implicit.tls, implicit.send_resolved) == (
        "mx.example.org",
        "implicit",
        True,
    )
    assert implicit.password.get_secret_value() == "hunter2-secret"
    assert config.alerting == import_alertmanager(FILE).config.model_copy(
        update={"receivers": config.alerting.receivers}
    )


def test_the_route_keeps_what_alertmanager_takes_for_granted() -> None:
    route = import_alertmanager("route: {receiver: a}\nreceivers: [{name: a}]").alerting["route"]

    assert route == {
        "receiver": "a",
        "group_by": [],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
    }


def test_no_secret_is_in_the_result_and_each_is_asked_for() -> None:
    text = import_alertmanager(FILE).render()

    assert not [each for each in SECRETS if each in text]
    for variable in ENVIRONMENT:
        assert f"#   {variable}: " in text
    assert "#   PAGERDUTY_ROUTING_KEY_PAGER: the content of /run/key" in text


def test_what_cannot_be_taken_along_is_said_with_its_line() -> None:
    remarks = import_alertmanager(FILE).remarks

    said = {(each.position.line, each.text.partition(":")[0]) for each in remarks}
    lines = FILE.splitlines()
    for line, key in said:
        assert key in lines[line - 1]
    assert {key for _, key in said} == {
        "opsgenie_api_url",
        "templates",
        "channel",
        "title",
        "proxy_url",
        "service_key",
        "opsgenie_configs",
        "html",
    }


def test_a_dollar_sign_stays_one() -> None:
    text = """
route: {receiver: a, routes: [{match_re: {x: "$${y}"}, receiver: a}]}
receivers: [{name: a}]
"""
    imported = import_alertmanager(text)
    config = parse_config(imported.render(), source="x", environment={})

    assert config.alerting.route == imported.config.route
    assert config.alerting.policy.route.routes[0].matchers == ['x=~"$${y}"']


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("", 1, "there is no route"),
        ("- a", 1, "expected keys and values"),
        ("a: [", 2, "expected"),
        ("route: {receiver: a}\nreceivers: [{name: b}]", 1, "'a'"),
        ("route: {receiver: a}\nreceivers: [{}]", 2, "needs a name"),
        ("route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: 3", 4, "expected a list"),
        (
            "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: nonsense",
            5,
            "receivers.0.webhook.0.url",
        ),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  routes:\n  - matchers: ['x']",
            5,
            "not a matcher",
        ),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  group_wait: soon",
            4,
            "route.group_wait",
        ),
        (
            "receivers: [{name: a}]\nroute:\n  receiver: a\n  routes:"
            "\n  - {receiver: a, mute_time_intervals: [x]}",
            1,
            "'x'",
        ),
    ],
)
def test_what_is_no_alertmanager_yml_is_refused_with_its_place(
    text: str, line: int, complaint: str
) -> None:
    with pytest.raises(UnreadableError, match=complaint) as raised:
        import_alertmanager(text)

    assert raised.value.position.line == line


def test_the_command_writes_the_section_and_says_what_is_missing(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import-alertmanager", str(path)]) == 0

    said = capsys.readouterr()
    assert yaml.safe_load(said.out)["alerting"]["route"]["receiver"] == "team"
    assert f"{path}:9:1: templates: " in said.err
    assert not [each for each in SECRETS if each in said.out + said.err]


def test_the_command_shows_the_tree(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import-alertmanager", "--check", str(path)]) == 0

    assert capsys.readouterr().out == (
        "every alert  receiver: team  group_by: alertname, cluster"
        "  wait 30s, interval 5m, repeat 4h\n"
        '├── {service=~"^(foo|bar)$",severity="critical"}  receiver: pager  continue\n'
        '│   └── {owner="db",team!~"x|y"}  receiver: mail  wait 5s, interval 5m, repeat 4h\n'
        '├── {severity="critical"}  receiver: mail  group_by: nothing\n'
        '└── {alertname="Watchdog"}  receiver: null\n'
        "\n"
        "receivers:\n"
        "  null: nothing\n"
        "  team: slack, webhook\n"
        "  pager: pagerduty (2)\n"
        "  mail: email (2)\n"
    )


@pytest.mark.parametrize("content", [b"route: [", b"\xff\xfe", b"x" * 5_000_000, None])
def test_the_command_fails_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "alertmanager.yml"
    if content is not None:
        path.write_bytes(content)

    assert main(["import-alertmanager", str(path)]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(str(path))


@pytest.mark.peer(AMTOOL)
@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"severity": "critical"},
        {"severity": "critical", "service": "foo"},
        {"severity": "critical", "service": "foo", "owner": "db"},
        {"severity": "critical", "service": "foo", "owner": "db", "team": "x"},
        {"service": "foo"},
        {"alertname": "Watchdog"},
        {"alertname": "Watchdog", "severity": "critical", "service": "bar", "owner": "db"},
    ],
)
def test_alerts_go_where_alertmanager_sends_them(path: Path, labels: dict[str, str]) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    told = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={path}", *pairs],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()

    root = build_route(import_alertmanager(FILE).config)

    assert ",".join(each.receiver for each in root.find(Labels.of(labels))) == told


def test_a_tree_of_ones_own_can_be_drawn() -> None:
    config: Any = parse_config("alerting: {}", source="x", environment={}).alerting

    assert draw_routes(config).startswith("every alert  receiver: default")
