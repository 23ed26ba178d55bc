import asyncio

import pytest

from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


class Loop:
    """Counts its starts, and crashes as often as it is told."""

    def __init__(self, *, crashes: int = 0) -> None:
        self.starts = 0
        self.was_cancelled = False
        self.lasts_seconds = 0.0
        self._crashes = crashes

    async def run(self, clock: FakeClock) -> None:
        self.starts += 1
        if self.starts <= self._crashes:
            if self.lasts_seconds:
                await clock.sleep(self.lasts_seconds)
            raise RuntimeError("on purpose")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


@pytest.fixture
def supervisor(clock: FakeClock, telemetry: Telemetry) -> Supervisor:
    return Supervisor(clock=clock, telemetry=telemetry)


def failures(telemetry: Telemetry, name: str) -> float | None:
    return telemetry.registry.get_sample_value(
        "resumatch_monitor_loop_failures_total", {"loop": name}
    )


async def test_a_crashed_loop_is_started_again_after_growing_pauses(
    supervisor: Supervisor, clock: FakeClock, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    loop = Loop(crashes=3)
    supervisor.start("loop", lambda: loop.run(clock))

    starts: list[int] = []
    for seconds in (0, 1, 1, 1, 3.9, 0.1):
        await clock.advance(seconds)
        starts.append(loop.starts)

    assert starts == [1, 2, 2, 3, 3, 4]
    assert failures(telemetry, "loop") == 3
    assert "The loop loop crashed" in caplog.text
    await supervisor.stop()


async def test_the_pause_grows_to_a_minute_and_no_further(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    loop = Loop(crashes=100)
    supervisor.start("loop", lambda: loop.run(clock))
    await clock.advance(1 + 2 + 4 + 8 + 16 + 32)
    before = loop.starts

    await clock.advance(600)

    assert loop.starts - before == 10
    await supervisor.stop()


async def test_a_loop_that_ran_steadily_is_started_again_soon(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    loop = Loop(crashes=100)
    supervisor.start("loop", lambda: loop.run(clock))
    await clock.advance(1 + 2 + 4 + 8)
    loop.lasts_seconds = 121
    await clock.advance(16 + 121)
    before = loop.starts

    await clock.advance(1)

    assert loop.starts == before + 1
    await supervisor.stop()


async def test_a_loop_that_comes_to_its_end_is_left_in_peace(
    supervisor: Supervisor, clock: FakeClock, telemetry: Telemetry
) -> None:
    ends: list[str] = []

    async def end() -> None:
        ends.append("once")

    supervisor.start("loop", end)
    await clock.advance(600)

    assert (ends, failures(telemetry, "loop")) == (["once"], 0)


async def test_stopping_cancels_and_waits(supervisor: Supervisor, clock: FakeClock) -> None:
    first, second = Loop(), Loop()
    supervisor.start("first", lambda: first.run(clock))
    supervisor.start("second", lambda: second.run(clock))
    await clock.advance(0)

    await supervisor.stop("first")
    assert (first.was_cancelled, second.was_cancelled) == (True, False)
    await supervisor.stop()
    assert second.was_cancelled


async def test_a_name_is_taken_until_its_loop_is_stopped(
    supervisor: Supervisor, clock: FakeClock
) -> None:
    loop = Loop()
    supervisor.start("loop", lambda: loop.run(clock))

    with pytest.raises(ValueError, match="already running"):
        supervisor.start("loop", lambda: loop.run(clock))
    await supervisor.stop("loop")
    supervisor.start("loop", lambda: loop.run(clock))

    await supervisor.stop()
