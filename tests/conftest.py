"""Fixtures that every part's tests use."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from typing_extensions import override
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.peers import (
    PROMETHEUS,
    VICTORIA_METRICS,
    Peer,
    explain_absence,
    find_peer,
    run_prometheus,
    run_victoria_metrics,
)

_ONE_WORLD = "tests/acceptance/one_world/"


def pytest_configure() -> None:
    # How long an example takes tells how busy the machine is; tests have a timeout of their own.
    settings.register_profile(
        "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any machine")


class _Scheduling(LoadFileScheduling):
    """A file of tests to each process at a time; all that share a world are as one file."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return _ONE_WORLD if nodeid.startswith(_ONE_WORLD) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return _Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        for name in marker.args:
            _require_peer(str(name))


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


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all tables and nothing in them: to make them takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "monitor.sqlite3"
    database = Database(path)
    database.start()
    database.stop()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Iterator[Database]:
    database = Database(shutil.copyfile(empty_database, tmp_path / "monitor.sqlite3"))
    database.start()
    yield database
    database.stop()


@pytest.fixture
def prometheus(tmp_path: Path) -> Generator[Peer]:
    _require_peer(PROMETHEUS)
    with run_prometheus(tmp_path / "prometheus") as peer:
        yield peer


@pytest.fixture
def victoria_metrics(tmp_path: Path) -> Generator[Peer]:
    _require_peer(VICTORIA_METRICS)
    with run_victoria_metrics(tmp_path / "victoria-metrics") as peer:
        yield peer


def _require_peer(name: str) -> None:
    if find_peer(name) is not None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(explain_absence(name))
    pytest.skip(explain_absence(name))
