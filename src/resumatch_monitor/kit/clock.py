"""The seam through which everything learns what time it is."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells and waits for time."""

    def now(self) -> datetime:
        """Return the wall time, aware and in UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never go backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of monotonic time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def to_milliseconds(moment: datetime) -> int:
    """Return `moment` as whole milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1000)


def from_milliseconds(milliseconds: int) -> datetime:
    """Return the aware UTC moment `milliseconds` after the Unix epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def isoformat(moment: datetime) -> str:
    """Render `moment` as RFC 3339 in UTC with milliseconds and a trailing Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def isoformat_or_none(moment: datetime | None) -> str | None:
    """Render `moment` as `isoformat` does, or return None where there is none."""
    return None if moment is None else isoformat(moment)
