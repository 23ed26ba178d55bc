"""The pages of alerts and silences: found, handled together, silenced, judged."""

import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from resumatch.demo.processes import Processes
from tests.acceptance.browser import (
    VARIANTS,
    Visit,
    check_looks,
    launch,
    look_at,
    signed_in,
    visit,
)
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_EMAIL, _PASSWORD = "ada@localhost", "a-password-of-the-acceptance-tests"
_LOOKS = (VARIANTS[3], VARIANTS[0])
_CONFIG = """
auth:
  admin: {{email: {email}, password: {password}}}
  tokens: [{{name: tests, token: {token}, role: editor}}]
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  inhibit_rules:
    - source_matchers: ['alertname="DatabaseDown"']
      target_matchers: ['alertname="ApiSlow"']
"""
_RULES = """
groups:
  - name: own
    interval: 1s
    rules:
      - {alert: DatabaseDown, expr: vector(1) > 0, labels: {severity: critical, team: data}}
      - alert: ApiSlow
        expr: vector(2.1) > 1
        labels: {severity: warning, team: api}
        annotations: {summary: The API answers in 2.1 s, runbook: Look at the last deploy}
      - {alert: DiskFillsUp, expr: vector(0.9) > 0.8, for: 1h, labels: {team: data}}
"""
_LATER = datetime.now(UTC) + timedelta(hours=1)


def _push(
    monitor: MonitorProcess, ends_at: datetime, *label_sets: dict[str, str], source: str = ""
) -> None:
    monitor.api.post(
        "/api/v2/alerts",
        [
            {
                "labels": labels,
                "annotations": {"summary": f"{labels['alertname']} is up to something"},
                "generatorURL": source,
                "startsAt": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(),
                "endsAt": ends_at.isoformat(),
            }
            for labels in label_sets
        ],
    )


def _queues(name: str) -> list[dict[str, str]]:
    return [
        {"alertname": name, "severity": "warning", "queue": queue, "team": name.lower()}
        for queue in ("mail", "match", "parse")
    ]


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with tempfile.TemporaryDirectory(prefix="resumatch-alerts-") as name:
        folder = Path(name)
        (port,) = choose_ports(1)
        config = folder / "monitor.yaml"
        config.write_text(_CONFIG.format(email=_EMAIL, password=_PASSWORD, token=TOKEN))
        (folder / "rules.yml").write_text(_RULES)
        processes = Processes(folder / "logs")
        monitor = MonitorProcess(
            name="monitor", config=config, data=folder / "data", port=port, processes=processes
        )
        try:
            monitor.start()
            _push(monitor, _LATER, *_queues("Backlog"), *_queues("Lag"), *_queues("Drift"))
            _push(monitor, _LATER, *_queues("Pair"))
            _push(monitor, _LATER, {"alertname": "Hush", "severity": "info", "team": "hush"})
            _push(monitor, _LATER, {"alertname": "Mended", "severity": "warning", "team": "mend"})
            sourced = {"alertname": "Sourced", "severity": "info", "team": "far"}
            _push(monitor, _LATER, sourced, source="http://elsewhere.test/graph?g0.expr=up")
            _push(monitor, _LATER, {"alertname": "Counted", "severity": "info", "team": "count"})
            over = {"alertname": "Over", "severity": "critical", "team": "over"}
            _push(monitor, _LATER, over, *_queues("Past"))
            _push(monitor, datetime.now(UTC), over, *_queues("Past"))
            monitor.api.post(
                "/api/monitor/silences",
                {"matchers": ['team="drift"'], "comment": "The move, OPS-1182", "duration": "9m"},
            )
            wait_until(
                lambda: (
                    _states(monitor, "ApiSlow") == ["suppressed"]
                    and _states(monitor, "DiskFillsUp") == ["pending"]
                    and _states(monitor, "Over") == ["resolved"]
                ),
                "the alerts are in their states",
                timeout_seconds=30,
            )
            yield monitor
        finally:
            monitor.close()
            processes.stop_all()


def _find(monitor: MonitorProcess, name: str) -> list[dict[str, Any]]:
    return monitor.api.get("/api/monitor/alerts", name=name)["items"]


def _states(monitor: MonitorProcess, name: str) -> list[str]:
    return [each["state"] for each in _find(monitor, name)]


def _page_of(monitor: MonitorProcess, name: str) -> str:
    return f"{monitor.url}/alerts/{_find(monitor, name)[0]['fingerprint']}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, monitor: MonitorProcess) -> Iterator[BrowserContext]:
    with signed_in(browser, monitor.url, email=_EMAIL, password=_PASSWORD) as context:
        yield context


@pytest.fixture
def desk(context: BrowserContext, monitor: MonitorProcess) -> Iterator[Visit]:
    """A page on a desktop; afterwards nothing may have been complained about."""
    with visit(context, monitor.url) as visited:
        yield visited
        visited.check()


_PATHS = {
    "alerts": "/alerts?state=open",
    "alerts-grouped": "/alerts?state=open&group=team&open=backlog",
    "alerts-none": "/alerts?state=snoozed&text=nothing-has-this",
    "alert-held": "ApiSlow",
    "alert-over": "Over",
    "silences": "/silences",
    "silence-new": "/silences/new?matcher=team%3D%22drift%22",
}


@pytest.mark.parametrize("name", _PATHS)
def test_a_page_is_without_errors_and_barriers(
    name: str, context: BrowserContext, monitor: MonitorProcess
) -> None:
    path = _PATHS[name]
    url = monitor.url + path if path.startswith("/") else _page_of(monitor, path)
    with look_at(context, url) as visited:
        page, sign = visited.page, visited.page.get_by_role("heading", level=1)
        if name == "alerts":
            page.get_by_role("checkbox", name="Select DatabaseDown").check()
            sign = page.get_by_role("region", name="Selected alerts")
        if name == "silence-new":
            sign = page.get_by_role("region", name="Matches now").filter(has_text="Drift")

        check_looks(visited, OUTPUT / "pages" / f"{name}.png", variants=_LOOKS, sign=sign)


def test_what_is_held_back_says_by_what(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_page_of(monitor, "ApiSlow"))
    main = desk.page.locator("main")
    expect(main).to_contain_text("Nobody is told for now: inhibited while DatabaseDown")
    expect(main).to_contain_text("fires above 1")
    expect(main).to_contain_text("Look at the last deploy")

    desk.page.get_by_role("link", name="Open that alert").click()

    expect(desk.page.get_by_role("heading", level=1)).to_have_text("DatabaseDown")


def test_alerts_are_acknowledged_together_with_a_result_for_each(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/alerts?matcher=team%3D%22backlog%22")
    desk.page.get_by_role("checkbox", name="Select all").check()
    bar = desk.page.get_by_role("region", name="Selected alerts")
    expect(bar).to_contain_text("3 selected")

    bar.get_by_role("button", name="Acknowledge").click()

    result = desk.page.locator("details", has_text="3 alerts acknowledged")
    result.locator("summary").click()
    expect(result.get_by_role("listitem").filter(has_text="Done")).to_have_count(3)
    expect(bar).to_have_count(0)
    expect(desk.page.locator("main")).to_contain_text("No alert matches")
    desk.page.get_by_role("link", name="Acknowledged").click()
    expect(desk.page.locator("main tbody tr", has_text=f"by {_EMAIL}")).to_have_count(3)
    assert _states(monitor, "Backlog") == ["acknowledged"] * 3
    # The copied link keeps what was narrowed.
    assert parse_qs(urlsplit(desk.page.url).query) == {
        "matcher": ['team="backlog"'],
        "state": ["acknowledged"],
    }


def test_the_navigation_counts_what_needs_somebody(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/alerts")
    link = desk.page.get_by_role("navigation", name="Main").get_by_role("link", name="Alerts")
    needing = monitor.api.get("/api/monitor/alerts", state="firing", limit=1)["counts"]["firing"]
    expect(link.locator(".pill")).to_contain_text(f"{needing} need somebody")
    desk.open(_page_of(monitor, "Counted"))

    desk.page.get_by_role("button", name="Acknowledge").click()

    expect(link.locator(".pill")).to_contain_text(f"{needing - 1} need somebody")
    expect(link).to_have_attribute("title", re.compile("more fire and are in hand or held back"))


def test_what_is_pending_says_why_it_cannot_be_acknowledged(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_page_of(monitor, "DiskFillsUp"))
    main = desk.page.locator("main")
    expect(main).to_contain_text("There is nothing to acknowledge before it fires")
    expect(main.get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(main.get_by_role("link", name="Silence")).to_be_visible()

    desk.open(f"{monitor.url}/alerts?state=pending")
    desk.page.get_by_role("checkbox", name="Select DiskFillsUp").check()

    bar = desk.page.get_by_role("region", name="Selected alerts")
    expect(bar).to_contain_text("nothing to acknowledge before it fires")
    expect(bar.get_by_role("button", name="Acknowledge")).to_have_count(0)
    desk.page.locator("main").get_by_role("link", name="DiskFillsUp").focus()
    desk.page.keyboard.press("a")
    expect(desk.page.locator(".toast")).to_contain_text("nothing to handle before it fires")


def test_a_pushed_alert_leads_to_its_source(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_page_of(monitor, "Sourced"))

    source = desk.page.locator("main header").get_by_role("link", name="Open source")

    expect(source).to_have_attribute("href", "http://elsewhere.test/graph?g0.expr=up")
    expect(desk.page.locator("main header")).to_contain_text("pushed by another system")


def test_the_keyboard_chooses_and_a_group_is_snoozed(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/alerts?state=open&group=alertname&open=Lag")
    expect(desk.page.locator("main tr", has_text="Lag is up to something")).to_have_count(3)
    desk.page.get_by_role("checkbox", name="Select all of Lag").check()
    expect(desk.page.get_by_role("region", name="Selected alerts")).to_contain_text("3 selected")

    desk.page.locator("main").get_by_role("button", name="Lag").focus()
    desk.page.keyboard.press("z")
    dialog = desk.page.get_by_role("dialog", name="Snooze 3 alerts")
    dialog.get_by_text("4 h", exact=True).click()
    dialog.get_by_label("Why").fill("Month end")
    dialog.get_by_role("button", name="Snooze").click()

    expect(dialog).to_have_count(0)
    lagging = desk.page.locator("main tr", has_text="Lag is up to something")
    expect(lagging.filter(has_text="Snoozed")).to_have_count(3)
    assert _states(monitor, "Lag") == ["snoozed"] * 3

    desk.open(f"{monitor.url}/alerts?matcher=team%3D%22data%22")
    desk.page.keyboard.press("j")
    desk.page.keyboard.press("x")
    expect(desk.page.get_by_role("checkbox", name="Select DatabaseDown")).to_be_checked()


def test_labels_narrow_the_list_and_a_broken_matcher_is_explained(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/alerts?state=open&text=drift")
    matcher = desk.page.get_by_role("combobox", name="Label matcher")
    matcher.fill("queue=~ma(")
    matcher.press("Enter")
    expect(desk.page.locator("main")).to_contain_text("This is no regular expression.")

    matcher.fill("queue=~ma.*")
    matcher.press("Enter")

    expect(desk.page.locator("main tbody tr")).to_have_count(2)
    assert parse_qs(urlsplit(desk.page.url).query)["matcher"] == ['queue=~"ma.*"']
    desk.page.get_by_role("button", name="Remove").click()
    expect(desk.page.locator("main tbody tr")).to_have_count(3)


def test_an_alert_is_commented_on_assigned_and_resolved(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_page_of(monitor, "Mended"))
    timeline = desk.page.get_by_role("region", name="Timeline")
    timeline.get_by_label("Comment").fill("It was the cache")
    timeline.get_by_role("button", name="Comment").click()
    expect(timeline).to_contain_text("It was the cache")
    desk.page.get_by_role("button", name="Assign").click()
    dialog = desk.page.get_by_role("dialog", name="Assign Mended")
    dialog.get_by_role("button", name="Me").click()
    dialog.get_by_role("button", name="Assign").click()
    expect(timeline).to_contain_text(f"{_EMAIL} assigned it to {_EMAIL}")

    desk.page.locator("main").focus()
    desk.page.keyboard.press("e")
    dialog = desk.page.get_by_role("dialog", name="Resolve Mended")
    dialog.get_by_label("What ended it").fill("Cache emptied")
    dialog.get_by_role("button", name="Resolve").click()

    expect(timeline).to_contain_text("resolved it")
    expect(timeline).to_contain_text("Cache emptied")
    expect(desk.page.locator("main header")).to_contain_text("Resolved")
    assert _states(monitor, "Mended") == ["resolved"]


def test_an_alert_is_silenced_with_its_labels_and_the_silence_ended(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(_page_of(monitor, "Hush"))
    desk.page.locator("main").get_by_role("link", name="Silence").click()
    expect(desk.page.get_by_role("heading", level=1)).to_have_text("New silence")
    expect(desk.page.locator("main form .chip", has_text='alertname="Hush"')).to_have_count(1)
    expect(desk.page.get_by_role("region", name="Matches now")).to_contain_text("1 of ")

    desk.page.get_by_label("Why").fill("Being moved")
    desk.page.get_by_role("button", name="Silence", exact=True).click()

    row = desk.page.locator("main tbody tr", has_text="Being moved")
    expect(row).to_contain_text("1 alert")
    row.get_by_label("Extend silence").select_option("by 1 day")
    expect(row).to_contain_text("in 1d")
    assert _states(monitor, "Hush") == ["silenced"]
    desk.open(_page_of(monitor, "Hush"))
    expect(desk.page.locator("main")).to_contain_text(f"silenced by {_EMAIL}")
    desk.page.get_by_role("link", name="Open the silence").click()
    expect(desk.page.get_by_label("Why")).to_have_value("Being moved")

    desk.open(f"{monitor.url}/silences")
    row.get_by_role("button", name="Expire").click()
    desk.page.get_by_role("button", name="Expire it now").click()

    expect(row).to_have_count(0)
    wait_until(lambda: _states(monitor, "Hush") == ["firing"], "it is heard again")
    desk.open(_page_of(monitor, "Hush"))
    timeline = desk.page.get_by_role("region", name="Timeline")
    expect(timeline).to_contain_text(f"{_EMAIL} silenced it until")
    expect(timeline).to_contain_text("Being moved")
    expect(timeline).to_contain_text(f"{_EMAIL} ended the silence")


def test_alerts_are_silenced_together(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/alerts?matcher=team%3D%22pair%22")
    desk.page.get_by_role("checkbox", name="Select all").check()

    bar = desk.page.get_by_role("region", name="Selected alerts")
    bar.get_by_role("link", name="Silence").click()

    matched = desk.page.get_by_role("region", name="Matches now")
    expect(matched).to_contain_text("3 of ")
    expect(matched.get_by_role("row").filter(has_text="Pair")).to_have_count(3)
    desk.page.get_by_label("Why").fill("All of them")
    desk.page.get_by_role("button", name="Silence", exact=True).click()
    expect(desk.page.locator("main tbody tr", has_text="All of them")).to_contain_text("3 alerts")
    assert _states(monitor, "Pair") == ["silenced"] * 3


def test_a_past_firing_is_judged_with_one_click(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(_page_of(monitor, "Over"))
    history = desk.page.get_by_role("region", name="History")
    noise = history.get_by_role("button", name="Noise")

    noise.click()

    expect(noise).to_have_attribute("aria-pressed", "true")
    expect(history).to_contain_text("100% of 1 judged")
    expect(desk.page.get_by_role("region", name="Timeline")).to_contain_text("judged it noise")
    assert _find(monitor, "Over")[0]["handling"]["outcome"] == "noise"
    noise.click()
    expect(history).to_contain_text("none judged")
    history.get_by_role("button", name="It missed something").click()
    dialog = desk.page.get_by_role("dialog", name="Over missed something")
    dialog.get_by_label("What happened").fill("Uploads failed for an hour")
    dialog.get_by_role("button", name="Record it").click()
    expect(history).to_contain_text("Uploads failed for an hour")


def test_a_noisy_night_is_judged_at_once(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/alerts?state=resolved&matcher=team%3D%22past%22")
    desk.page.get_by_role("checkbox", name="Select all").check()

    desk.page.get_by_role("button", name="Noise").click()

    expect(desk.page.locator("details", has_text="3 alerts judged noise")).to_be_visible()
    expect(desk.page.locator("main tbody tr", has_text="was noise")).to_have_count(3)
