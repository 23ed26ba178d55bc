"""The real sentry-cli wraps a job, and curl checks in; the monitor runs as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.app.test_intake import wait_for
from tests.support.errors import KEY
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.sentry_cli import find_sentry_cli

_CONFIG = f"projects: [{{id: 1, slug: shop, key: {KEY}}}]\n"
_SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}
_RUNS = "/api/monitor/crons/1/nightly-report/runs"


def run_job(monitor: RunningMonitor, folder: Path, code: str) -> int:
    dsn = monitor.url.replace("http://", f"http://{KEY}@") + "/1"
    schedule = ("--schedule", "*/5 * * * *", "--timezone", "Europe/Berlin")
    arguments = ("monitors", "run", *schedule, "nightly-report", "--", sys.executable, "-c", code)
    return subprocess.run(
        [find_sentry_cli(), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "SENTRY_DSN": dsn, "HOME": str(folder)},
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode


def list_runs(client: httpx.Client, count: int) -> list[str] | None:
    answer = client.get(_RUNS)
    statuses = [run["status"] for run in answer.json().get("items", [])]
    return statuses if len(statuses) == count and "in_progress" not in statuses else None


def test_jobs_of_sentry_cli_and_curl_are_seen_also_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    with run_monitor(folder, config=_CONFIG) as monitor:
        assert run_job(monitor, tmp_path, "pass") == 0
        assert run_job(monitor, tmp_path, "raise SystemExit(3)") == 3
        os.kill(monitor.pid, signal.SIGKILL)
    with (
        run_monitor(folder, config=_CONFIG) as monitor,
        httpx.Client(base_url=monitor.url, headers=_SIGNED_IN, trust_env=False) as client,
    ):
        assert wait_for(lambda: list_runs(client, 2)) == ["error", "ok"]
        cron = client.get("/api/monitor/crons").json()["items"][0]
        assert cron["config"]["schedule"] == "*/5 * * * * (Europe/Berlin)"
        assert cron["status"] == "failing"
        parameters = {"source": "heartbeat"}
        alert = wait_for(
            lambda: client.get("/api/monitor/alerts", params=parameters).json()["items"]
        )[0]
        assert (alert["name"], alert["status"]) == ("CheckInFailed", "firing")
        assert alert["path"] == "/crons/1/nightly-report"

        checked_in = client.get(f"/api/1/cron/nightly-report/{KEY}/?status=ok&duration=1.5")
        assert checked_in.is_success
        assert wait_for(lambda: list_runs(client, 3)) == ["ok", "error", "ok"]
        latest = client.get(_RUNS).json()["items"][0]
        assert latest["duration_seconds"] == 1.5
        wait_for(lambda: client.get("/api/monitor/crons").json()["items"][0]["status"] == "ok")
