"""Why events are together, merging, splitting and the rules of a project, in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.acceptance.browser import Visit, check_looks, launch, look_at, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import MonitorProcess
from tests.acceptance.shop import find_issue, new_event, run_shop, send, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_CONFIG = """
errors:
  fingerprint_rules:
    shop-api: 'error.type:NeverSeen -> never'
"""
_KINDS = ("PaymentFailed", "PaymentDeclined", "StockMissing", "MailBounced")


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    def fail(monitor: MonitorProcess, kind: str) -> None:
        for _ in range(4):
            send(monitor, reached(new_event(kind)))

    with run_shop("grouping", _KINDS, config=_CONFIG, fail=fail) as monitor:
        yield monitor


def reached(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the calls that led there."""
    frames: list[dict[str, Any]] = event["exception"]["values"][0]["stacktrace"]["frames"]
    outer = {"function": "run_endpoint", "module": "fastapi.routing", "in_app": False}
    route = {"function": "post_order", "module": "acceptance.api", "in_app": True}
    return event | {
        "exception": {
            "values": [
                event["exception"]["values"][0]
                | {"stacktrace": {"frames": [outer, route, *frames]}}
            ]
        }
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, monitor: MonitorProcess) -> Iterator[BrowserContext]:
    with sign_in(browser, monitor) as context:
        yield context


@pytest.fixture
def desk(context: BrowserContext, monitor: MonitorProcess) -> Iterator[Visit]:
    """A page on a desktop; afterwards nothing may have been complained about."""
    with visit(context, monitor.url) as visited:
        yield visited
        visited.check()


def test_issues_are_merged_from_the_list_explained_and_separated_again(
    desk: Visit, monitor: MonitorProcess
) -> None:
    declined = find_issue(monitor, "PaymentDeclined")
    desk.open(f"{monitor.url}/issues?query=Payment")
    desk.page.get_by_label("Select all").check()
    desk.page.get_by_role("button", name="Merge…").click()
    dialog = desk.page.get_by_role("dialog", name="Merge issues")
    dialog.get_by_role("row", name=re.compile("PaymentFailed")).get_by_role("radio").check()
    dialog.get_by_role("button", name="Merge 2 issues").click()
    expect(dialog).to_have_count(0)

    desk.open(f"{monitor.url}/issues/{find_issue(monitor, 'PaymentDeclined')}")
    why = desk.page.get_by_role("region", name="Why together")
    expect(why).to_contain_text("pay in acceptance.payment")
    expect(why).to_contain_text("Does not matter: line numbers")
    why.get_by_role("button", name="Calls, one by one").click()
    expect(why).to_contain_text("only the way there")
    expect(why).to_contain_text("not the application's own")
    expect(why.get_by_role("list", name="Merges and splits")).to_contain_text("SHOP-API-")

    why.get_by_role("button", name="Split…").click()
    split = desk.page.get_by_role("dialog", name=re.compile("Split"))
    split.get_by_role("checkbox").first.check()
    split.get_by_role("button", name="Split off").click()
    expect(why.get_by_role("list", name="Merges and splits").get_by_role("listitem")).to_have_count(
        2
    )
    why.get_by_role("button", name="Undo").first.click()
    expect(why).to_contain_text("undone by admin@localhost")

    # A link to what was merged leads on; the browser notes the 404 on the way.
    desk.page.goto(f"{monitor.url}/issues/{declined}")
    expect(desk.page.get_by_role("region", name="Why together")).to_be_visible()
    desk.complaints[:] = [each for each in desk.complaints if "404" not in each]


def test_an_issue_is_merged_with_one_that_is_searched_for(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/issues/{find_issue(monitor, 'StockMissing')}")
    desk.page.get_by_role("region", name="Why together").get_by_role(
        "button", name="Merge…"
    ).click()
    dialog = desk.page.get_by_role("dialog", name="Merge issues")
    dialog.get_by_role("searchbox").fill("Bounced")
    dialog.get_by_role("list", name="Found").get_by_role("button").first.click()
    dialog.get_by_role("button", name="Merge 2 issues").click()
    why = desk.page.get_by_role("region", name="Why together")
    expect(why.get_by_role("list", name="Merges and splits")).to_contain_text("Merged in")

    why.get_by_role("button", name="Undo").click()
    expect(why).to_contain_text("undone by")


def test_rules_are_tried_and_a_wrong_one_is_shown_where_it_is(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/projects/1?tab=grouping")
    rules = desk.page.get_by_role("region", name="Fingerprint rules", exact=True)
    expect(rules).to_contain_text("error.type:NeverSeen")
    rules.get_by_role("textbox").fill("error.type:Stock* -> stock\nbug:A -> b")
    rules.get_by_role("button", name="Try on stored events").click()
    expect(rules.get_by_role("alert")).to_contain_text("Line 2, column 1")
    desk.complaints[:] = [each for each in desk.complaints if "400" not in each]

    rules.get_by_role("textbox").fill('error.type:Stock* -> stock title="Out of stock"')
    rules.get_by_role("button", name="Try on stored events").click()
    trial = rules.get_by_role("region", name="What the rules would do")
    expect(trial).to_contain_text("4 events of 1 issue would make 1 issue")
    expect(trial).to_contain_text("Out of stock")
    rules.get_by_role("button", name="Save").click()
    expect(desk.page.get_by_role("region", name="Changes")).to_contain_text("admin@localhost")
    assert "Out of stock" in monitor.api.get("/api/monitor/projects/1/grouping")["rules"]


def test_another_version_is_previewed_before_it_is_applied(
    desk: Visit, monitor: MonitorProcess
) -> None:
    desk.open(f"{monitor.url}/projects/1?tab=grouping")
    version = desk.page.get_by_role("region", name="Version of grouping")
    version.get_by_label("Version").select_option("1")
    expect(version.get_by_role("button", name="Apply version 1")).to_be_disabled()
    version.get_by_role("button", name="Preview").click()
    preview = version.get_by_role("region", name="Preview of version 1")
    expect(preview).to_contain_text("no issues would be joined")

    version.get_by_role("button", name="Apply version 1").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(version).to_contain_text("Version 2 is offered")
    expect(version).to_contain_text("Keys of version 2 lead to their issues")


def test_pages_look_right(context: BrowserContext, monitor: MonitorProcess) -> None:
    OUTPUT.mkdir(exist_ok=True)
    with look_at(context, f"{monitor.url}/projects/1?tab=grouping") as visited:
        rules = visited.page.get_by_role("region", name="Fingerprint rules", exact=True)
        rules.get_by_role("button", name="Try on stored events").click()
        expect(rules).to_contain_text("stored event")
        visited.page.get_by_role("button", name="Preview").click()
        preview = visited.page.get_by_role("region", name=re.compile("Preview"))
        expect(preview).to_contain_text("would")
        check_looks(visited, OUTPUT / "grouping-project.png", sign=preview)

        visited.open(f"{monitor.url}/issues/{find_issue(monitor, 'StockMissing')}")
        why = visited.page.get_by_role("region", name="Why together")
        why.get_by_role("button", name="Calls, one by one").click()
        why.scroll_into_view_if_needed()
        check_looks(visited, OUTPUT / "grouping-why.png", sign=why)
        why.get_by_role("button", name="Merge…").click()
        visited.page.get_by_role("searchbox").last.fill("a")
        found = visited.page.get_by_role("list", name="Found")
        expect(found).to_contain_text("SHOP-API")
        check_looks(visited, OUTPUT / "grouping-merge.png", sign=found)
