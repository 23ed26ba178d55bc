"""Live tails: records that match are shown to whoever watches, as they are indexed."""

import asyncio
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from resumatch_monitor.logs.query.matching import Predicate
from resumatch_monitor.logs.record import LogRecord

MAX_TAILS = 20
_WAITING_MAX = 20_000
_AT_ONCE = 500
_QUEUE_MAX = 500


class TooManyTailsError(Exception):
    """Nobody else can watch at the moment."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to show.

    Attributes:
        records: In the order of their arrival.
        skipped: How many came before them that match and that the watcher was too slow for.
        unexamined: How many came before them of which nobody knows whether they match, so many
            there were.
        is_over: Whether nothing will follow.
    """

    records: tuple[LogRecord, ...] = ()
    skipped: int = 0
    unexamined: int = 0
    is_over: bool = False


@dataclass(slots=True)
class TailSubscription:
    """One watcher's bounded queue; the oldest records make room for later ones."""

    predicate: Predicate
    limit: int = _QUEUE_MAX
    _records: deque[LogRecord] = field(default_factory=deque[LogRecord])
    _skipped: int = 0
    _unexamined: int = 0
    _is_over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> Sight:
        """Return what has come since the last time, waiting until there is something."""
        await self._news.wait()
        sight = Sight(tuple(self._records), self._skipped, self._unexamined, self._is_over)
        self._records.clear()
        self._skipped = self._unexamined = 0
        if not self._is_over:
            self._news.clear()
        return sight

    def add(self, records: Sequence[LogRecord]) -> None:
        """Show `records`, which match, leaving out the oldest if there are too many."""
        if not records:
            return
        self._records.extend(records)
        while len(self._records) > self.limit:
            self._records.popleft()
            self._skipped += 1
        self._news.set()

    def miss(self, count: int) -> None:
        """Say that `count` records were not looked at."""
        self._unexamined += count
        self._news.set()

    def end(self) -> None:
        """Show what there is and nothing more."""
        self._is_over = True
        self._news.set()


class LogTail:
    """Hands records to watchers; whoever stores records is never kept waiting."""

    def __init__(self, *, max_tails: int = MAX_TAILS, waiting_max: int = _WAITING_MAX) -> None:
        """Begin without watchers.

        Args:
            max_tails: How many may watch.
            waiting_max: How many records may wait to be looked at.
        """
        self._max_tails = max_tails
        self._waiting_max = waiting_max
        self._subscriptions: list[TailSubscription] = []
        self._waiting: deque[LogRecord] = deque()
        self._news = asyncio.Event()
        self._is_over = False

    @property
    def waiting(self) -> int:
        """How many records wait to be looked at."""
        return len(self._waiting)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._subscriptions)

    @contextmanager
    def watch(self, predicate: Predicate) -> Generator[TailSubscription]:
        """Subscribe to records that match, until the context ends.

        Raises:
            TooManyTailsError: If there are too many watchers, or the monitor is stopping.
        """
        if self._is_over or len(self._subscriptions) >= self._max_tails:
            raise TooManyTailsError(f"{self._max_tails} live tails are open, which is all there is")
        subscription = TailSubscription(predicate)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            if not self._subscriptions:
                self._waiting.clear()

    def publish(self, records: Sequence[LogRecord]) -> None:
        """Take records that have just been stored; returns at once."""
        if not self._subscriptions:
            return
        # What is dropped was the oldest: whoever watches wants to see the present.
        self._waiting.extend(records)
        excess = len(self._waiting) - self._waiting_max
        if excess > 0:
            for _ in range(excess):
                self._waiting.popleft()
            for each in self._subscriptions:
                each.miss(excess)
        self._news.set()

    async def run(self) -> None:
        """Look at what is published until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self.look()

    async def look(self) -> None:
        """Look at the oldest records that wait, a bounded number, in a thread of their own."""
        size = min(_AT_ONCE, len(self._waiting))
        records = [self._waiting.popleft() for _ in range(size)]
        subscriptions = list(self._subscriptions)
        matching = await asyncio.to_thread(_match, records, subscriptions)
        for subscription, matched in zip(subscriptions, matching, strict=True):
            subscription.add(matched)

    def close(self) -> None:
        """End all tails; there will be no others."""
        self._is_over = True
        for each in self._subscriptions:
            each.end()


def _match(
    records: Sequence[LogRecord], subscriptions: Sequence[TailSubscription]
) -> list[list[LogRecord]]:
    return [
        [record for record in records if subscription.predicate(record)]
        for subscription in subscriptions
    ]
