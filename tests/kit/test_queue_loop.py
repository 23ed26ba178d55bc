import asyncio
from contextlib import suppress

import pytest

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.queue_loop import QueueLoop
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


class Work:
    """Takes two things a batch; fails as often as it is told to."""

    def __init__(self) -> None:
        self.waiting = 5
        self.failures: list[Exception] = []
        self.batches: list[int] = []
        self.worked = asyncio.Event()

    async def __call__(self) -> int:
        self.worked.set()
        if self.failures:
            raise self.failures.pop()
        count = min(2, self.waiting)
        self.waiting -= count
        self.batches.append(count)
        return count


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_what_is_left_is_worked_off_and_then_what_comes(clock: FakeClock) -> None:
    work = Work()
    loop = QueueLoop(work, what="Things", retry_seconds=10, clock=clock)
    running = asyncio.create_task(loop.run())
    await turn()
    assert work.batches == [2, 2, 1, 0]

    work.waiting = 1
    await turn()
    assert work.waiting == 1
    loop.wake()
    await turn()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    assert work.batches == [2, 2, 1, 0, 1, 0]


async def test_it_tries_again_when_a_store_cannot_write_and_raises_anything_else(
    clock: FakeClock,
) -> None:
    work = Work()
    work.failures = [ValueError("a bug"), StorageUnavailableError("full")]
    loop = QueueLoop(work, what="Things", retry_seconds=10, clock=clock)
    running = asyncio.create_task(loop.run())
    await turn()
    assert not running.done()
    await clock.advance(10)

    with pytest.raises(ValueError, match="a bug"):
        await running
    assert work.batches == []
