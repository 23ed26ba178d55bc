"""The three systems, each started as a user starts it, in a folder of its own on loopback."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.metrics.client import Client
from benchmarks.metrics.usage import Meter
from tests.support.peers import (
    PROMETHEUS,
    VICTORIA_METRICS,
    Peer,
    run_prometheus,
    run_victoria_metrics,
)
from tests.support.ports import find_free_port

OURS = "resumatch-monitor"
ALL = (OURS, PROMETHEUS, VICTORIA_METRICS)

_ROOT = Path(__file__).parents[2]
_TOKEN = "a-token-of-the-benchmark-of-metrics"
_START_SECONDS = 120
_STOP_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Setup:
    """What a system is to do beside waiting for requests.

    Attributes:
        target: `host:port` to scrape, if any.
        scrape_seconds: How often.
        rules: A file of rules, if any.
        rule_seconds: How often they are evaluated.
    """

    target: str | None = None
    scrape_seconds: int = 15
    rules: Path | None = None
    rule_seconds: int = 15

    def render(self, *, is_evaluating: bool = True) -> str:
        """Return the configuration, the same words for all; VictoriaMetrics evaluates no rules."""
        lines = [
            "global:",
            f"  scrape_interval: {self.scrape_seconds}s",
            f"  scrape_timeout: {min(self.scrape_seconds, 10)}s",
        ]
        if is_evaluating:
            lines.append(f"  evaluation_interval: {self.rule_seconds}s")
        if is_evaluating and self.rules is not None:
            lines.append(f"rule_files: ['{self.rules}']")
        if self.target is not None:
            lines += [
                "scrape_configs:",
                "  - job_name: api",
                f"    static_configs: [{{targets: ['{self.target}']}}]",
            ]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class System:
    """A running server.

    Attributes:
        data: Where everything that it stores of metrics is.
        parameters: Sent with every query.
    """

    name: str
    url: str
    pid: int
    data: Path
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    def connect(self) -> Client:
        """Return a new connection."""
        return Client(self.url, self.headers)

    def meter(self) -> Meter:
        """Return a new reading of its process."""
        return Meter(self.pid)


@contextlib.contextmanager
def run_system(name: str, folder: Path, setup: Setup | None = None) -> Generator[System]:
    """Run the system `name` with everything under `folder` until the block is left."""
    setup = setup or Setup()
    folder.mkdir(parents=True, exist_ok=True)
    runners = {OURS: _run_ours, PROMETHEUS: _run_prometheus, VICTORIA_METRICS: _run_victoria}
    with runners[name](folder, setup) as system:
        yield system


@contextlib.contextmanager
def _run_prometheus(folder: Path, setup: Setup) -> Generator[System]:
    with run_prometheus(folder, config=setup.render()) as peer:
        yield _describe(peer)


@contextlib.contextmanager
def _run_victoria(folder: Path, setup: Setup) -> Generator[System]:
    arguments: list[str] = []
    if setup.target is not None:
        path = folder / "scrape.yml"
        path.write_text(setup.render(is_evaluating=False))
        arguments.append(f"-promscrape.config={path}")
    with run_victoria_metrics(folder, arguments=arguments) as peer:
        yield _describe(peer, {"nocache": "1"})


def _describe(peer: Peer, parameters: Mapping[str, str] | None = None) -> System:
    return System(peer.name, peer.url, peer.pid, peer.folder / "data", parameters=parameters or {})


@contextlib.contextmanager
def _run_ours(folder: Path, setup: Setup) -> Generator[System]:
    with run_monitor(folder, setup.render()) as system:
        yield system


@contextlib.contextmanager
def run_monitor(folder: Path, config_text: str) -> Generator[System]:
    """Run the monitor with everything under `folder`, without the rules that it brings along.

    Args:
        folder: Exists.
        config_text: The configuration but for rules and accounts.
    """
    config = folder / "monitor.yaml"
    config.write_text(
        config_text
        + "default_rules: false\n"
        + f"auth: {{tokens: [{{name: benchmark, token: {_TOKEN}, role: admin}}]}}\n"
    )
    port = find_free_port()
    command = [
        str(Path(sys.executable).with_name("resumatch-monitor")),
        *("serve", "--config", str(config), "--data", str(folder / "data")),
        *("--listen", f"127.0.0.1:{port}"),
    ]
    with (folder / "monitor.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(_ROOT / "src")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url, folder / "monitor.log")
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        yield System(OURS, url, process.pid, folder / "data" / "metrics", headers)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), opener.open(f"{url}/-/ready", timeout=2):
            return
        time.sleep(0.005)
    raise RuntimeError(f"{OURS} did not get ready:\n{log.read_text(errors='replace')[-2000:]}")
