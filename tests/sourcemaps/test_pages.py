"""The pages on which people see original code, why there is none, and what was uploaded."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.acceptance.browser import (
    VARIANTS,
    Visit,
    check_looks,
    launch,
    look_at,
    signed_in,
    visit,
)
from tests.sourcemaps.conftest import KEY
from tests.sourcemaps.events import make_event, read, send
from tests.sourcemaps.test_original_frames import upload
from tests.support.bundles import SOURCE, column_of, make_bundle, make_files
from tests.support.monitor import RunningMonitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser]

EMAIL, PASSWORD = "bob@example.org", "a-password-of-the-tests"
# One screen of each size and one of each theme.
SHOWN = (VARIANTS[3], VARIANTS[0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(
    browser: Browser, monitor: RunningMonitor, admin: httpx.Client
) -> Iterator[BrowserContext]:
    user = {"email": EMAIL, "name": "Bob", "role": "editor", "password": PASSWORD}
    admin.post("/api/monitor/users", json=user).raise_for_status()
    with signed_in(browser, monitor.url, email=EMAIL, password=PASSWORD) as context:
        yield context


@pytest.fixture(scope="module")
def issues(admin: httpx.Client) -> dict[str, str]:
    """Issues by what their page shows, and uploads beside them."""
    upload(admin, make_bundle(), version="web@9")
    upload(admin, make_bundle(make_files(None), note=1), version="web@8")
    known, unknown = make_event(1), make_event(2, debug_id="a" * 32)
    unknown["exception"]["values"][0]["type"] = "TypeError"
    found: dict[str, str] = {}
    for name, event in (("resolved", known), ("missing", unknown)):
        send(admin, KEY, event)
        found[name] = read(admin, event["event_id"])[1]["id"]
    return found


@pytest.fixture
def desk(context: BrowserContext, monitor: RunningMonitor) -> Iterator[Visit]:
    with visit(context, monitor.url) as visited:
        yield visited
        visited.check()


@pytest.mark.parametrize("name", ["resolved", "missing", "uploads"])
def test_a_page_is_without_errors_and_barriers(
    name: str,
    issues: dict[str, str],
    context: BrowserContext,
    monitor: RunningMonitor,
    tmp_path: Path,
) -> None:
    path = f"/issues/{issues[name]}" if name in issues else "/source-maps?upload=1"
    with look_at(context, monitor.url + path) as visited:
        check_looks(visited, tmp_path / f"{name}.png", variants=SHOWN)


def test_a_frame_is_seen_as_written_and_as_it_runs(
    desk: Visit, issues: dict[str, str], monitor: RunningMonitor
) -> None:
    desk.open(f"{monitor.url}/issues/{issues['resolved']}")
    page = desk.page
    first = page.locator(".frame").first

    expect(first).to_contain_text("src/x.js")
    expect(first.locator("li.hit")).to_contain_text(SOURCE.splitlines()[1].strip())
    expect(first).to_contain_text(f"x.js:1:{column_of(b'throw')}")
    page.get_by_role("button", name="Minified").click()
    expect(page.locator(".frame").first).to_contain_text(f"1:{column_of(b'throw')}")
    expect(page.locator("li.hit")).to_have_count(0)
    page.get_by_role("button", name="Original").click()
    expect(page.locator("li.hit").first).to_be_visible()


def test_a_missing_map_is_explained_with_the_command_that_helps(
    desk: Visit, issues: dict[str, str], monitor: RunningMonitor
) -> None:
    desk.open(f"{monitor.url}/issues/{issues['missing']}")
    told = desk.page.get_by_role("region", name="Source maps")

    expect(told).to_contain_text("3 frames without original code")
    expect(told).to_contain_text("from another build")
    expect(told.locator("pre")).to_contain_text("sourcemaps upload --org resumatch --project web")


def test_an_upload_is_found_looked_into_and_deleted(
    desk: Visit, issues: dict[str, str], monitor: RunningMonitor
) -> None:
    desk.open(f"{monitor.url}/source-maps?query=web%408")
    page = desk.page
    page.get_by_role("link", name="web@8").click()

    expect(page.get_by_text("~/x.js.map", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete the upload for web@8").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No upload matches")).to_be_visible()
