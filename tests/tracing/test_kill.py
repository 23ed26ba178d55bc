"""`kill -9` while spans come in: every acknowledged one is there once, and is counted."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.store import SegmentQuery
from tests.support.spans import trace_id_of
from tests.support.tracing import open_trace_stack
from tests.tracing.sender import SPANS, build_feed

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

ROUNDS = 4
_EACH = 60
_FAR = 1_000_000


def _run_and_kill(folder: Path, turn: int) -> tuple[set[int], set[int]]:
    """Let a child take spans in, kill it, and return what it acknowledged and observed."""
    command = [sys.executable, "-m", "tests.tracing.sender", str(folder), str(1 + turn * _FAR)]
    acknowledged: set[int] = set()
    observed: set[int] = set()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        assert child.stdout is not None
        is_killed = False
        for line in child.stdout:
            word, _, number = line.partition(" ")
            (acknowledged if word == "acknowledged" else observed).add(int(number))
            # At another moment each time: while spooling, while storing, while observing.
            if not is_killed and len(acknowledged) >= _EACH + 17 * turn:
                child.send_signal(signal.SIGKILL)
                is_killed = True
    return acknowledged, observed


async def test_every_acknowledged_span_is_there_once_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    acknowledged: set[int] = set()
    observed: set[int] = set()
    for turn in range(ROUNDS):
        taken, seen = _run_and_kill(tmp_path, turn)
        acknowledged |= taken
        observed |= seen
    assert len(acknowledged) >= ROUNDS * _EACH
    async with open_trace_stack(tmp_path, clock=SystemClock()) as stack:
        await stack.digest_all()
        feed = build_feed(stack)
        while await feed.feed_batch():
            pass
        observed |= {int(line.split()[1]) for line in capfd.readouterr().out.splitlines()}
        assert acknowledged <= observed
        for number in acknowledged:
            spans = (await stack.store.find_trace(trace_id_of(number), limit=100)).spans
            assert len(spans) == SPANS
        counts = await _counts(stack.store)
        assert all(counts[number] == SPANS for number in acknowledged)
        for part in stack.store.catalog.newest_first():
            with part.read() as reader:
                twice = reader.connection.execute(
                    "SELECT trace_id FROM fragments GROUP BY trace_id HAVING count(*) > 2"
                ).fetchall()
            assert twice == []


async def _counts(store: SqliteTraceStore) -> dict[int, int]:
    found: dict[int, int] = {}
    cursor = None
    while True:
        page = await store.search(SegmentQuery(limit=500, cursor=cursor))
        found.update({int(each.trace_id, 16): each.span_count for each in page.items})
        cursor = page.next_cursor
        if cursor is None:
            return found
