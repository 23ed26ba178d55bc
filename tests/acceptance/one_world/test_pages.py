"""Every page in a real browser: no error, no foreign host, no barrier, and links that hold."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect

from tests.acceptance.browser import (
    VARIANTS,
    Visit,
    check_looks,
    launch,
    look_at,
    open_context,
    signed_in,
    visit,
)
from tests.acceptance.conftest import OUTPUT
from tests.acceptance.story import Story
from tests.acceptance.world import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    BROKEN_RULE,
    SOUND_RULE,
    World,
)

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.browser,
    pytest.mark.timeout(240),
]

_STORY_SECONDS = 200
_EXPR = "sum by (status) (rate(http_requests_total[1m]))"


@pytest.fixture(scope="module")
def browser(story: Story) -> Iterator[Browser]:
    # The pages have something to show.
    story.exception.result(_STORY_SECONDS)
    story.outage.result(_STORY_SECONDS)
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser, world: World) -> Iterator[BrowserContext]:
    with signed_in(
        browser, world.monitor.url, email=ADMIN_EMAIL, password=ADMIN_PASSWORD
    ) as context:
        yield context


@pytest.fixture(scope="module")
def session(context: BrowserContext) -> StorageState:
    """The cookies of somebody who has signed in."""
    return context.storage_state()


@pytest.fixture
def desk(context: BrowserContext, world: World) -> Iterator[Visit]:
    """A page on a desktop."""
    with visit(context, world.monitor.url) as visited:
        yield visited


@pytest.fixture(scope="module")
def paths(world: World, story: Story) -> dict[str, tuple[str, str]]:
    """Where each page is, and its heading."""
    issue = story.exception.result(_STORY_SECONDS).issue
    probe_id = story.outage.result(_STORY_SECONDS).closed_outage["probe_id"]
    alerts = list(world.monitor.api.items("/api/monitor/alerts", status="resolved"))
    alert = next(each for each in alerts if each["name"] == "ProbeDown")
    return {
        "overview": ("/?from=now-5m", "Overview"),
        "issues": ("/issues", "Issues"),
        "issue": (f"/issues/{issue['id']}", issue["short_id"]),
        "alerts": ("/alerts?status=resolved", "Alerts"),
        "alert": (f"/alerts/{alert['fingerprint']}", "ProbeDown"),
        "rules": ("/rules", "Rules"),
        "routes": ("/routes?label=alertname%3D%22X%22&label=severity%3D%22warning%22", "Routes"),
        "notifications": ("/notifications", "Notifications"),
        "monitors": ("/monitors", "Monitors"),
        "monitor": (f"/monitors/{probe_id}?from=now-15m", "ResuMatch API"),
        "metrics": (f"/explore?expr={_EXPR}&from=now-5m", "Metrics"),
        "projects": ("/projects", "Projects"),
        "project": ("/projects/1", "ResuMatch back end"),
        "project-scrubbing": ("/projects/1?tab=scrubbing", "ResuMatch back end"),
        "targets": ("/targets", "Targets"),
        "cardinality": ("/cardinality?metric=http_requests_total", "Cardinality"),
        "settings": ("/settings", "Settings"),
        "not-found": ("/no/such/page", "Not found"),
    }


_PAGES = (
    *("overview", "issues", "issue", "alerts", "alert", "rules", "routes", "notifications"),
    *("monitors", "monitor", "metrics", "projects", "project", "project-scrubbing"),
    *("targets", "cardinality", "settings", "not-found"),
)


@pytest.mark.parametrize("name", _PAGES)
def test_a_page_is_without_errors_foreign_hosts_and_barriers(
    name: str, paths: dict[str, tuple[str, str]], context: BrowserContext, world: World
) -> None:
    path, heading = paths[name]
    with look_at(context, world.monitor.url + path) as visited:
        title = visited.page.get_by_role("heading", level=1, name=heading)
        check_looks(visited, OUTPUT / "pages" / f"{name}.png", sign=title)
        expect(visited.page.get_by_role("alert")).to_have_count(0)


def test_every_entry_of_the_navigation_leads_to_its_page(desk: Visit, world: World) -> None:
    desk.open(world.monitor.url)
    labels = desk.page.locator("#nav li a.entry .label").all_inner_texts()

    for label in labels:
        desk.page.locator("#nav").get_by_role("link", name=label).first.click()
        desk.settle()
        expect(desk.page.get_by_role("heading", level=1)).to_have_text(label)

    assert len(labels) >= 9
    desk.check()


def test_the_sign_in_page_is_without_errors_and_keeps_strangers_out(
    browser: Browser, world: World
) -> None:
    context = open_context(browser, VARIANTS[1])
    with visit(context, world.monitor.url) as visited:
        visited.page.goto(f"{world.monitor.url}/issues?sort=events")
        assert urlsplit(visited.page.url).path == "/login"
        assert visited.find_barriers() == []
        visited.page.screenshot(path=OUTPUT / "pages" / "login.png")
        visited.page.get_by_label("E-mail").fill(ADMIN_EMAIL)
        visited.page.get_by_label("Password").fill("not the password")
        visited.page.get_by_role("button", name="Sign in").click()

        expect(visited.page.get_by_role("alert")).to_contain_text("wrong")
        # The browser itself notes the refusal on the console.
        assert {each.partition(" of ")[0] for each in visited.complaints} <= {
            "401",
            "console error: Failed to load resource: the server responded with a status"
            " of 401 (Unauthorized)",
            "console error: Failed to load resource: the server responded with a status",
        }
        visited.complaints.clear()
        visited.page.get_by_label("Password").fill(ADMIN_PASSWORD)
        visited.page.get_by_role("button", name="Sign in").click()
        visited.settle()
        assert visited.page.url == f"{world.monitor.url}/issues?sort=events"
        visited.check()
    context.close()


def test_a_copied_link_shows_the_same_issues(
    desk: Visit, browser: Browser, session: StorageState, world: World
) -> None:
    desk.open(f"{world.monitor.url}/issues")
    desk.page.get_by_label("Search issues").fill("ZeroDivision")
    desk.page.get_by_label("Sort").select_option("events")
    desk.page.get_by_label("Project").select_option(label="resumatch-api")
    desk.page.wait_for_url("**/issues?*query=ZeroDivision*")
    expect(desk.page.locator("main tbody tr")).to_have_count(1)
    link = desk.page.url

    context = open_context(browser, VARIANTS[1], session=session)
    with visit(context, world.monitor.url) as other:
        other.open(link)
        expect(other.page.get_by_label("Search issues")).to_have_value("ZeroDivision")
        expect(other.page.get_by_label("Sort")).to_have_value("events")
        expect(other.page.get_by_label("Project")).to_have_value("1")
        expect(other.page.locator("main tbody tr")).to_have_count(1)
        expect(other.page.locator("main tbody tr").first).to_contain_text("ZeroDivisionError")
        other.check()
    context.close()
    desk.check()


def test_a_copied_link_shows_the_same_query_and_range(
    desk: Visit, browser: Browser, session: StorageState, world: World
) -> None:
    desk.open(f"{world.monitor.url}/explore")
    desk.page.locator("[data-editor] [role=textbox]").fill("sum by (job) (up)")
    desk.page.get_by_role("button", name="Run").click()
    desk.page.get_by_role("button", name="Last 1 hour").click()
    desk.page.get_by_role("button", name="Last 15 minutes").click()
    desk.page.get_by_role("link", name="Table").or_(
        desk.page.get_by_role("tab", name="Table")
    ).first.click()
    desk.settle()
    link = desk.page.url
    query = parse_qs(urlsplit(link).query)

    context = open_context(browser, VARIANTS[1], session=session)
    with visit(context, world.monitor.url) as other:
        other.open(link)
        editor = other.page.locator("[data-editor] [role=textbox]")
        expect(editor).to_have_text("sum by (job) (up)")
        expect(other.page.get_by_role("button", name="Last 15 minutes")).to_be_visible()
        expect(other.page.get_by_role("row").filter(has_text="resumatch-api")).to_have_count(1)
        other.check()
    context.close()
    assert query["expr"] == ["sum by (job) (up)"]
    assert query["from"] == ["now-15m"]
    assert query["tab"] == ["table"]
    desk.check()


def test_the_issue_page_shows_frame_variables_and_release(
    desk: Visit, paths: dict[str, tuple[str, str]], world: World
) -> None:
    desk.open(world.monitor.url + paths["issue"][0])

    main = desk.page.locator("main")
    expect(main).to_contain_text("_weigh_keywords")
    expect(main).to_contain_text("return total_weight / len(keywords)")
    expect(main).to_contain_text("total_weight")
    expect(main).to_contain_text("resumatch@acceptance-1")
    desk.check()


def test_the_rules_page_says_which_rule_fails_and_why(desk: Visit, world: World) -> None:
    desk.open(f"{world.monitor.url}/rules")

    broken = desk.page.get_by_role("region", name="Rules that could not be read")
    expect(broken).to_contain_text(BROKEN_RULE)
    expect(broken).to_contain_text("rules.yml:6")
    expect(broken).to_contain_text("unclosed left parenthesis")
    expect(desk.page.get_by_role("row").filter(has_text=SOUND_RULE)).to_have_count(1)
    desk.check()


def test_the_targets_page_says_why_a_target_is_down(desk: Visit, world: World) -> None:
    desk.open(f"{world.monitor.url}/targets")

    expect(desk.page.locator("main")).to_contain_text("answered text/html")
    desk.check()
