"""Fixtures that every part's tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ids() -> SequentialIds:
    return SequentialIds()


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "monitor.sqlite3")
    database.start()
    yield database
    database.stop()
