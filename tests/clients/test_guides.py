"""What a project's page tells people to copy is copied and run, and what it promises comes."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.browser import launch
from tests.clients.browser import JAVASCRIPT, bundle_shop, serve_shop
from tests.clients.desk import Desk
from tests.clients.guides import Guide, read_guides
from tests.support.npm import find_program, install_packages
from tests.support.sentry_cli import find_sentry_cli
from tests.support.waiting import wait_for

_SECONDS = 60
_DJANGO_SETTINGS = """
SECRET_KEY = "of this test"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "urls"
"""
_DJANGO_URLS = """\
from django.urls import path


def boom(request):
    raise LookupError("Django has no such page")


urlpatterns = [path("boom", boom)]
"""
_DJANGO_REQUEST = """\
import django
from django.test import Client

django.setup()
assert Client(raise_request_exception=False).get("/boom").status_code == 500
"""
_CELERY_TASKS = """
from datetime import UTC, datetime

from celery import Celery

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
}
# It is due at once, and then in a minute.
app.conf.beat_schedule = {
    "nightly-count": {
        "task": "tasks.count", "schedule": 60.0, "last_run_at": datetime(2026, 1, 1, tzinfo=UTC),
    },
}


@app.task
def count():
    raise LookupError("Celery cannot count")
"""
_NODE_APP = """\
import http from 'node:http';

const server = http.createServer(() => { throw new Error('Node has no tea'); });
server.listen(0, '127.0.0.1', () => {
  http.get({ port: server.address().port }).on('error', () => {});
});
"""
_PAGE = """
setTimeout(() => { throw new Error('the page has no tea'); });
"""
_TRACED = """\
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("till").start_as_current_span("count the till"):
    pass
provider.shutdown()
"""


@pytest.fixture(scope="module")
def guides(desk: Desk) -> Mapping[str, Guide]:
    return read_guides(desk.read("projects/1"))


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with the tests' Python and its programs, and without proxies."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(folder), "PYTHONWARNINGS": "ignore", **more}


def run(folder: Path, script: str, *, status: int = 0, **environment: str) -> None:
    """Run what people would type, in `folder`."""
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env=make_environment(folder, **environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stdout


@contextlib.contextmanager
def running(folder: Path, *command: str) -> Generator[None]:
    """Run a program of the tests' Python until the block ends."""
    with (folder / f"{command[3]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=make_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_token(desk: Desk, role: str) -> str:
    answer = desk.api.post("/api/monitor/tokens", json={"name": role, "role": role})
    return answer.raise_for_status().json()["token"]


def wait_for_runs(desk: Desk, slug: str) -> list[dict[str, Any]]:
    """Return the runs of a job once the latest has ended."""

    def find() -> list[dict[str, Any]] | None:
        answer = desk.api.get(f"/api/monitor/crons/1/{slug}/runs")
        if answer.status_code == 404:
            return None
        runs: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return runs if runs and runs[0]["status"] != "in_progress" else None

    return wait_for(find, seconds=_SECONDS)


def test_django(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    _, settings = guides["python.django"].steps
    (tmp_path / "settings.py").write_text(settings + _DJANGO_SETTINGS)
    (tmp_path / "urls.py").write_text(_DJANGO_URLS)
    (tmp_path / "request.py").write_text(_DJANGO_REQUEST)

    run(tmp_path, "python request.py", DJANGO_SETTINGS_MODULE="settings")

    event = desk.find_event("Django has no such page")
    assert event["transaction"] == "/boom"
    assert event["environment"] == "production"
    assert event["exceptions"][0]["mechanism"] == "django"


def test_celery_with_beat(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    _, begin = guides["python.celery"].steps
    (tmp_path / "tasks.py").write_text(begin + "\n" + _CELERY_TASKS)
    (tmp_path / "queue").mkdir()

    worker = ("celery", "-A", "tasks", "worker", "--pool=solo", "--without-mingle")
    beat = ("celery", "-A", "tasks", "beat", "--scheduler=celery.beat.Scheduler", "--pidfile=")
    with running(tmp_path, *worker), running(tmp_path, *beat):
        runs = wait_for_runs(desk, "nightly-count")
        event = desk.find_event("Celery cannot count")

    assert event["transaction"] == "tasks.count"
    assert event["exceptions"][0]["mechanism"] == "celery"
    assert runs[0]["status"] == "error"
    assert desk.read("crons/1/nightly-count")["config"]["schedule"] == "every minute"


def test_node(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    find_program("node")
    install_packages(JAVASCRIPT)
    _, instrument, start = guides["node"].steps
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    (tmp_path / "instrument.mjs").write_text(instrument)
    (tmp_path / "app.mjs").write_text(_NODE_APP)

    run(tmp_path, start, status=1)

    event = desk.find_event("Node has no tea")
    assert (event["platform"], event["environment"]) == ("node", "production")
    assert event["exceptions"][0]["frames"][0]["context_line"] == _NODE_APP.splitlines()[2]


@pytest.mark.browser
def test_browser(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    _, begin = guides["javascript"].steps
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    (tmp_path / "main.js").write_text(begin + _PAGE)
    bundle_shop(tmp_path, tmp_path / "main.js")

    with launch() as browser, serve_shop(tmp_path, "", {}) as shop:
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(shop.url)
        event = desk.find_event("the page has no tea")

    assert (event["release"], event["environment"]) == ("web@1.0.0", "production")
    assert f"{desk.url}/tunnel" in asked
    assert not any("/envelope/" in url for url in asked)


def test_sentry_cli(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    find_sentry_cli()
    who, release, job = guides["sentry-cli"].steps
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "app.js").write_text("f();\n//# sourceMappingURL=app.js.map\n")
    (tmp_path / "dist" / "app.js.map").write_text(
        '{"version":3,"sources":["app.ts"],"names":[],"mappings":"AAAA"}'
    )
    (tmp_path / "backup.sh").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "backup.sh").chmod(0o755)

    run(tmp_path, f"{who.replace('…', make_token(desk, 'upload'))}\n{release}\n{job}")

    path = "/api/0/organizations/monitor/releases/web@1.0.0/"
    told = desk.api.get(path).json()
    assert told["dateReleased"] is not None
    assert told["lastDeploy"]["environment"] == "production"
    assert [each["slug"] for each in told["projects"]] == ["shop"]
    assert wait_for_runs(desk, "nightly-backup")[0]["status"] == "ok"


def test_opentelemetry(guides: Mapping[str, Guide], desk: Desk, tmp_path: Path) -> None:
    (exports,) = guides["opentelemetry"].steps
    (tmp_path / "till.py").write_text(_TRACED)

    run(tmp_path, f"{exports}\npython till.py", TOKEN=make_token(desk, "editor"))

    def find() -> dict[str, Any] | None:
        items = desk.read("traces", exact_name="count the till")["items"]
        return items[0] if items else None

    segment = wait_for(find)
    assert (segment["service"], segment["project_id"]) == ("shop", 1)
