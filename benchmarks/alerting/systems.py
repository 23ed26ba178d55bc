"""Alertmanager, and Prometheus before it, configured for one webhook."""

import contextlib
from collections.abc import Generator
from pathlib import Path

from benchmarks.metrics.systems import System
from tests.support.peers import ALERTMANAGER, PROMETHEUS, Peer, run_alertmanager, run_prometheus

BOTH = f"{PROMETHEUS} and {ALERTMANAGER}"


@contextlib.contextmanager
def run_alertmanager_alone(folder: Path, url: str, route: str) -> Generator[System]:
    """Run an Alertmanager that tells one webhook."""
    folder.mkdir(parents=True, exist_ok=True)
    config = f"{route}\nreceivers: [{{name: catcher, webhook_configs: [{{url: '{url}'}}]}}]\n"
    with run_alertmanager(folder, config=config) as peer:
        yield _describe(peer)


@contextlib.contextmanager
def run_pair(folder: Path, url: str, *, route: str, config: str) -> Generator[System]:
    """Run a Prometheus that tells an Alertmanager that tells one webhook."""
    with run_alertmanager_alone(folder / "alertmanager", url, route) as alertmanager:
        address = alertmanager.url.removeprefix("http://")
        alerting = (
            f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}\n"
        )
        with run_prometheus(folder / "prometheus", config=config + alerting) as peer:
            yield _describe(peer)


def _describe(peer: Peer) -> System:
    return System(peer.name, peer.url, peer.pid, peer.folder / "data")
