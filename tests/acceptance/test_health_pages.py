"""Jobs, releases, feedback and many issues at once, as an SDK tells of them, in a real browser."""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import sentry_sdk
from playwright.sync_api import BrowserContext, expect
from sentry_sdk.crons import capture_checkin
from sentry_sdk.envelope import Envelope, Item, PayloadRef
from sentry_sdk.scope import use_scope

from tests.acceptance.browser import VARIANTS, check_looks, launch, look_at, open_context, visit
from tests.acceptance.conftest import OUTPUT
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(240)]

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = f"""
projects: [{{id: 1, slug: shop, key: {KEY}}}]
errors: {{events_per_issue: 10}}
storage: {{min_free_bytes: 0}}
"""
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
RELEASE = "shop@1.4.0+build.20260105.0123456789abcdef"
ISSUES = 52
_REPEATS = 15
_SESSIONS = 20
_DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMonitor]:
    folder: Path = tmp_path_factory.mktemp("health")
    with run_monitor(folder, config=CONFIG) as running:
        _tell(running)
        yield running


@pytest.fixture(scope="module")
def context(monitor: RunningMonitor) -> Iterator[BrowserContext]:
    """What somebody has who needs not sign in."""
    with launch() as browser:
        context = open_context(browser, VARIANTS[0])
        context.set_extra_http_headers(HEADERS)
        yield context


PAGES = {
    "crons": "/crons",
    "crons-none": "/crons?status=paused",
    "cron": "/crons/1/nightly-report",
    "releases": "/releases",
    "release": f"/releases/1/{RELEASE.replace('+', '%2B').replace('@', '%40')}",
    "releases-none": "/releases?query=nothing-of-this-name",
    "feedback": "/feedback",
    "issues": "/issues",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_without_errors_and_barriers(
    name: str, context: BrowserContext, monitor: RunningMonitor
) -> None:
    with look_at(context, monitor.url + PAGES[name]) as visited:
        expect(visited.page.get_by_role("alert")).to_have_count(0)
        check_looks(visited, OUTPUT / "pages" / f"health-{name}.png")


def test_jobs_and_their_runs_are_narrowed_down_by_the_address(
    context: BrowserContext, monitor: RunningMonitor
) -> None:
    with visit(context, monitor.url) as visited:
        page = visited.page
        visited.open(f"{monitor.url}/crons")
        expect(page.locator("tbody tr")).to_have_count(2)

        page.get_by_role("navigation", name="How they are").get_by_text("Failing").click()
        expect(page).to_have_url(f"{monitor.url}/crons?status=failing")
        expect(page.locator("tbody tr")).to_have_count(1)
        visited.open(f"{monitor.url}/crons?status=failing&environment=staging")
        expect(page.get_by_label("Environment")).to_have_value("staging")
        expect(page.get_by_text("No job matches")).to_be_visible()
        page.get_by_role("link", name="Clear the filters").click()
        page.get_by_role("link", name="nightly-report").click()

        visited.settle()
        expect(page.get_by_role("img", name="How long runs took")).to_be_visible()
        page.get_by_label("Status").select_option("error")
        expect(page).to_have_url(f"{monitor.url}/crons/1/nightly-report?status=error")
        runs = page.get_by_role("region", name="Runs")
        expect(runs.locator("tbody tr")).to_have_count(1)
        visited.check()


def test_an_issue_says_what_is_kept_of_it_and_what_users_wrote(
    context: BrowserContext, monitor: RunningMonitor
) -> None:
    with visit(context, monitor.url) as visited:
        page = visited.page
        visited.open(f"{monitor.url}/feedback")
        page.get_by_role("link", name=re.compile(r"^Issue \d")).click()
        visited.settle()

        feedback = page.get_by_role("region", name="Feedback")
        expect(feedback).to_contain_text("The basket is empty again")
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Markdown").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("### LookupError: No basket\n")
        assert f"- Release: {RELEASE}" in copied
        page.get_by_role("link", name="Kept events").click()
        expect(page.get_by_text(re.compile(rf"\d+ of {_REPEATS} events kept"))).to_be_visible()
        expect(page.get_by_text("First", exact=True).first).to_be_visible()
        visited.check()


def test_all_that_match_are_decided_about_and_it_is_taken_back(
    context: BrowserContext, monitor: RunningMonitor
) -> None:
    with visit(context, monitor.url) as visited:
        page = visited.page
        visited.open(f"{monitor.url}/issues?query=is:unresolved%20Odd")
        page.get_by_role("checkbox", name="Select all").check()
        page.get_by_role("button", name=f"Select all {ISSUES} that match").click()
        page.get_by_role("button", name="Resolve", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(f"{ISSUES} issues match this search now")
        dialog.get_by_role("button", name=f"Resolve: {ISSUES}").click()

        expect(page.get_by_text("No issue matches")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text(f"{ISSUES} issues", exact=True)).to_be_visible()
        visited.check()


def _tell(monitor: RunningMonitor) -> None:
    """Send errors, check-ins, sessions and feedback with the SDK, and wait until they count."""
    host = monitor.url.removeprefix("http://")
    client = sentry_sdk.Client(
        dsn=f"http://{KEY}@{host}/1", release=RELEASE, default_integrations=False
    )
    with use_scope(sentry_sdk.Scope(client=client)) as scope:
        for number in range(ISSUES):
            name = f"Odd{chr(97 + number // 26)}{chr(97 + number % 26)}Error"
            scope.capture_exception(type(name, (Exception,), {})("broken"))
        event_id = None
        for _ in range(_REPEATS):
            event_id = scope.capture_exception(LookupError("No basket"))
        _send_feedback(client, event_id)
        _check_in()
        for _ in range(_SESSIONS):
            scope.start_session()
            scope.end_session()
        client.flush(timeout=20)
    client.close()
    _wait_for(monitor, "/issues?query=Odd&limit=1", lambda page: page["total"] == ISSUES)
    _wait_for(monitor, "/issues?query=LookupError", _has_repeats)
    _wait_for(monitor, "/feedback", lambda page: any(each["issue_id"] for each in page["items"]))
    _wait_for(monitor, "/crons", lambda page: len(page["items"]) == 2)
    _wait_for(monitor, "/releases", _has_sessions)


def _send_feedback(client: sentry_sdk.Client, event_id: str | None) -> None:
    said = {
        "message": "The basket is empty again.\nI tried twice.",
        "contact_email": "ada@example.org",
        "associated_event_id": event_id,
        "source": "widget",
    }
    body = {"event_id": uuid.uuid4().hex, "contexts": {"feedback": said}}
    envelope = Envelope(items=[Item(PayloadRef(json=body), type="feedback")])
    transport = client.transport
    assert transport is not None
    transport.capture_envelope(envelope)


def _check_in() -> None:
    every_hour = {"schedule": {"type": "crontab", "value": "0 * * * *"}, "timezone": "Etc/UTC"}
    for status, seconds in (("ok", 40.0), ("error", 3.5), ("ok", 42.0)):
        capture_checkin(
            "nightly-report",
            status=status,
            duration=seconds,
            monitor_config=cast("Any", every_hour),
        )
    capture_checkin("sync", status="error", duration=1.0)


def _has_sessions(page: dict[str, Any]) -> bool:
    return any(each["health"]["sessions"] == _SESSIONS for each in page["items"])


def _has_repeats(page: dict[str, Any]) -> bool:
    return bool(page["items"]) and page["items"][0]["event_count"] == _REPEATS


def _wait_for(
    monitor: RunningMonitor, path: str, is_there: Callable[[dict[str, Any]], bool]
) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    page: dict[str, Any] = {}
    while time.monotonic() < deadline:
        url = f"{monitor.url}/api/monitor{path}"
        page = httpx.get(url, headers=HEADERS, trust_env=False).json()
        if is_there(page):
            return
        time.sleep(0.1)
    pytest.fail(f"{path} says {str(page)[:500]}")
