"""A monitor with one project, to which tests of the pages about issues send errors."""

import tempfile
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext

from resumatch.demo.processes import Processes
from tests.acceptance.browser import signed_in
from tests.acceptance.envelopes import make_event
from tests.acceptance.monitor import PROJECT_KEY, TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.waiting import wait_until

ISSUES = "/api/monitor/issues"
_PASSWORD = "a-password-of-the-acceptance-tests"
_CONFIG = f"""
auth:
  admin: {{email: admin@localhost, password: {_PASSWORD}}}
  tokens: [{{name: tests, token: {TOKEN}, role: editor}}]
projects: [{{id: 1, slug: shop-api, key: {PROJECT_KEY}}}]
"""


@contextmanager
def run_shop(
    name: str,
    kinds: Sequence[str],
    *,
    config: str = "",
    fail: Callable[[MonitorProcess, str], None],
) -> Generator[MonitorProcess]:
    """Run a monitor in which each kind of error is an issue.

    Args:
        name: For its folder.
        kinds: What fails.
        config: What stands in its configuration beside the account and the project.
        fail: Sends what fails of one kind.
    """
    with tempfile.TemporaryDirectory(prefix=f"resumatch-{name}-") as directory:
        folder = Path(directory)
        (port,) = choose_ports(1)
        path = folder / "monitor.yaml"
        path.write_text(_CONFIG + config)
        processes = Processes(folder / "logs")
        monitor = MonitorProcess(
            name="monitor", config=path, data=folder / "data", port=port, processes=processes
        )
        try:
            monitor.start()
            for kind in kinds:
                fail(monitor, kind)
            wait_until(
                lambda: len(list(monitor.api.items(ISSUES))) == len(kinds),
                "every kind is an issue",
                timeout_seconds=30,
            )
            yield monitor
        finally:
            monitor.close()
            processes.stop_all()


@contextmanager
def sign_in(browser: Browser, monitor: MonitorProcess) -> Generator[BrowserContext]:
    """Sign in as the shop's administrator."""
    with signed_in(browser, monitor.url, email="admin@localhost", password=_PASSWORD) as context:
        yield context


def new_event(kind: str) -> dict[str, Any]:
    """Return an error of a kind."""
    return make_event(uuid.uuid4().hex, kind=kind)


def send(monitor: MonitorProcess, event: dict[str, Any]) -> None:
    """Send an error as an SDK does."""
    url = f"{monitor.url}/api/1/store/?sentry_key={PROJECT_KEY}"
    httpx.post(url, json=event, timeout=20, trust_env=False).raise_for_status()


def find_issue(monitor: MonitorProcess, kind: str) -> str:
    """Return the id of the issue of a kind of error."""
    issues = monitor.api.items(ISSUES, status="all")
    return next(issue["id"] for issue in issues if issue["type"] == kind)
