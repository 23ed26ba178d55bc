"""Waits for a signal or a moment, whichever comes first."""

import asyncio
import contextlib

from resumatch_monitor.kit.clock import Clock


async def wait_for_signal(signal: asyncio.Event, *, seconds: float, clock: Clock) -> None:
    """Return when `signal` is set, which is cleared then, or after `seconds`."""
    waiters = [
        asyncio.ensure_future(signal.wait()),
        asyncio.ensure_future(clock.sleep(max(seconds, 0))),
    ]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        for waiter in waiters:
            with contextlib.suppress(asyncio.CancelledError):
                await waiter
    signal.clear()
