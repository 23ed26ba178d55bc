"""Background loops that are restarted when they crash and cancelled together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_AFTER_SECONDS = 120.0


class Supervisor:
    """Runs named loops; a loop that raises is logged, counted and started again."""

    def __init__(self, *, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._failures = telemetry.loop_failures
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Start `loop` under `name`; it is expected to run until it is cancelled.

        Raises:
            ValueError: If a loop of that name is running.
        """
        if name in self._tasks:
            raise ValueError(f"a loop named {name!r} is already running")
        self._failures.labels(name)
        self._tasks[name] = asyncio.create_task(self._keep_running(name, loop), name=name)

    async def stop(self, name: str | None = None) -> None:
        """Cancel the loop `name`, or all of them, and wait until they have ended."""
        names = [name] if name is not None else list(reversed(self._tasks))
        tasks = [self._tasks.pop(each) for each in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_running(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            started = self._clock.monotonic()
            try:
                await loop()
            except Exception:
                logger.exception("The loop %s crashed; it is started again", name)
                self._failures.labels(name).inc()
            else:
                return
            if self._clock.monotonic() - started > _STEADY_AFTER_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            await self._clock.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
