"""Making a rule, trying a route, testing a receiver and a drill, in a real browser."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from resumatch.demo.processes import Processes
from tests.acceptance.browser import Visit, check_looks, launch, look_at, signed_in, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.messages import Catcher
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_PASSWORD = "a-password-of-the-acceptance-tests"
_RECORDING = quote('{"record": "job:up:count", "expr": "count by (job) (up)"}')
_CONFIG = """
auth:
  admin: {{email: admin@localhost, password: {password}}}
  tokens: [{{name: tests, token: {token}, role: editor}}]
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: monitor
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
rule_files: [rules.yml]
alerting:
  route:
    receiver: default
    group_wait: 1s
    routes:
      - matchers: ['severity="critical"']
        group_wait: 0s
        escalation: on-call
      - matchers: ['severity="info"']
        digest: weekly
  escalations: [{{name: on-call, steps: [{{after: 5m, receiver: default, channels: [email]}}]}}]
{receivers}
"""
_RULES = """
groups:
  - name: own
    interval: 1s
    rules:
      - alert: MonitorGone
        expr: up{job="monitor"} == 0
        # A scrape that a busy machine delays is no reason to tell anybody.
        for: 5m
        labels: {severity: critical}
        annotations: {summary: "The monitor is gone"}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A monitor, and where its messages arrive."""

    monitor: MonitorProcess
    catcher: Catcher


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="resumatch-alerting-") as name:
        folder = Path(name)
        port, http, smtp = choose_ports(3)
        processes = Processes(folder / "logs")
        catcher = Catcher(name="catcher", folder=folder, ports=(http, smtp))
        config = folder / "monitor.yaml"
        config.write_text(
            _CONFIG.format(
                password=_PASSWORD, token=TOKEN, port=port, receivers=catcher.receiver_yaml
            )
        )
        (folder / "rules.yml").write_text(_RULES)
        monitor = MonitorProcess(
            name="monitor", config=config, data=folder / "data", port=port, processes=processes
        )
        try:
            catcher.start(processes)
            monitor.start()
            wait_until(
                lambda: monitor.api.get("/api/v1/query", query="up")["data"]["result"],
                "the monitor has scraped itself",
                timeout_seconds=60,
            )
            yield Place(monitor, catcher)
        finally:
            monitor.close()
            catcher.close()
            processes.stop_all()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, place: Place) -> Iterator[BrowserContext]:
    with signed_in(
        browser, place.monitor.url, email="admin@localhost", password=_PASSWORD
    ) as context:
        yield context


@pytest.fixture
def desk(context: BrowserContext, place: Place) -> Iterator[Visit]:
    """A page on a desktop; afterwards nothing may have been complained about."""
    with visit(context, place.monitor.url) as visited:
        yield visited
        visited.check()


def _main(visited: Visit) -> Locator:
    return visited.page.locator("main")


def _find_drill(place: Place) -> dict[str, Any]:
    """Return a drill that is over; one is run if there is none."""
    path = "/api/monitor/drills"
    if not place.monitor.api.get(path)["items"]:
        place.monitor.api.post(path, {"alert": "MonitorGone"})
    wait_until(
        lambda: place.monitor.api.get(path)["items"][0]["finished_at"],
        "the drill is over",
        timeout_seconds=60,
    )
    found: dict[str, Any] = place.monitor.api.get(path)["items"][0]
    return found


def _write_expression(visited: Visit, expr: str) -> None:
    visited.page.get_by_role("textbox", name="PromQL expression").click()
    visited.page.keyboard.press("Control+A")
    visited.page.keyboard.insert_text(expr)


def test_a_rule_is_tried_before_it_is_saved_and_then_evaluated(desk: Visit, place: Place) -> None:
    desk.open(f"{place.monitor.url}/rules/new?from=now-6h")
    preview = desk.page.get_by_role("region", name="Preview")
    expect(preview).to_contain_text("Write an expression")

    desk.page.get_by_label("Name", exact=True).fill("MonitorThere")
    desk.page.get_by_label("Group", exact=True).fill("browser")
    _write_expression(desk, 'up{job="monitor"} > 0')
    expect(preview).to_contain_text("It would have fired")
    expect(preview).to_contain_text("fires now")
    preview.get_by_role("button", name="highest").click()
    expect(preview).to_contain_text("not have fired")
    assert urlsplit(desk.page.url).path == "/rules/new", "a proposal was saved"
    _write_expression(desk, 'up{job="monitor"} > 0.5')
    desk.page.get_by_label("Severity").select_option("info")
    desk.page.get_by_label("Summary").fill("Up is {{ $value }}")
    expect(preview).to_contain_text("Up is 1")
    desk.page.get_by_role("button", name="Save").click()

    expect(desk.page).to_have_url(re.compile(r"/rules/[0-9a-f]{32}$"))
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("MonitorThere")
    expect(desk.page.get_by_label("The rule as YAML")).to_contain_text("severity: info")
    wait_until(
        lambda: [
            each
            for each in place.monitor.api.get("/api/v1/alerts")["data"]["alerts"]
            if each["labels"]["alertname"] == "MonitorThere" and each["state"] == "firing"
        ],
        "the rule fires",
        timeout_seconds=30,
    )


def test_a_rule_has_versions_and_two_people_do_not_overwrite_each_other(
    desk: Visit, place: Place
) -> None:
    api = place.monitor.api
    draft = {"group": "browser", "rule": {"alert": "TwoPeople", "expr": "up == 7"}}
    rule = api.post("/api/monitor/rules/managed", draft)
    desk.open(f"{place.monitor.url}/rules/{rule['id']}")
    changed = draft | {"version": 1, "rule": {"alert": "TwoPeople", "expr": "up == 8"}}
    api.put(f"/api/monitor/rules/managed/{rule['id']}", changed)

    desk.page.get_by_label("For", exact=True).fill("3m")
    desk.page.get_by_role("button", name="Save").click()
    conflict = desk.page.get_by_role("alert", name="Changed meanwhile")
    expect(conflict).to_contain_text("up == 8")
    # That is how the server says it.
    assert [each for each in desk.complaints if "409" not in each] == []
    desk.complaints.clear()
    conflict.get_by_role("button", name="Save mine over theirs").click()

    expect(conflict).to_have_count(0)
    versions = desk.page.get_by_role("region", name="Versions")
    expect(versions.get_by_role("listitem")).to_have_count(3)
    versions.get_by_role("button", name="Go back to version 2").click()
    expect(versions.get_by_role("listitem")).to_have_count(4)
    expect(desk.page.get_by_label("The rule as YAML")).to_contain_text("up == 8")


def test_the_rules_of_a_file_say_where_they_live(desk: Visit, place: Place) -> None:
    desk.open(f"{place.monitor.url}/rules?source=files&query=MonitorGone")
    desk.page.get_by_role("link", name="MonitorGone").click()

    expect(_main(desk)).to_contain_text("rules.yml:6")
    expect(_main(desk)).to_contain_text("read-only here")
    desk.page.get_by_role("link", name="Make another of it").click()
    expect(desk.page.get_by_label("Name", exact=True)).to_have_value("MonitorGone")
    expect(desk.page.get_by_label("Severity")).to_have_value("critical")


def test_the_way_of_an_alert_through_the_routes_lights_up(desk: Visit, place: Place) -> None:
    desk.open(f"{place.monitor.url}/routes")
    form = desk.page.get_by_role("region", name="Try an alert")

    form.get_by_label("Take the labels of a rule").select_option(label="MonitorGone (critical)")

    expect(_main(desk).locator('[data-node="0.0"]')).to_contain_text("ends here")
    expect(_main(desk).locator('[data-node="0.1"]')).not_to_contain_text("ends here")
    told = form.get_by_role("listitem").filter(has_text="default")
    expect(told).to_have_count(2)
    expect(told.nth(0)).to_contain_text("At once")
    expect(told.nth(1)).to_contain_text("5m later")
    assert "severity" in desk.page.url

    label = form.get_by_label("Label", exact=True)
    label.fill('severity="info"')
    label.press("Enter")

    expect(_main(desk).locator('[data-node="0.1"]')).to_contain_text("ends here")
    expect(form).to_contain_text("in the weekly digest")


def test_a_receiver_is_tested_and_the_provider_is_quoted(desk: Visit, place: Place) -> None:
    desk.open(f"{place.monitor.url}/notifications?tab=receivers")
    receiver = desk.page.get_by_role("region", name="Receiver default")

    receiver.get_by_role("button", name="Test E-mail of default").click()

    # That is what the catcher's SMTP server says.
    expect(receiver.get_by_role("status")).to_contain_text("Kept")
    assert place.catcher.messages(channel="email", about="test")


def test_a_drill_is_run_reported_and_kept(desk: Visit, place: Place) -> None:
    desk.open(f"{place.monitor.url}/drills?query=MonitorGone")
    desk.page.get_by_role("button", name="Run a drill of MonitorGone").click()
    row = desk.page.get_by_role("row").filter(has_text="MonitorGone")
    expect(row).to_contain_text("Passed")
    expect(row).to_contain_text("3 channels")

    row.get_by_role("link", name="MonitorGone").click()
    expect(_main(desk)).to_contain_text("The monitor is gone")
    desk.page.get_by_role("button", name="I have heard of it").click()
    expect(_main(desk)).to_contain_text("admin@localhost")
    desk.page.get_by_role("link", name="Slack default").click()

    desk.settle()
    expect(desk.page.get_by_label("The message")).to_contain_text("DRILL")
    expect(_main(desk)).to_contain_text("Accepted")
    # Its alert is nowhere but in the drill's report.
    desk.page.get_by_role("region", name="Alerts").get_by_role("link").click()
    expect(_main(desk)).to_contain_text("How its condition was made true")
    desk.open(f"{place.monitor.url}/notifications?text=MonitorGone&integration=slack")
    rows = desk.page.get_by_role("row").filter(has_text="MonitorGone")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link", name="The drill of MonitorGone").click()
    expect(_main(desk)).to_contain_text("How its condition was made true")


def test_the_log_of_notifications_is_narrowed_to_a_stretch_of_time(
    desk: Visit, place: Place
) -> None:
    _find_drill(place)
    desk.open(f"{place.monitor.url}/notifications?integration=slack")
    rows = desk.page.locator("main tbody tr")
    expect(rows.first).to_be_visible()
    opener = desk.page.get_by_title("Time range")
    expect(opener).to_contain_text("Any time")

    opener.click()
    chooser = desk.page.get_by_role("dialog", name="Time range")
    chooser.get_by_label("From").fill("now-2h")
    chooser.get_by_label("To").fill("now-1h")
    chooser.get_by_role("button", name="Apply").click()

    expect(_main(desk)).to_contain_text("No notification matches")
    assert "from=now-2h" in desk.page.url
    opener.click()
    chooser.get_by_role("button", name="Last 1 hour").click()
    expect(rows.first).to_be_visible()
    opener.click()
    chooser.get_by_role("button", name="Any time").click()
    expect(opener).to_contain_text("Any time")
    assert "from=" not in desk.page.url


_LOOKS = {
    "rules": ("/rules", "MonitorGone"),
    "rule-new": ("/rules/new?expr=up%20%3E%200&from=now-6h", "It would have fired"),
    "rule-recording": (f"/rules/new?rule={_RECORDING}&from=now-6h", "would have recorded"),
    "routes": ("/routes?label=alertname%3D%22X%22", "Who is told"),
    "notification": ("/notifications/1", "Its way"),
    "receivers": ("/notifications?tab=receivers", "Last success"),
    "drills": ("/drills", "alerts have been proved"),
    "drill": ("/drills/{drill}", "Its way through the routes"),
}


@pytest.mark.parametrize("name", _LOOKS)
def test_a_page_is_without_barriers_on_every_screen(
    name: str, context: BrowserContext, place: Place
) -> None:
    path, sign = _LOOKS[name]
    drill = _find_drill(place)
    with look_at(context, place.monitor.url + path.format(drill=drill["id"])) as visited:
        expect(_main(visited)).to_contain_text(sign)
        check_looks(visited, OUTPUT / "pages" / f"{name}.png")
