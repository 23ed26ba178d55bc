"""A Next.js application whose own build uploads its maps: what is thrown is seen as written."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.clients.guides import read_guides
from tests.sourcemaps.next_app import RELEASE, SOURCES, NextApp, build_next_app, serve_next_app
from tests.support.waiting import wait_for

CHROMIUM = Path("/usr/bin/chromium")
CART = (SOURCES / "app" / "cart.js").read_text().splitlines()
THROWN = next(number for number, line in enumerate(CART, start=1) if "throw new" in line)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(
    admin: httpx.Client, upload_token: str, tmp_path_factory: pytest.TempPathFactory
) -> NextApp:
    """The application as the set-up instructions of the project's page make it, word for word."""
    folder = tmp_path_factory.mktemp("next")
    project = admin.get("/api/monitor/projects/1").json()
    _, client, server, config = read_guides(project)["javascript.nextjs"].steps
    files = {
        "instrumentation-client.js": client,
        "instrumentation.js": server,
        "next.config.mjs": config,
    }
    environment = {"PATH": os.environ["PATH"], "SENTRY_AUTH_TOKEN": upload_token}
    return build_next_app(folder / "app", environment, files)


@pytest.fixture(scope="module")
def served(built: NextApp) -> Generator[str]:
    with serve_next_app(built) as url:
        yield url


def find_event(admin: httpx.Client, text: str) -> dict[str, Any]:
    """Return the latest event of the issue whose message has `text`, once it is there."""

    def find() -> dict[str, Any] | None:
        issues = admin.get("/api/monitor/issues", params={"query": text}).json()["items"]
        if not issues:
            return None
        return admin.get(f"/api/monitor/issues/{issues[0]['id']}/events/latest").json()

    return wait_for(find)


def assert_is_cart(event: dict[str, Any]) -> None:
    """Hold the frame that threw against the source."""
    top = next(frame for frame in event["exceptions"][0]["frames"] if frame["in_app"])
    assert (top["filename"], top["line"]) == ("app/cart.js", THROWN)
    assert top["context_line"] == CART[THROWN - 1]
    assert top["pre_context"][-1] == CART[THROWN - 2]
    assert top["source_map"]["by"] == "debug_id"
    assert top["source_map"]["minified"]["filename"] != "app/cart.js"
    assert event["source_maps"]["is_grouped_by_source"] is True


def test_the_build_announces_its_release_and_uploads(built: NextApp, admin: httpx.Client) -> None:
    release = admin.get(f"/api/0/organizations/acme/releases/{RELEASE}/").json()

    assert release["dateReleased"] is not None, built.output
    assert [each["slug"] for each in release["projects"]] == ["web"]


def test_what_a_browser_throws_is_seen_as_it_was_written(served: str, admin: httpx.Client) -> None:
    if not CHROMIUM.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--no-proxy-server"]
        )
        try:
            page = browser.new_page()
            thrown: list[Exception] = []
            page.on("pageerror", lambda error: thrown.append(error))
            page.goto(served)

            def pay() -> bool | None:
                # Before React has come alive, a click does nothing.
                page.click("#pay")
                page.wait_for_timeout(100)
                return True if thrown else None

            wait_for(pay)
            event = find_event(admin, "résumé")
        finally:
            browser.close()

    assert event["platform"] == "javascript"
    assert event["release"] == RELEASE
    assert_is_cart(event)
    libraries = [
        frame for frame in event["exceptions"][0]["frames"] if "node_modules" in frame["filename"]
    ]
    assert libraries
    assert not any(frame["in_app"] for frame in libraries)
    problems = [each["message"] for each in event["source_maps"]["problems"]]
    assert problems == [], problems


def test_what_the_server_throws_is_seen_as_it_was_written(served: str, admin: httpx.Client) -> None:
    answer = httpx.get(f"{served}/api/checkout", trust_env=False, timeout=30)
    event = find_event(admin, "price of paper")

    assert answer.status_code == 500
    assert event["platform"] == "node"
    assert_is_cart(event)


@pytest.mark.usefixtures("served")
def test_nothing_is_lost(admin: httpx.Client) -> None:
    def find() -> list[dict[str, Any]] | None:
        series = admin.get("/api/monitor/projects/1/outcomes").json()["series"]
        errors = [each["total"] for each in series if each["category"] == "error"]
        return series if sum(errors) >= 2 else None

    # A tenth of the requests is traced: what is left out for that is not lost.
    kept_out = ("sample_rate", "no_parent_span")
    lost = [each for each in wait_for(find) if each["outcome"] != "accepted"]
    assert [each for each in lost if each["reason"] not in kept_out] == []
