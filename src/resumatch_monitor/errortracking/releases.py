"""Tells of each release when its first event comes: what people want to see beside an incident."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.kit.clock import Clock

_INTERVAL_SECONDS = 15.0
_BATCH = 20
_NEWS = timedelta(days=1)
"""A release that was first seen longer ago is no news to anybody."""


@dataclass(frozen=True, slots=True)
class NewRelease:
    """A release and when its first event came."""

    project_id: int
    project_slug: str
    version: str
    first_seen_at: datetime


class ReleaseLog(Protocol):
    """Knows of which releases was told."""

    async def untold_releases(self, since: datetime, *, limit: int) -> Sequence[NewRelease]:
        """Return the releases first seen since then of which nobody was told, oldest first."""
        ...

    async def mark_told(self, release: NewRelease, at: datetime) -> None:
        """Note that people were told."""
        ...


class ReleaseTeller:
    """Hands each new release on; one that is told as the process dies may be told again."""

    def __init__(
        self, *, log: ReleaseLog, tell: Callable[[NewRelease], Awaitable[object]], clock: Clock
    ) -> None:
        self._log = log
        self._tell = tell
        self._clock = clock

    async def run(self) -> None:
        """Tell of what is new, for ever."""
        while True:
            await self.tell_all()
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def tell_all(self) -> None:
        """Tell of what is new."""
        since = self._clock.now() - _NEWS
        for release in await self._log.untold_releases(since, limit=_BATCH):
            await self._tell(release)
            await self._log.mark_told(release, self._clock.now())
