"""Resolving, archiving, assigning and commenting, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.acceptance.browser import Visit, check_looks, launch, look_at, visit
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.monitor import MonitorProcess
from tests.acceptance.shop import find_issue, new_event, run_shop, send, sign_in

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

_KINDS = ("PaymentFailed", "StockMissing", "MailBounced")


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    def fail(monitor: MonitorProcess, kind: str) -> None:
        send(monitor, new_event(kind) | {"release": "shop@1.0.0"})

    with run_shop("decisions", _KINDS, fail=fail) as monitor:
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


def test_an_issue_is_resolved_in_the_next_release_and_the_message_takes_it_back(
    monitor: MonitorProcess, desk: Visit
) -> None:
    desk.open(f"{monitor.url}/issues/{find_issue(monitor, 'PaymentFailed')}")
    header = desk.page.locator("main header").first
    desk.page.get_by_role("button", name="Ways to resolve").click()
    desk.page.get_by_role("menuitem", name="In the next release").click()
    expect(header).to_contain_text("Resolved in the release after shop@1.0.0")

    desk.page.get_by_role("button", name="Undo").click()

    expect(header.get_by_role("button", name="Resolve", exact=True)).to_be_visible()
    expect(header).not_to_contain_text("Resolved in")


def test_an_issue_is_assigned_and_archived_by_keys(monitor: MonitorProcess, desk: Visit) -> None:
    desk.open(f"{monitor.url}/issues/{find_issue(monitor, 'PaymentFailed')}")
    header = desk.page.locator("main header").first
    expect(header.get_by_role("button", name="Archive", exact=True)).to_be_visible()
    desk.page.keyboard.press("a")
    dialog = desk.page.get_by_role("dialog", name="Assign")
    dialog.get_by_role("button", name="Me", exact=True).click()
    dialog.get_by_role("button", name="Assign", exact=True).click()
    expect(header.get_by_role("button", name="admin@localhost")).to_be_visible()

    desk.page.keyboard.press("i")
    expect(header).to_contain_text("Archived until it escalates")
    desk.page.keyboard.press("e")
    expect(header.get_by_role("button", name="Resolve", exact=True)).to_be_visible()


def test_people_comment_on_an_issue(monitor: MonitorProcess, desk: Visit) -> None:
    desk.open(f"{monitor.url}/issues/{find_issue(monitor, 'StockMissing')}?tab=activity")
    desk.page.get_by_role("textbox", name="Comment").fill("The supplier is down.")
    desk.page.get_by_role("button", name="Comment", exact=True).click()
    activity = desk.page.locator("main ol").first
    expect(activity).to_contain_text("The supplier is down.")

    desk.page.get_by_role("button", name="Edit the comment").click()
    desk.page.get_by_role("textbox", name="Comment").last.fill("The supplier is up again.")
    desk.page.get_by_role("button", name="Save").click()
    expect(activity).to_contain_text("The supplier is up again.")
    expect(activity).to_contain_text("edited")
    desk.page.get_by_role("button", name="Delete the comment").click()
    expect(activity).not_to_contain_text("supplier")


def test_many_issues_are_archived_until_more_users_meet_them(
    monitor: MonitorProcess, desk: Visit
) -> None:
    desk.open(f"{monitor.url}/issues")
    desk.page.get_by_role("checkbox", name="Select all").check()
    bar = desk.page.get_by_role("region", name="Selected issues")
    bar.get_by_role("button", name="Ways to archive").click()
    desk.page.get_by_role("menuitem", name="Until more users").click()
    desk.page.get_by_role("spinbutton", name="Users").fill("20")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Archive", exact=True).click()
    expect(desk.page.locator("main")).to_contain_text("No unresolved issues")

    desk.page.get_by_role("button", name="Undo").click()

    expect(desk.page.get_by_role("row")).to_have_count(len(_KINDS) + 1)


def test_the_pages_look_well(context: BrowserContext, monitor: MonitorProcess) -> None:
    number = find_issue(monitor, "MailBounced")
    with look_at(context, f"{monitor.url}/issues/{number}?tab=activity") as visited:
        visited.page.get_by_role("button", name="Ways to resolve").click()
        now = visited.page.get_by_role("menuitem", name="Now")
        expect(now).to_be_focused()
        check_looks(visited, OUTPUT / "issue-decisions.png", sign=now)
        visited.page.keyboard.press("Escape")
        expect(visited.page.get_by_role("menu")).to_have_count(0)
        visited.check()
