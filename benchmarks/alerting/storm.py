"""Thousands of alerts that begin to fire at once, pushed as Prometheus pushes them."""

import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.alerting.servers import Catcher
from benchmarks.alerting.systems import run_alertmanager_alone
from benchmarks.metrics.client import Client
from benchmarks.metrics.systems import OURS, System, run_monitor
from tests.support.peers import ALERTMANAGER

GROUPS = 50
_ALERTS_PER_REQUEST = 500
_LONGEST_SECONDS = 120.0
_ROUTE = """\
  route: {receiver: catcher, group_by: [alertname], group_wait: 2s, group_interval: 5s}
"""


def measure_storm(name: str, folder: Path, alerts: int) -> dict[str, Any]:
    """Return seconds from the first push to the last acceptance, and the memory used, in bytes."""
    catcher = Catcher("instance")
    try:
        with _run(name, folder, catcher.url) as system:
            meter = system.meter()
            before_bytes = meter.resident_bytes()
            client = system.connect()
            began = time.perf_counter()
            pushed = _push(client, alerts)
            has_all = catcher.wait_for(alerts, seconds=_LONGEST_SECONDS)
            last = max(catcher.first_at.values(), default=began)
            spent = meter.read()
            return {
                "alerts": alerts,
                "groups": GROUPS,
                "told": len(catcher.first_at),
                "is_complete": has_all,
                "push_seconds": pushed - began,
                "seconds": last - began,
                "cpu_seconds": spent.cpu,
                "messages": catcher.messages,
                "before_bytes": before_bytes,
                "peak_bytes": meter.peak_bytes(),
            }
    finally:
        catcher.close()


def _run(name: str, folder: Path, url: str) -> AbstractContextManager[System]:
    folder.mkdir(parents=True)
    if name == OURS:
        receivers = f"  receivers: [{{name: catcher, webhook: [{{url: '{url}'}}]}}]\n"
        config = f"alerting:\n  max_messages_per_hour: 0\n{receivers}{_ROUTE}"
        return run_monitor(folder, config)
    assert name == ALERTMANAGER
    return run_alertmanager_alone(folder, url, _ROUTE.strip())


def _push(client: Client, alerts: int) -> float:
    starts_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for first in range(0, alerts, _ALERTS_PER_REQUEST):
        body = [
            {
                "labels": {
                    "alertname": f"Storm{number % GROUPS}",
                    "severity": "warning",
                    "instance": str(number),
                    "job": "api",
                },
                "annotations": {"summary": f"instance {number} does not answer"},
                "startsAt": starts_at,
                "generatorURL": "http://127.0.0.1/graph",
            }
            for number in range(first, min(first + _ALERTS_PER_REQUEST, alerts))
        ]
        answer = client.request(
            "POST",
            "/api/v2/alerts",
            body=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body[:300]!r}")
    return time.perf_counter()
