"""A store of logs in a folder of its own."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.logindex.store import TantivyLogStore


@pytest.fixture
def open_store(tmp_path: Path) -> Generator[Callable[..., TantivyLogStore]]:
    """Open a store on the same folder as often as a test likes; close the last one."""
    opened: list[TantivyLogStore] = []

    def open_store(*, partition_rows: int = 1_000_000) -> TantivyLogStore:
        for each in opened:
            each.close()
        opened.clear()
        store = TantivyLogStore(
            tmp_path / "logs", clock=SystemClock(), min_free_bytes=0, partition_rows=partition_rows
        )
        store.open()
        opened.append(store)
        return store

    yield open_store
    for each in opened:
        each.close()
