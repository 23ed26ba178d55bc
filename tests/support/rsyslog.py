"""Debian's rsyslog as a process of its own: it takes messages by TCP and sends them on."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Generator
from pathlib import Path

from tests.support.peers import RSYSLOG, find_peer
from tests.support.ports import find_free_port
from tests.support.waiting import wait_for

_STOP_SECONDS = 30


@contextlib.contextmanager
def run_rsyslog(folder: Path, *, action: str, head: str = "") -> Generator[int]:
    """Run an rsyslog that does `action` with every message; yield the port that it listens on.

    Args:
        folder: Made if it is not there; its queue and its log are there.
        action: In rsyslog's language; its queue is added.
        head: What stands before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = find_free_port()
    path = folder / "rsyslog.conf"
    path.write_text(
        f'global(workDirectory="{folder}")\n'
        'module(load="imtcp")\n'
        f"{head}\n"
        f'input(type="imtcp" port="{port}" address="127.0.0.1")\n'
        f"action({action}\n"
        '  queue.type="LinkedList" queue.size="50000" queue.dequeueBatchSize="200"\n'
        '  action.resumeRetryCount="-1" action.resumeInterval="1")\n'
    )
    program = find_peer(RSYSLOG)
    assert program is not None
    with (folder / "rsyslog.log").open("wb") as output:
        process = subprocess.Popen(
            [os.fspath(program), "-n", "-f", str(path), "-i", str(folder / "rsyslog.pid")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(lambda: _can_connect(port) or process.poll() is not None or None)
        assert process.poll() is None, (folder / "rsyslog.log").read_text()
        yield port
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _can_connect(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
