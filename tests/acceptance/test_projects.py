"""A person makes a project, follows its instructions, replaces its key and filters noise."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.browser import VARIANTS, Visit, launch, open_context, sign_in, visit
from tests.clients.guides import read_guides
from tests.support.errors import make_envelope, make_event
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(180)]

_EMAIL, _PASSWORD = "ada@example.org", "a-long-password"
_SECONDS = 40.0


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMonitor]:
    with run_monitor(tmp_path_factory.mktemp("projects")) as monitor:
        yield monitor


@pytest.fixture(scope="module")
def api(monitor: RunningMonitor) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=monitor.url, headers=headers, trust_env=False) as client:
        user = {"email": _EMAIL, "name": "Ada", "role": "admin", "password": _PASSWORD}
        assert client.post("/api/monitor/users", json=user).status_code == 201
        yield client


@pytest.fixture
def desk(monitor: RunningMonitor, api: httpx.Client) -> Iterator[Visit]:
    with launch() as browser:
        context = open_context(browser, VARIANTS[0])
        with visit(context, monitor.url) as visited:
            sign_in(visited, monitor.url, email=_EMAIL, password=_PASSWORD)
            yield visited
            visited.check()
        context.close()


def test_a_project_is_made_set_up_and_kept_clean(
    desk: Visit, monitor: RunningMonitor, api: httpx.Client, tmp_path: Path
) -> None:
    page = desk.page
    desk.open(f"{monitor.url}/projects")
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name").fill("Web shop")
    page.get_by_role("button", name="Make project").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Web shop")

    follow_instructions(page, api, tmp_path)
    replace_the_key(page, api)
    filter_noise(page, api)


def read_steps(page: Page, guide: str) -> list[str]:
    """Return the pieces of code of a guide."""
    page.get_by_role("button", name=guide, exact=True).click()
    return page.locator("ol.steps pre").all_inner_texts()


def follow_instructions(page: Page, api: httpx.Client, folder: Path) -> None:
    # Those that are not run here, tests/clients runs.
    for guide in read_guides(find_project(api)).values():
        assert read_steps(page, guide.label) == guide.steps
    _, begin, try_it = read_steps(page, "Python")
    run_program(folder, f"{begin}\n{try_it}\nsentry_sdk.flush(10)\n")
    _, begin, boom = read_steps(page, "FastAPI")
    run_program(
        folder,
        "from fastapi import FastAPI\nfrom fastapi.testclient import TestClient\n"
        f"{begin}\napp = FastAPI()\n\n{boom}\n\n"
        "TestClient(app, raise_server_exceptions=False).get('/boom')\nsentry_sdk.flush(10)\n",
    )
    values = wait_for_issues(api, 2)
    assert any("It works" in value for value in values)
    assert any("division by zero" in value for value in values)

    policy, curl = read_steps(page, "Without an SDK")
    (report_url,) = re.findall(r"report-uri (\S+)", policy)
    report = {
        "csp-report": {"effective-directive": "img-src", "blocked-uri": "https://evil.example"}
    }
    assert httpx.post(report_url, json=report, trust_env=False).status_code == 200
    (cron_url,) = re.findall(r'"(.+)"', curl)
    assert httpx.get(cron_url, trust_env=False).status_code == 200
    assert any("Blocked" in value for value in wait_for_issues(api, 3))


def run_program(folder: Path, source: str) -> None:
    program = folder / "program.py"
    program.write_text(source)
    subprocess.run([sys.executable, "-W", "ignore", str(program)], check=True, timeout=60)


def wait_for_issues(api: httpx.Client, count: int) -> list[str]:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        items = api.get("/api/monitor/issues").json()["items"]
        if len(items) >= count:
            return [f"{item['type']}: {item['value']}" for item in items]
        time.sleep(0.1)
    raise AssertionError(f"there are not {count} issues")


def replace_the_key(page: Page, api: httpx.Client) -> None:
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("button", name="Make key").click()
    page.get_by_label("Name").fill("Browser")
    page.get_by_role("dialog").get_by_role("button", name="Make key").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("tbody tr").first.get_by_role("button", name="Disable").click()
    expect(page.locator("tbody tr").first).to_contain_text("Disabled")

    project = find_project(api)
    old, new = (key["public"] for key in project["keys"])
    assert send(api, project["id"], old, "from the old key").status_code == 403
    assert send(api, project["id"], new, "from the new key").status_code == 200


def filter_noise(page: Page, api: httpx.Client) -> None:
    page.get_by_role("link", name="Filters").click()
    page.get_by_label("Messages, or Type: message").fill("*nobody cares*")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings hold from now on.")).to_be_visible()

    project = find_project(api)
    assert project["settings"]["filters"]["messages"] == ["*nobody cares*"]
    key = project["keys"][1]["public"]
    assert send(api, project["id"], key, "that nobody cares about").status_code == 200
    page.get_by_role("link", name="Received and dropped").click()
    expect(page.get_by_role("row", name=re.compile("Filtered.*error message"))).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Refused.*disabled key"))).to_be_visible()


def find_project(api: httpx.Client) -> dict[str, Any]:
    (listed,) = api.get("/api/monitor/projects").json()["items"]
    return api.get(f"/api/monitor/projects/{listed['id']}").json()


def send(api: httpx.Client, project_id: object, key: str, message: str) -> httpx.Response:
    envelope = make_envelope(make_event(len(message), message=message))
    return api.post(f"/api/{project_id}/envelope/?sentry_key={key}", content=envelope)
