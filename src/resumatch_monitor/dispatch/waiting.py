"""Waits for a signal or a moment, whichever comes first."""

import asyncio
from typing import Any

from resumatch_monitor.kit.clock import Clock


async def wait_for_signal(signal: asyncio.Event, *, seconds: float, clock: Clock) -> None:
    """Return when `signal` is set, which is cleared then, or after `seconds`."""
    waiters: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(signal.wait()),
        asyncio.ensure_future(clock.sleep(max(seconds, 0))),
    ]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        # Not one by one with their cancellation suppressed: that would swallow our own.
        await asyncio.gather(*waiters, return_exceptions=True)
    signal.clear()
