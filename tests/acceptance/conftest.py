"""The processes' logs when an acceptance test fails."""

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from resumatch.demo.processes import Processes

OUTPUT = Path(__file__).parents[2] / "test-output"
_LOG_FOLDERS: pytest.StashKey[list[Path]] = pytest.StashKey()
_TAIL_LINES = 60


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every process' log beside a failure, and keep the logs."""
    report = yield
    if report.failed:
        for folder in item.config.stash.setdefault(_LOG_FOLDERS, []):
            for log in sorted(folder.glob("*.log")):
                kept = OUTPUT / "logs" / folder.parent.name / log.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, kept)
                tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
                report.sections.append((f"{folder.parent.name}: {log.name}", "\n".join(tail)))
    return report


def keep_logs(config: pytest.Config, folder: Path) -> None:
    config.stash.setdefault(_LOG_FOLDERS, []).append(folder)


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """Processes of one test; all are ended after it."""
    processes = Processes(tmp_path / "logs")
    keep_logs(request.config, tmp_path / "logs")
    yield processes
    processes.stop_all()
