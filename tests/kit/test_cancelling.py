import asyncio

import pytest

from resumatch_monitor.kit.cancelling import finish

pytestmark = pytest.mark.anyio


async def test_what_is_cancelled_ends_first() -> None:
    gate, steps = asyncio.Event(), list[str]()

    async def work() -> None:
        steps.append("begun")
        await gate.wait()
        steps.append("done")

    async def caller() -> None:
        try:
            await finish(work())
        finally:
            steps.append("gone on")

    task = asyncio.create_task(caller())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert steps == ["begun"]
    gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["begun", "done", "gone on"]


async def test_results_and_errors_come_through() -> None:
    async def fail() -> None:
        raise OSError("the disk is full")

    async def answer() -> int:
        return 42

    assert await finish(answer()) == 42
    with pytest.raises(OSError, match="disk"):
        await finish(fail())


async def test_a_failure_that_nobody_waits_for_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = asyncio.Event()

    async def fail() -> None:
        await gate.wait()
        raise OSError("the disk is full")

    task = asyncio.create_task(finish(fail()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    gate.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert "the disk is full" in caplog.text
