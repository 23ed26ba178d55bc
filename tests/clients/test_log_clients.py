"""Clients as they come from PyPI and npm lose no record while the monitor stops and starts."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clients.desk import Desk, open_desk
from tests.support.monitor import TOKEN, run_monitor
from tests.support.npm import find_program, install_packages
from tests.support.pip import install_requirements
from tests.support.ports import find_free_port
from tests.support.waiting import wait_for

HERE = Path(__file__).parent
PACKAGES = HERE / "python" / "packages"
JAVASCRIPT = HERE / "log_javascript"
COUNT = 2_000
_SECONDS = 120
pytestmark = pytest.mark.timeout(400)
_IDENTIFIED = {
    "elasticsearch7": "elasticsearch7",
    "elasticsearch8": "elasticsearch8",
    "elasticsearch": "elasticsearch9",
    "opensearchpy": "opensearch",
}
"""Clients of Python that name each record, and where their packages are."""
_OTHERS = (
    "opentelemetry",
    "winston-elasticsearch",
    "winston-loki-json",
    "winston-loki-protobuf",
)
_WITHOUT_RETRY = ("pino-elasticsearch",)
"""It gives up what it cannot send at once, so it begins when the monitor is back."""


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Generator[Desk]:
    """A monitor to which all clients have sent everything, half of it before it was stopped."""
    with ThreadPoolExecutor() as threads:
        installing = {
            name: threads.submit(install_requirements, PACKAGES / f"{file}.txt")
            for name, file in _IDENTIFIED.items()
        }
        install_packages(JAVASCRIPT)
        folders = {name: each.result() for name, each in installing.items()}
    folder, port = tmp_path_factory.mktemp("monitor"), find_free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        start = _Starter(stack, url, folders)
        with run_monitor(folder, config="default_rules: false\n", port=port):
            clients = {name: start(name) for name in (*_IDENTIFIED, *_OTHERS)}
            for name, client in clients.items():
                assert client.stdout is not None
                assert client.stdout.readline() == "half\n", f"{name}: {client.communicate()}"
        for client in clients.values():
            _go_on(client)
        with run_monitor(folder, config="default_rules: false\n", port=port) as monitor:
            for name in _WITHOUT_RETRY:
                clients[name] = start(name)
                _go_on(clients[name])
            for name, client in clients.items():
                out, err = client.communicate(timeout=_SECONDS)
                assert client.returncode == 0, f"{name}: {out}{err}"
            with open_desk(monitor) as desk:
                yield desk


class _Starter:
    """Starts clients, which end at the latest when the stack does."""

    def __init__(self, stack: ExitStack, url: str, folders: Mapping[str, Path]) -> None:
        self._stack = stack
        self._url = url
        self._folders = folders

    def __call__(self, name: str) -> "subprocess.Popen[str]":
        is_python = name in self._folders or name == "opentelemetry"
        command = (
            [sys.executable, str(HERE / "python" / "log_client.py"), name, str(COUNT)]
            if is_python
            else [find_program("node"), "send.mjs", name, str(COUNT)]
        )
        process = subprocess.Popen(
            command,
            cwd=JAVASCRIPT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self._folders.get(name, "")),
                "PYTHONWARNINGS": "ignore",
                "MONITOR_URL": self._url,
                "MONITOR_TOKEN": TOKEN,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


def _go_on(client: "subprocess.Popen[str]") -> None:
    assert client.stdin is not None
    client.stdin.write("go\n")
    client.stdin.flush()


def _numbers_of(desk: Desk, service: str) -> Counter[int]:
    """Return how often each number was kept."""
    found: Counter[int] = Counter()
    cursor: dict[str, str | int] = {}
    while True:
        page = desk.read("logs", query=f"service:{service}", limit=1000, **cursor)
        found.update(_number_of(item["attributes"]) for item in page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def _number_of(attributes: Mapping[str, Any]) -> int:
    # winston-elasticsearch puts what belongs to a message into `fields`.
    return int(attributes.get("number", attributes.get("fields.number", -1)))


def _wait_for_all(desk: Desk, service: str) -> Counter[int]:
    def find() -> Counter[int] | None:
        numbers = _numbers_of(desk, service)
        return numbers if len(numbers) == COUNT else None

    return wait_for(find)


@pytest.mark.parametrize("name", _IDENTIFIED)
def test_what_has_an_id_is_kept_once(delivered: Desk, name: str) -> None:
    assert set(_wait_for_all(delivered, name).values()) == {1}


@pytest.mark.parametrize("name", [*_OTHERS, *_WITHOUT_RETRY])
def test_everything_arrives(delivered: Desk, name: str) -> None:
    assert sorted(_wait_for_all(delivered, name)) == list(range(COUNT))


@pytest.mark.parametrize("name", [*_IDENTIFIED, *_OTHERS, *_WITHOUT_RETRY])
def test_records_are_read_as_they_were_meant(delivered: Desk, name: str) -> None:
    _wait_for_all(delivered, name)
    record = delivered.read("logs", query=f'service:{name} "record 7"', limit=1)["items"][0]
    assert (record["message"], record["severity"]) == ("record 7", "warning")
