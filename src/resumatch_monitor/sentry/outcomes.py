"""What became of everything that was sent, by project, category, reason and hour."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sentry.categories import Category

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 5.0
_ROWS_MAX = 50_000


class Outcome(StrEnum):
    """What may become of something, in Sentry's words."""

    ACCEPTED = "accepted"
    FILTERED = "filtered"
    RATE_LIMITED = "rate_limited"
    INVALID = "invalid"
    CLIENT_DISCARD = "client_discard"


@dataclass(frozen=True, slots=True)
class Tally:
    """So much of a project's data of a category had an outcome in an hour.

    Attributes:
        hour: Its beginning.
        reason: Empty of what was accepted.
    """

    project_id: int
    hour: datetime
    category: Category
    outcome: Outcome
    reason: str
    quantity: int


class OutcomeStore(Protocol):
    """Keeps tallies."""

    async def add(self, tallies: Sequence[Tally]) -> None:
        """Add to what is kept.

        Raises:
            StorageUnavailableError: If nothing can be written at the moment.
        """
        ...

    async def read_accepted(self, since: datetime) -> Sequence[Tally]:
        """Return what was accepted, of all projects, in hours that began at or after `since`."""
        ...


class OutcomeLedger:
    """Gathers outcomes in memory and brings them to the store every few seconds.

    They are statistics: a process that is killed forgets those of its last seconds.
    """

    def __init__(self, store: OutcomeStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: Counter[tuple[int, datetime, Category, Outcome, str]] = Counter()
        self._flushing = asyncio.Lock()

    def count(
        self,
        project_id: int,
        category: Category,
        outcome: Outcome,
        reason: str = "",
        quantity: int = 1,
    ) -> None:
        """Count `quantity` for the hour that it is."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        key = (project_id, hour, category, outcome, reason)
        if key in self._waiting or len(self._waiting) < _ROWS_MAX:
            self._waiting[key] += quantity

    async def run(self) -> None:
        """Flush every few seconds, until cancelled."""
        while True:
            await self._clock.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Bring what waits to the store; what it does not take goes on waiting."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, Counter()
            if not waiting:
                return
            try:
                await self._store.add(_to_tallies(waiting))
            except StorageUnavailableError as error:
                logger.warning("What became of items is written down later: %s", error)
                self._waiting.update(waiting)


def _to_tallies(
    waiting: Mapping[tuple[int, datetime, Category, Outcome, str], int],
) -> list[Tally]:
    return [Tally(*key, quantity) for key, quantity in waiting.items()]
