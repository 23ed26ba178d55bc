"""A clock that moves only when a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Starts at a fixed moment; `advance` wakes the sleepers that are due, in order."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        return self._elapsed_seconds

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed_seconds + seconds, self._count, future))
        await future

    def jump(self, delta: timedelta) -> None:
        """Move the wall time alone, as a corrected system clock does."""
        self._start += delta

    def jump_monotonic(self, seconds: float) -> None:
        """Let `seconds` pass without waking anybody."""
        self._elapsed_seconds += seconds

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, running everything that becomes due on the way."""
        await _settle()
        target = self._elapsed_seconds + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, future = heapq.heappop(self._sleepers)
            self._elapsed_seconds = max(self._elapsed_seconds, due)
            if not future.done():
                future.set_result(None)
                await _settle()
        self._elapsed_seconds = target
        await _settle()


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
