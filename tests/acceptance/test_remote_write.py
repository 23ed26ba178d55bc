"""The real Prometheus sends what it scrapes and what its rules make to a real monitor."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch.demo.processes import Processes
from tests.acceptance.monitor import TOKEN, MonitorProcess
from tests.acceptance.ports import choose_ports
from tests.acceptance.targets import Connection, RawServer
from tests.acceptance.waiting import wait_until
from tests.support.peers import PROMETHEUS, Peer, run_prometheus

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.peer(PROMETHEUS),
    pytest.mark.timeout(240),
]

_OPEN_METRICS = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"
_RULES = """
groups:
  - name: pushed
    interval: 1s
    rules:
      - {record: "job:orders:sum", expr: "sum by (job) (orders_total)"}
      - {alert: FlagUp, expr: "flag == 1"}
"""

Samples = dict[float, str]


class OpenMetricsTarget:
    """Counts its scrapes, with an exemplar each, and has a flag that can vanish."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scrapes = 0
        self.has_flag = True
        self._server = RawServer({"/metrics": self._answer})
        self.address = self._server.address

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, connection: Connection) -> None:
        with self._lock:
            self._scrapes += 1
            count = self._scrapes
        lines = [
            "# HELP orders All orders.",
            "# TYPE orders counter",
            f'orders_total {count} # {{trace_id="trace-{count}"}} 0.5',
            "# TYPE flag gauge",
            *(["flag 1"] if self.has_flag else []),
            "# TYPE load_ratio gauge",
            "# UNIT load_ratio ratio",
            "load_ratio 0",
            "# EOF",
        ]
        connection.answer(("\n".join(lines) + "\n").encode(), _OPEN_METRICS)


@dataclass
class Pushing:
    """A target, the Prometheus that scrapes it, and the monitor that it writes to."""

    target: OpenMetricsTarget
    prometheus: Peer
    monitor: MonitorProcess

    def ask_prometheus(self, path: str, **params: str) -> Any:
        answer = httpx.get(self.prometheus.url + path, params=params, trust_env=False)
        return answer.raise_for_status().json()["data"]

    def read_theirs(self, selector: str) -> dict[str, Samples]:
        return _by_labels(self.ask_prometheus("/api/v1/query", query=selector)["result"])

    def read_ours(self, selector: str) -> dict[str, Samples]:
        return _by_labels(self.monitor.api.query(selector))


def _by_labels(result: list[dict[str, Any]]) -> dict[str, Samples]:
    return {
        ",".join(f"{name}={value}" for name, value in sorted(series["metric"].items())): dict(
            series["values"]
        )
        for series in result
    }


@pytest.fixture
def pushing(tmp_path: Path, processes: Processes) -> Iterator[Pushing]:
    [port] = choose_ports(1)
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"auth: {{tokens: [{{name: acceptance, token: {TOKEN}, role: editor}}]}}\n"
        "default_rules: false\n"
    )
    monitor = MonitorProcess(
        name="remote-write-monitor",
        config=config,
        data=tmp_path / "data",
        port=port,
        processes=processes,
    )
    target = OpenMetricsTarget()
    target.start()
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "rules.yml").write_text(_RULES)
    try:
        monitor.start()
        with run_prometheus(
            folder,
            config=_render_config(monitor.url, target.address),
            arguments=("--enable-feature=exemplar-storage",),
        ) as prometheus:
            yield Pushing(target, prometheus, monitor)
    finally:
        monitor.close()
        target.stop()


def _render_config(url: str, address: str) -> str:
    return f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["{address}"]}}]
remote_write:
  - url: {url}/api/v1/write
    authorization: {{credentials: {TOKEN}}}
    send_exemplars: true
    metadata_config: {{send_interval: 1s}}
    queue_config: {{batch_send_deadline: 500ms, max_backoff: 500ms}}
"""


def test_the_real_prometheus_is_understood_and_goes_on_after_a_kill(pushing: Pushing) -> None:
    monitor, target = pushing.monitor, pushing.target
    wait_until(lambda: (monitor.api.value("orders_total") or 0) >= 3, "orders are counted")
    wait_until(lambda: monitor.api.query('ALERTS{alertname="FlagUp"}'), "the alert's series")
    _check_metadata(monitor)

    target.has_flag = False
    # Long before the look-back ends: its end was told.
    wait_until(lambda: not monitor.api.query("flag"), "the flag is gone", timeout_seconds=30)
    wait_until(lambda: not monitor.api.query("ALERTS"), "so is its alert", timeout_seconds=30)
    wait_until(lambda: monitor.api.query('{__name__="job:orders:sum"}'), "the recorded series")

    before = pushing.read_ours('{job="shop"}[10m]')
    monitor.kill()
    reached = float(next(iter(target_count(pushing).values())))
    wait_until(lambda: _last(target_count(pushing)) > reached + 2, "scrapes go on meanwhile")
    monitor.start()

    goal = _last(target_count(pushing))
    wait_until(lambda: (monitor.api.value("orders_total") or 0) > goal, "it catches up")
    after = pushing.read_ours('{job="shop"}[10m]')
    for series, samples in before.items():
        assert samples.items() <= after[series].items()
    _check_nothing_is_missing(pushing)
    _check_exemplars(pushing)
    assert monitor.api.own_metric('resumatch_monitor_ingest_pending{signal="metrics"}') == 0
    refused = 'resumatch_monitor_ingest_rejected_total{reason="refused",signal="metrics"}'
    assert not monitor.api.own_metric(refused)
    assert "non-recoverable" not in pushing.prometheus.log.read_text()


def target_count(pushing: Pushing) -> Samples:
    [samples] = pushing.read_theirs("orders_total[10m]").values()
    return samples


def _last(samples: Samples) -> float:
    return float(samples[max(samples)])


def _check_metadata(monitor: MonitorProcess) -> None:
    wait_until(lambda: "load_ratio" in monitor.api.get("/api/v1/metadata")["data"], "metadata")
    metadata = monitor.api.get("/api/v1/metadata")["data"]
    assert metadata["orders"] == [{"type": "counter", "help": "All orders.", "unit": ""}]
    assert metadata["load_ratio"] == [{"type": "gauge", "help": "", "unit": "ratio"}]


def _check_nothing_is_missing(pushing: Pushing) -> None:
    for selector in ('{job="shop"}[10m]', "ALERTS[10m]", "ALERTS_FOR_STATE[10m]"):
        ours = pushing.read_ours(selector)
        theirs = pushing.read_theirs(selector)
        assert ours.keys() == theirs.keys()
        for series, samples in ours.items():
            # What it scraped since has not been sent yet, or was scraped after it was asked.
            sent = {time: value for time, value in theirs[series].items() if time <= max(samples)}
            assert samples == sent, series


def _check_exemplars(pushing: Pushing) -> None:
    def find(answer: Any) -> dict[float, str]:
        [series] = answer
        assert series["seriesLabels"]["__name__"] == "orders_total"
        return {each["timestamp"]: each["labels"]["trace_id"] for each in series["exemplars"]}

    params = {"query": "orders_total"}
    theirs = find(pushing.ask_prometheus("/api/v1/query_exemplars", **params))
    ours = find(pushing.monitor.api.get("/api/v1/query_exemplars", **params)["data"])
    assert len(ours) >= 3
    missing = {time for time in theirs.keys() - ours.keys() if time <= max(ours)}
    assert not missing
    assert ours.items() <= theirs.items() | ours.items()
