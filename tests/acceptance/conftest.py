"""The world that all acceptance tests share, and the processes' logs when one fails."""

import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from resumatch.demo.processes import Processes
from tests.acceptance.story import Story
from tests.acceptance.world import World

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


# Not for the whole session: the tests of the parts do not want its load.
@pytest.fixture(scope="package")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    # Also when the tests are ended from outside, nothing is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Not pytest's own folder: PostgreSQL's user must reach it.
    with tempfile.TemporaryDirectory(prefix="resumatch-world-") as name:
        world = World(Path(name) / "world")
        keep_logs(request.config, Path(name) / "world" / "logs")
        try:
            world.start()
            yield world
        finally:
            world.stop()


@pytest.fixture(scope="package")
def story(world: World) -> Iterator[Story]:
    story = Story(world)
    story.start()
    yield story
    # It ends with the world: what it waits for does not come any more.
    story.join(timeout=180)


@pytest.fixture(scope="package", autouse=True)
def early_story(request: pytest.FixtureRequest) -> None:
    """Let the story begin with the first test, if any test wants it: it takes a while."""
    wanted = (getattr(item, "fixturenames", []) for item in request.session.items)
    if any("story" in names for names in wanted):
        request.getfixturevalue("story")


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """Processes of one test; all are ended after it."""
    processes = Processes(tmp_path / "logs")
    keep_logs(request.config, tmp_path / "logs")
    yield processes
    processes.stop_all()
