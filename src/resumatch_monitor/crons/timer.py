"""The loop that finds out which jobs did not run, or run for too long."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.crons.store import Timekeeper
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import Position

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 15.0
_LONGEST_BREATH = timedelta(seconds=90)
_OPENING = timedelta(seconds=30)


class DigestedSpool(Protocol):
    """How far the digest of what was acknowledged is."""

    @property
    def position(self) -> Position:
        """Before it, everything has been processed."""
        ...

    @property
    def end(self) -> Position:
        """Where the next record will lie."""
        ...


class CronTimer:
    """Lets time pass for jobs, as far as it is known what they said.

    What waits in the spool may be the check-in that seems to be missing: time passes only up to
    a moment when all that had come by then is digested. And of the time when the monitor itself
    was down nothing is known.
    """

    def __init__(
        self,
        *,
        keeper: Timekeeper,
        spool: DigestedSpool,
        clock: Clock,
        on_incidents: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._spool = spool
        self._clock = clock
        self._on_incidents = on_incidents
        self._waiting: tuple[datetime, Position] | None = None
        self._digested_to: datetime | None = None
        self._last: datetime | None = None

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            try:
                await self.tick()
            except StorageUnavailableError as error:
                logger.warning("What jobs missed is found out later: %s", error)
            await self._clock.sleep(_INTERVAL_SECONDS)

    async def tick(self) -> None:
        """Count what did not happen in time."""
        now = self._clock.now()
        before = self._last
        if before is None:
            before = await self._keeper.last_alive()
            # The door opens a moment after this loop.
            opened = now + _OPENING
        else:
            opened = now
        was_down = self._last is None or now - (before or now) > _LONGEST_BREATH
        has_incidents = await self._keeper.tick(
            now=now,
            digested_to=self._advance(now),
            down_to=opened if was_down and before is not None else None,
        )
        self._last = now
        if has_incidents:
            self._on_incidents()

    def _advance(self, now: datetime) -> datetime:
        """Return up to when everything that came is digested."""
        position = self._spool.position
        if self._waiting is not None and position >= self._waiting[1]:
            self._digested_to, self._waiting = self._waiting[0], None
        if self._waiting is None:
            end = self._spool.end
            if position >= end:
                self._digested_to = now
            else:
                self._waiting = (now, end)
        return self._digested_to or datetime.min.replace(tzinfo=now.tzinfo)
