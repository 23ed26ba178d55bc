"""The world that these tests share, and its story; `tests/conftest.py` keeps them in a process."""

import signal
import tempfile
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import pytest

from tests.acceptance.conftest import keep_logs
from tests.acceptance.story import Story
from tests.acceptance.world import World

_FIRST_CHAPTER_SECONDS = 120


# Not for the whole session: other tests do not want its load.
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
        story: Story = request.getfixturevalue("story")
        # Of its new issue people are told before other tests make theirs.
        futures.wait([story.exception], timeout=_FIRST_CHAPTER_SECONDS)
