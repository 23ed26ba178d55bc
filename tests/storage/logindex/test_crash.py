"""A process that is killed while it stores records: none is lost, none is there twice."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.storage.logindex.reading import read_pages

pytestmark = pytest.mark.anyio

_KILLS = 3


async def test_keeps_each_acknowledged_record_once_over_kill_9(
    folder: Path, open_store: Callable[..., TantivyLogStore]
) -> None:
    dice = random.Random(6)
    for _ in range(_KILLS):
        acknowledged = _append_until_killed(folder, batches=dice.randint(3, 14))

        store = open_store()
        position = store.position()
        numbers = sorted(_number(item.record.body) for item in await read_pages(store))
        store.close()

        assert position is not None
        assert position.offset >= acknowledged
        # What was kept beyond that is kept whole: the spool's reader goes on after it.
        assert numbers == list(range(position.offset))


def _append_until_killed(folder: Path, *, batches: int) -> int:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.logindex.appender", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert child.stdout is not None
    with child.stdout as output:
        told = [int(output.readline()) for _ in range(batches)]
        child.send_signal(signal.SIGKILL)
        told += [int(line) for line in output.read().split("\n")[:-1]]
    child.wait(10)
    return max(told)


def _number(body: str) -> int:
    return int(body.split(" ")[1])
