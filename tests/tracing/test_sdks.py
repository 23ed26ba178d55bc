"""The real SDKs against a running monitor: what they traced is what it shows."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.support.monitor import TOKEN, RunningMonitor, run_monitor

pytestmark = pytest.mark.timeout(120)

_KEY = "a" * 32
_CLIENT = Path(__file__).with_name("sdk_client.py")
_WAIT_SECONDS = 20


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMonitor]:
    config = f"projects: [{{id: 1, slug: importer, key: {_KEY}}}]\ndefault_rules: false\n"
    with run_monitor(tmp_path_factory.mktemp("monitor"), config=config) as running:
        yield running


def _read(monitor: RunningMonitor, path: str) -> httpx.Response:
    return httpx.get(monitor.url + path, headers={"Authorization": f"Bearer {TOKEN}"})


def _wait_for_trace(monitor: RunningMonitor, trace_id: str, spans: int, errors: int) -> Any:
    """Return a trace once it has what is expected, or as it is when patience ends."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        answer = _read(monitor, f"/api/monitor/traces/{trace_id}")
        trace = answer.json()
        is_there = answer.status_code == 200
        if is_there and len(trace["spans"]) >= spans and len(trace["errors"]) >= errors:
            return trace
        assert time.monotonic() < deadline, trace
        time.sleep(0.1)


@pytest.mark.parametrize("lifecycle", ["static", "stream"])
def test_what_sentrys_sdk_traced_is_shown(monitor: RunningMonitor, lifecycle: str) -> None:
    dsn = monitor.url.replace("//", f"//{_KEY}@") + "/1"
    client = subprocess.run(
        [sys.executable, str(_CLIENT), dsn, lifecycle],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    trace_id = client.stdout.strip()
    trace = _wait_for_trace(monitor, trace_id, spans=3, errors=1)
    rows = [(each["name"], each["op"], each["depth"], each["status"]) for each in trace["spans"]]
    assert rows == [
        ("import resumes", "queue.task", 0, rows[0][3]),
        ("SELECT * FROM resumes WHERE owner = ?", "db", 1, rows[1][3]),
        ("parse", "function", 1, "error"),
    ]
    assert {each["service"] for each in trace["spans"]} == {"importer"}
    (error,) = trace["errors"]
    assert (error["title"], error["message"]) == ("ValueError", "no such format")
    assert error["span_id"] in {each["span_id"] for each in trace["spans"]}
    span = _read(
        monitor, f"/api/monitor/traces/{trace_id}/spans/{trace['spans'][0]['span_id']}"
    ).json()
    assert (span["release"], span["environment"]) == ("resumatch@4.5.6", "staging")
    assert "example.org" not in repr(span)
    event = _read(
        monitor, f"/api/monitor/issues/{error['issue_id']}/events/{error['event_id']}"
    ).json()
    assert event["trace_id"] == trace_id


def test_what_opentelemetrys_sdk_traced_is_shown(monitor: RunningMonitor) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "importer"}))
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(
                endpoint=f"{monitor.url}/v1/traces", headers={"Authorization": f"Bearer {TOKEN}"}
            )
        )
    )
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("outer") as outer:
        for number in range(600):
            with tracer.start_as_current_span(f"inner {number}"):
                pass
    provider.shutdown()
    trace_id = f"{outer.get_span_context().trace_id:032x}"
    trace = _wait_for_trace(monitor, trace_id, spans=601, errors=0)
    assert [each["depth"] for each in trace["spans"]] == [0, *[1] * 600]
    assert trace["services"] == [
        {"service": "importer", "project_id": 1, "span_count": 601, "error_count": 0}
    ]
