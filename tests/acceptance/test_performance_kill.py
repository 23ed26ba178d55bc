"""A monitor that is killed while it counts transactions counts every one of them once."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest
import sentry_sdk
from sentry_sdk.scope import use_scope

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

KEY = "0123456789abcdef0123456789abcdef"
CONFIG = f"""
projects: [{{id: 1, slug: api, key: {KEY}}}]
tracing: {{settle: 0s}}
storage: {{min_free_bytes: 0}}
"""
COUNT = 600
_KILLS_AT = (1, 250)
_DEADLINE_SECONDS = 60


def test_every_transaction_is_counted_once_whenever_the_monitor_is_killed(tmp_path: Path) -> None:
    with run_monitor(tmp_path, config=CONFIG) as monitor:
        _send(monitor, COUNT)
        _wait_for(monitor, _KILLS_AT[0])
        os.kill(monitor.pid, signal.SIGKILL)
    with run_monitor(tmp_path, config=CONFIG) as monitor:
        _wait_for(monitor, _KILLS_AT[1])
        os.kill(monitor.pid, signal.SIGKILL)
    with run_monitor(tmp_path, config=CONFIG) as monitor:
        _wait_for(monitor, COUNT)
        # What would be counted twice would be before one that comes now.
        _send(monitor, 1)
        _wait_for(monitor, COUNT + 1)

        assert _count(monitor) == COUNT + 1


def _send(monitor: RunningMonitor, count: int) -> None:
    client = sentry_sdk.Client(
        dsn=f"http://{KEY}@{monitor.url.removeprefix('http://')}/1",
        traces_sample_rate=1.0,
        default_integrations=False,
    )
    with use_scope(sentry_sdk.Scope(client=client)):
        for number in range(count):
            with sentry_sdk.start_transaction(op="task", name=f"task-{number % 7}"):
                pass
            # The SDK's queue holds a hundred.
            if number % 50 == 0:
                client.flush(timeout=20)
        client.flush(timeout=20)
    client.close()


def _count(monitor: RunningMonitor) -> float:
    answer = httpx.get(
        f"{monitor.url}/api/monitor/performance/endpoints",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    )
    return answer.json()["totals"]["count"]


def _wait_for(monitor: RunningMonitor, count: int) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if _count(monitor) >= count:
            return
        time.sleep(0.02)
    pytest.fail(f"{_count(monitor):.0f} of {count} transactions were counted")
