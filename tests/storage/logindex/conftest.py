"""A store of logs in a folder of its own."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.storage.logindex.store import TantivyLogStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store is that `open_store` opens."""
    return tmp_path / "logs"


@pytest.fixture
def open_store(folder: Path) -> Generator[Callable[..., TantivyLogStore]]:
    """Open a store on the same folder as often as a test likes; close the last one."""
    opened: list[TantivyLogStore] = []

    def open_store(**options: Any) -> TantivyLogStore:
        for each in opened:
            each.close()
        opened.clear()
        values: dict[str, Any] = {"clock": SystemClock(), "min_free_bytes": 0}
        store = TantivyLogStore(folder, **{**values, **options})
        store.open()
        opened.append(store)
        return store

    yield open_store
    for each in opened:
        each.close()
