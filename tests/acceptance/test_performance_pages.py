"""Transactions of the real SDK on the pages about performance, in a real browser."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sentry_sdk
from playwright.sync_api import BrowserContext, expect
from sentry_sdk.scope import use_scope

from tests.acceptance.browser import VARIANTS, check_looks, launch, look_at, open_context, visit
from tests.acceptance.conftest import OUTPUT
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(240)]

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = f"""
projects: [{{id: 1, slug: api, key: {KEY}}}]
tracing: {{settle: 0s}}
storage: {{min_free_bytes: 0}}
"""
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
COUNT = 24
_DEADLINE_SECONDS = 60


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMonitor]:
    folder: Path = tmp_path_factory.mktemp("performance")
    with run_monitor(folder, config=CONFIG) as running:
        _send_transactions(running)
        _wait_until_counted(running)
        yield running


@pytest.fixture(scope="module")
def context(monitor: RunningMonitor) -> Iterator[BrowserContext]:
    """What somebody has who needs not sign in."""
    with launch() as browser:
        context = open_context(browser, VARIANTS[0])
        context.set_extra_http_headers(HEADERS)
        yield context


PAGES = {
    "endpoints": "/performance",
    "endpoint": "/performance/endpoint?project=1&op=http.server&name=GET%20%2Forders%2F%7Bid%7D",
    "database": "/performance/database",
    "requests": "/performance/requests",
    "statement": "/performance/statements/1",
    "vitals": "/performance/vitals",
    "findings": "/performance/findings",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_about_performance_is_without_errors_and_barriers(
    name: str, context: BrowserContext, monitor: RunningMonitor
) -> None:
    with look_at(context, monitor.url + PAGES[name]) as visited:
        check_looks(visited, OUTPUT / "pages" / f"performance-{name}.png")
        expect(visited.page.get_by_role("alert")).to_have_count(0)


def test_pages_show_what_the_sdk_sent(context: BrowserContext, monitor: RunningMonitor) -> None:
    with visit(context, monitor.url) as visited:
        page = visited.page
        visited.open(f"{monitor.url}/performance")
        page.get_by_role("link", name="GET /orders/{id}").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("GET /orders/{id}")
        visited.settle()

        expect(page.get_by_text(f"{COUNT} transactions", exact=True)).to_be_visible()
        expect(page.get_by_text("The same query ran 8 times in a row")).to_be_visible()
        expect(page.get_by_role("link", name="An order is lost")).to_be_visible()
        samples = page.get_by_role("region", name="Slowest samples")
        samples.get_by_role("link").first.click()
        expect(page).to_have_url(re.compile("/traces/[0-9a-f]{32}"))
        visited.settle()
        expect(page.get_by_text(re.compile(r"GET /orders/\d+")).first).to_be_visible()


def test_a_finding_is_decided_about_like_an_error(
    context: BrowserContext, monitor: RunningMonitor
) -> None:
    with look_at(context, f"{monitor.url}/performance/findings") as visited:
        page = visited.page
        page.get_by_role("checkbox", name=re.compile("Select API-")).check()
        page.get_by_role("button", name="Resolve", exact=True).click()
        expect(page.get_by_text("Nothing is wrong that the monitor knows of")).to_be_visible()
        page.get_by_role("link", name="Resolved", exact=True).click()
        page.get_by_role("link", name=re.compile("API-")).click()

        visited.settle()
        expect(page.get_by_role("region", name="N+1 query")).to_contain_text("8 times in a row")
        expect(page.get_by_role("region", name="Examples").get_by_role("link")).not_to_have_count(0)
        check_looks(visited, OUTPUT / "pages" / "performance-finding.png")
        page.get_by_role("link", name="Activity", exact=True).click()
        page.get_by_label("Comment").fill("Joined in 1.5")
        page.get_by_role("button", name="Comment").click()
        expect(page.get_by_text("Joined in 1.5")).to_be_visible()
        page.get_by_role("button", name="Reopen").click()
        expect(page.get_by_role("button", name="Resolve", exact=True)).to_be_visible()


def test_the_list_is_sorted_and_filtered_by_its_address(
    context: BrowserContext, monitor: RunningMonitor
) -> None:
    with visit(context, monitor.url) as visited:
        page = visited.page
        visited.open(f"{monitor.url}/performance?query=orders&sort=p95")
        expect(page.locator("tbody tr")).to_have_count(1)

        page.get_by_role("columnheader", name="p95").get_by_role("link").click()
        visited.settle()

        expect(page).to_have_url(f"{monitor.url}/performance?query=orders&sort=p95&order=asc")
        expect(page.get_by_role("columnheader", name="p95")).to_have_attribute(
            "aria-sort", "ascending"
        )


def _send_transactions(monitor: RunningMonitor) -> None:
    """Send requests whose URLs hold ids, with an N+1, and page loads with web vitals."""
    host = monitor.url.removeprefix("http://")
    client = sentry_sdk.Client(
        dsn=f"http://{KEY}@{host}/1",
        traces_sample_rate=1.0,
        environment="production",
        default_integrations=False,
    )
    now = datetime.now(UTC)
    with use_scope(sentry_sdk.Scope(client=client)):
        for number in range(COUNT):
            start = now - timedelta(minutes=number)
            with sentry_sdk.start_transaction(
                op="http.server",
                name=f"GET /orders/{number}",
                source="url",
                start_timestamp=start,
            ) as transaction:
                at = start
                for item in range(8):
                    at = _add_span(transaction, "db", f"SELECT * FROM items WHERE id = {item}", at)
                _add_span(transaction, "http.client", f"GET http://pay.test/charge/{number}", at)
                if number == 0:
                    sentry_sdk.capture_message("An order is lost", level="error")
                transaction.set_status("internal_error" if number == 0 else "ok")
                transaction.finish(end_timestamp=start + timedelta(milliseconds=200))
            page = sentry_sdk.start_transaction(
                op="pageload", name="/jobs", source="route", start_timestamp=start
            )
            for vital, milliseconds in {"lcp": 2_600, "fcp": 900, "ttfb": 300}.items():
                page.set_data(f"browser.web_vital.{vital}.value", milliseconds)
            page.finish(end_timestamp=start + timedelta(seconds=2))
        client.flush(timeout=20)
    client.close()


def _add_span(transaction: Any, op: str, name: str, start: datetime) -> datetime:
    end = start + timedelta(milliseconds=10)
    span = transaction.start_child(op=op, name=name, start_timestamp=start)
    span.set_data("db.system" if op == "db" else "url", "postgresql" if op == "db" else name[4:])
    span.finish(end_timestamp=end)
    return end


def _wait_until_counted(monitor: RunningMonitor) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    count = 0.0
    while time.monotonic() < deadline:
        answer = httpx.get(
            f"{monitor.url}/api/monitor/performance/endpoints", headers=HEADERS, trust_env=False
        )
        count = answer.json()["totals"]["count"]
        if count == 2 * COUNT:
            return
        time.sleep(0.1)
    pytest.fail(f"{count:.0f} of {2 * COUNT} transactions were counted")
