"""A store of traces in a folder of its own."""

from collections.abc import Generator
from pathlib import Path

import pytest

from resumatch_monitor.storage.traces.store import SqliteTraceStore
from tests.support.clock import FakeClock


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Generator[SqliteTraceStore]:
    opened = open_store(tmp_path, clock)
    yield opened
    opened.close()


def open_store(
    folder: Path, clock: FakeClock, *, max_bytes: int = 64 * 1024 * 1024
) -> SqliteTraceStore:
    """Return an opened store."""
    opened = SqliteTraceStore(folder, clock=clock, max_bytes=max_bytes, min_free_bytes=0)
    opened.open()
    return opened
