"""What Alertmanager's API acknowledged outlives `kill -9`."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor


def open_client(monitor: RunningMonitor) -> httpx.Client:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(base_url=monitor.url, headers=headers, trust_env=False)


def kill(monitor: RunningMonitor) -> None:
    os.kill(monitor.pid, signal.SIGKILL)
    os.waitid(os.P_PID, monitor.pid, os.WEXITED | os.WNOWAIT)


def test_pushed_alerts_and_silences_outlive_a_sudden_end(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    silence: dict[str, Any] = {
        "matchers": [{"name": "team", "value": "web", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "ada",
        "comment": "planned",
    }
    alerts = [
        {"labels": {"alertname": "Pushed", "team": "web"}},
        {"labels": {"alertname": "Ended"}},
        {"labels": {"alertname": "Ended"}, "endsAt": now.isoformat()},
    ]
    with run_monitor(tmp_path, config="default_rules: false\n") as monitor:
        with open_client(monitor) as client:
            client.post("/api/v2/alerts", json=alerts).raise_for_status()
            client.post("/api/v2/silences", json=silence).raise_for_status()
        kill(monitor)

    with (
        run_monitor(tmp_path, config="default_rules: false\n") as monitor,
        open_client(monitor) as client,
    ):
        (alert,) = client.get("/api/v2/alerts").json()
        (kept,) = client.get("/api/v2/silences").json()

    assert alert["labels"] == {"alertname": "Pushed", "team": "web"}
    assert alert["status"]["silencedBy"] == [kept["id"]]
    assert (kept["createdBy"], kept["status"]["state"]) == ("ada", "active")
