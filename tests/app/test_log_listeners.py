"""Logs come by files and from real senders, while the monitor is ended and started again."""

import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.logs.syslog.certificates import make_certificate
from tests.support.log_search import count, open_client, search, wait_for_count
from tests.support.monitor import TOKEN, RunningMonitor, run_monitor
from tests.support.peers import RSYSLOG
from tests.support.ports import find_free_ports
from tests.support.rsyslog import run_rsyslog
from tests.support.waiting import wait_for

RECORDS = 10_000


def kill(monitor: RunningMonitor) -> None:
    os.kill(monitor.pid, signal.SIGKILL)
    os.waitid(os.P_PID, monitor.pid, os.WEXITED | os.WNOWAIT)


def numbers_of(client: httpx.Client, service: str) -> list[int]:
    return sorted(each["attributes"]["n"] for each in search(client, f"service:{service}"))


def write_lines(path: Path, first: int, last: int) -> None:
    with path.open("a") as file:
        for number in range(first, last):
            file.write(f'{{"level": "info", "message": "line {number}", "n": {number}}}\n')


def test_lines_of_files_come_once_although_the_monitor_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    config = f"default_rules: false\nlogs: {{files: [{{path: {path}, service: shop}}]}}\n"
    with run_monitor(tmp_path / "monitor", config=config) as monitor:
        write_lines(path, 0, RECORDS // 2)
        with open_client(monitor) as client:
            wait_for_count(client, 1)
        kill(monitor)
    write_lines(path, RECORDS // 2, RECORDS - 1000)
    path.rename(path.with_suffix(".log.1"))
    write_lines(path, RECORDS - 1000, RECORDS)

    with (
        run_monitor(tmp_path / "monitor", config=config) as monitor,
        open_client(monitor) as client,
    ):
        wait_for_count(client, RECORDS)
        numbers = numbers_of(client, "shop")

    assert numbers == list(range(RECORDS))


def send(port: int, service: str, first: int, last: int) -> None:
    """Hand numbered messages to rsyslog."""
    now = datetime.now(UTC).strftime("%b %d %H:%M:%S")
    lines = "".join(
        f'<14>{now} web-1 shop[7]: {{"level": "info", "service": "{service}", "n": {number}}}\n'
        for number in range(first, last)
    )
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(lines.encode())


def say_by_logger(client: httpx.Client, port: int) -> set[str]:
    """Say something in all the forms that `logger` has; return the facilities that it has then."""
    for arguments in (["--rfc5424"], ["--rfc3164"], ["--octet-count", "--rfc5424"]):
        subprocess.run(
            ["logger", "--tcp", "--server", "127.0.0.1", "--port", str(port), "--tag", "cli",
             "--priority", "local3.err", *arguments, "said"],
            check=True, timeout=20,
        )  # fmt: skip
    wait_for(lambda: count(client, "service:cli level:error said") >= 3 or None)
    records = search(client, "service:cli")
    return {each["attributes"]["log.syslog.facility.name"] for each in records}


@pytest.mark.peer(RSYSLOG)
@pytest.mark.skipif(shutil.which("logger") is None, reason="logger is not installed")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_all_that_rsyslog_sends_comes_although_the_monitor_is_stopped(tmp_path: Path) -> None:
    http, plain, tls = find_free_ports(3)
    files = make_certificate(tmp_path)
    config = (
        "default_rules: false\n"
        f"logs: {{syslog: [{{listen: '127.0.0.1:{plain}'}}, {{listen: '127.0.0.1:{tls}', tls: "
        f"{{cert_file: {files['cert_file']}, key_file: {files['key_file']}}}}}]}}\n"
    )
    actions = {
        "plain": ("", f'type="omfwd" target="127.0.0.1" port="{plain}" protocol="tcp"'),
        "tls": (
            f'global(DefaultNetstreamDriverCAFile="{files["cert_file"]}")',
            f'type="omfwd" target="127.0.0.1" port="{tls}" protocol="tcp"'
            ' TCP_Framing="octet-counted"'
            ' StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="anon"',
        ),
        "elastic": (
            'module(load="omelasticsearch")\n'
            'template(name="document" type="string" string="%msg:2:$%")',
            f'type="omelasticsearch" server="http://127.0.0.1:{http}/es" uid="rsyslog"'
            f' pwd="{TOKEN}" searchIndex="logs" searchType="" bulkmode="on" template="document"',
        ),
    }
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(run_rsyslog(tmp_path / name, action=action, head=head))
            for name, (head, action) in actions.items()
        }
        with (
            run_monitor(tmp_path / "monitor", config=config, port=http) as monitor,
            open_client(monitor) as client,
        ):
            for name, port in ports.items():
                send(port, name, 0, RECORDS // 2)
            for name in ports:
                wait_for_count(client, 1, f"service:{name}")
        for name, port in ports.items():
            send(port, name, RECORDS // 2, RECORDS)
        with (
            run_monitor(tmp_path / "monitor", config=config, port=http) as monitor,
            open_client(monitor) as client,
        ):
            for name in ports:
                wait_for_count(client, RECORDS, f"service:{name}")
            came = {name: numbers_of(client, name) for name in ports}
            facilities = say_by_logger(client, plain)

    # None of them names its messages: what was under way at the end may come twice.
    for numbers in came.values():
        assert sorted(set(numbers)) == list(range(RECORDS))
    assert facilities == {"local3"}
