"""Searching issues in a real browser: completion, mistakes, tabs, saved searches, likeness."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.acceptance.browser import Visit, check_looks, launch, look_at, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import MonitorProcess
from tests.acceptance.shop import new_event, run_shop, send, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_KINDS = ("PaymentFailed", "PaymentDeclined", "StockMissing")


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    def fail(monitor: MonitorProcess, kind: str) -> None:
        for turn in range(6):
            plan = "free" if kind == _KINDS[0] else "pro"
            event = new_event(kind) | {"tags": {"plan": plan, "shard": str(turn)}}
            exceptions: Any = event["exception"]
            frame = exceptions["values"][0]["stacktrace"]["frames"][0]
            frame["module"] = f"shop.{kind[:7].lower()}"
            send(monitor, event)

    with run_shop("search", _KINDS, fail=fail) as monitor:
        yield monitor


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


def test_a_search_is_completed_by_key_and_value(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/issues")
    box = desk.page.get_by_role("combobox", name="Search issues")
    expect(box).to_have_value("is:unresolved")
    box.fill("pla")
    desk.page.get_by_role("option", name=re.compile("plan:")).click()
    expect(box).to_have_value("plan:")
    desk.page.get_by_role("option", name=re.compile("^free")).click()
    expect(box).to_have_value("plan:free ")
    expect(desk.page.get_by_role("row", name=re.compile("PaymentFailed"))).to_be_visible()
    expect(desk.page.get_by_role("row", name=re.compile("StockMissing"))).to_have_count(0)
    expect(desk.page).to_have_url(re.compile(r"query=plan:free"))


def test_a_mistake_is_shown_at_its_character(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/issues")
    box = desk.page.get_by_role("combobox", name="Search issues")
    box.fill("basket level:loud")
    box.press("Enter")
    wrong = desk.page.get_by_role("alert").filter(has_text="never 'loud'")
    expect(wrong.locator("mark")).to_have_text("loud")
    expect(wrong).to_contain_text("fatal, error, warning")
    box.fill("basket level:error")
    expect(wrong).to_have_count(0)
    expect(desk.page.get_by_role("row", name=re.compile("StockMissing"))).to_be_visible()
    desk.complaints[:] = [each for each in desk.complaints if "400" not in each]


def test_tabs_change_the_state_and_leave_the_rest(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/issues?query=is:unresolved+plan:pro")
    tabs = desk.page.get_by_role("navigation", name="What became of them")
    tabs.get_by_role("link", name="Resolved", exact=True).click()
    box = desk.page.get_by_role("combobox", name="Search issues")
    expect(box).to_have_value("is:resolved plan:pro")
    expect(desk.page.get_by_text("No issue matches")).to_be_visible()
    tabs.get_by_role("link", name="All").click()
    expect(box).to_have_value("plan:pro")
    expect(desk.page.get_by_role("row", name=re.compile("StockMissing"))).to_be_visible()


def test_a_search_is_saved_opened_and_deleted(desk: Visit, monitor: MonitorProcess) -> None:
    desk.open(f"{monitor.url}/issues?query=plan:pro&sort=events")
    desk.page.get_by_role("button", name="Saved").click()
    dialog = desk.page.get_by_role("dialog", name="Saved searches")
    dialog.get_by_label("Name of the search").fill("Paying customers")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog.get_by_role("button", name=re.compile("^Paying customers"))).to_be_visible()

    desk.open(f"{monitor.url}/issues")
    desk.page.get_by_role("button", name="Saved").click()
    dialog.get_by_role("button", name=re.compile("^Paying customers")).click()
    box = desk.page.get_by_role("combobox", name="Search issues")
    expect(box).to_have_value("plan:pro")
    expect(desk.page).to_have_url(re.compile("sort=events"))
    desk.page.get_by_role("button", name="Paying customers").click()
    dialog.get_by_role("button", name="Delete Paying customers").click()
    expect(dialog).to_contain_text("Nobody has saved a search")


def test_pages_look_right(context: BrowserContext, monitor: MonitorProcess) -> None:
    OUTPUT.mkdir(exist_ok=True)
    with look_at(context, f"{monitor.url}/issues?query=plan:pro&trend=14d") as visited:
        check_looks(visited, OUTPUT / "search-list.png")
        box = visited.page.get_by_role("combobox", name="Search issues")
        box.fill("plan:pro ")
        completions = visited.page.get_by_role("listbox", name="Completions")
        option = completions.get_by_role("option").first
        expect(option).to_be_visible()
        check_looks(visited, OUTPUT / "search-completion.png", sign=option)
        visited.page.get_by_role("button", name="How to search").click()
        dialog = visited.page.get_by_role("dialog")
        expect(dialog).to_contain_text("timesSeen:")
        check_looks(visited, OUTPUT / "search-help.png", sign=dialog)

        issue = monitor.api.get("/api/monitor/issues", query="PaymentFailed")["items"][0]["id"]
        visited.open(f"{monitor.url}/issues/{issue}")
        similar = visited.page.get_by_role("region", name="Similar issues")
        expect(similar).to_contain_text("PaymentDeclined")
        visited.page.get_by_role("button", name=re.compile("more values?$")).first.click()
        similar.scroll_into_view_if_needed()
        check_looks(visited, OUTPUT / "search-similar.png", sign=similar)

        visited.page.goto(f"{monitor.url}/issues?query=level:loud")
        wrong = visited.page.get_by_role("alert").first
        expect(wrong).to_contain_text("never 'loud'")
        expect(visited.page.locator("header .fresh")).to_have_text("Not read")
        visited.complaints[:] = [each for each in visited.complaints if "400" not in each]
        check_looks(visited, OUTPUT / "search-wrong.png", sign=wrong)
