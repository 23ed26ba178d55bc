"""The README's picture: the demonstration after some minutes, with something broken."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from resumatch.demo.actions import make_error_storm, mend
from resumatch.demo.settings import DemoSettings, load_settings
from tests.acceptance.api import Api
from tests.acceptance.browser import Variant, launch, open_context, sign_in, visit
from tests.acceptance.monitor import base_environment
from tests.acceptance.ports import choose_row_of_ports
from tests.acceptance.waiting import wait_until

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.browser,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        os.environ.get("UPDATE_IMAGES") != "1", reason="makes the README's picture: UPDATE_IMAGES=1"
    ),
]

_ROOT = Path(__file__).parents[2]
_PICTURE = _ROOT / "docs" / "images" / "overview.png"
_LARGEST_BYTES = 300_000
_MINUTES = 5
_STOP_SECONDS = 60


@pytest.fixture
def demonstration() -> Iterator[DemoSettings]:
    """`make run`, without make."""
    # Not pytest's own folder: PostgreSQL's user must reach it.
    with tempfile.TemporaryDirectory(prefix="resumatch-picture-") as name:
        variables = {"DEMO_DATA": f"{name}/demo", "DEMO_PORT": str(choose_row_of_ports(6))}
        with (Path(name) / "demo.log").open("w+b") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "resumatch.demo"],
                env=base_environment() | variables,
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                wait_until(
                    lambda: (
                        b"Ctrl-C stops everything" in Path(log.name).read_bytes()
                        or process.poll() is not None
                    ),
                    "the demonstration runs",
                    timeout_seconds=180,
                )
                assert process.poll() is None, Path(log.name).read_text()
                yield load_settings(variables)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(_STOP_SECONDS)


def test_the_picture_of_the_overview(demonstration: DemoSettings) -> None:
    url = demonstration.url_of("monitor")
    email, password = "admin@localhost", demonstration.secrets.admin_password
    variant = Variant(1440, 1480, "dark")
    with launch() as browser:
        context = open_context(browser, variant)
        with visit(context, url) as visited:
            sign_in(visited, url, email=email, password=password)
            cookies = {each.get("name", ""): each.get("value", "") for each in context.cookies()}
            api = Api(url, cookies=cookies)
            # Some minutes of everyday life first.
            scrapes = f"count_over_time(up{{job='resumatch-api'}}[1h]) >= {_MINUTES * 60 // 5}"
            wait_until(
                lambda: api.get("/api/v1/query", query=scrapes)["data"]["result"],
                "some minutes have passed",
                timeout_seconds=900,
            )
            make_error_storm(demonstration)
            wait_until(
                lambda: api.get("/api/monitor/overview")["counts"]["firing_critical"],
                "an alert fires",
                timeout_seconds=180,
            )
            visited.open(f"{url}/?from=now-{_MINUTES}m")
            # Charts are drawn once they come into view.
            expect(visited.page.locator("main canvas").nth(2)).to_be_visible(timeout=30_000)
            _PICTURE.parent.mkdir(exist_ok=True)
            visited.page.screenshot(path=_PICTURE)
            visited.check()
            mend(demonstration)
            api.close()
        context.close()

    print(json.dumps({"bytes": _PICTURE.stat().st_size}))  # noqa: T201
    assert _PICTURE.stat().st_size < _LARGEST_BYTES
