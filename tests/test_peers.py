"""The servers that tests compare with start, answer, keep their data and stop."""

import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.peers import (
    PROMETHEUS,
    Peer,
    PeerError,
    run_prometheus,
)


def test_prometheus_answers_queries(prometheus: Peer) -> None:
    answer = ask(f"{prometheus.url}/api/v1/query?query=1%2B1")

    assert answer["data"]["result"][1] == "2"


def test_victoria_metrics_answers_what_it_was_sent(victoria_metrics: Peer) -> None:
    # Its clock is one of whole seconds.
    line = f'spoken{{by="alice"}} 42 {int(time.time() - 5) * 1000}'
    send(f"{victoria_metrics.url}/api/v1/import/prometheus", line.encode())
    send(f"{victoria_metrics.url}/internal/force_flush", b"")

    answer = ask(f"{victoria_metrics.url}/api/v1/query?query=spoken")

    assert [each["value"][1] for each in answer["data"]["result"]] == ["42"]


@pytest.mark.peer(PROMETHEUS)
def test_a_peer_is_gone_when_its_block_is_left(tmp_path: Path) -> None:
    with run_prometheus(tmp_path) as peer:
        os.kill(peer.pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(peer.pid, 0)


@pytest.mark.peer(PROMETHEUS)
def test_a_peer_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(PeerError, match="unknown_key"),
        run_prometheus(tmp_path, config="unknown_key: 1"),
    ):
        pass


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def send(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, data=body, method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
