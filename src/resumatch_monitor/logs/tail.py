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
_WAITING_MAX_CHARACTERS = 32 * 1024 * 1024
_QUEUE_MAX_CHARACTERS = 4 * 1024 * 1024
_RECORD_CHARACTERS = 500
"""What a record takes beside its texts."""


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
class _Bounded:
    """The latest records, neither too many nor too long."""

    most: int
    most_characters: int
    records: deque[tuple[LogRecord, int]] = field(default_factory=deque[tuple[LogRecord, int]])
    characters: int = 0

    def add(self, records: Sequence[LogRecord]) -> int:
        """Take `records`; return how many of the oldest had to go."""
        dropped = 0
        for record in records:
            size = _measure(record)
            self.records.append((record, size))
            self.characters += size
        while len(self.records) > self.most or (
            self.characters > self.most_characters and len(self.records) > 1
        ):
            self.take(1)
            dropped += 1
        return dropped

    def take(self, count: int) -> list[LogRecord]:
        """Return the oldest and forget them."""
        taken: list[LogRecord] = []
        while self.records and len(taken) < count:
            record, size = self.records.popleft()
            self.characters -= size
            taken.append(record)
        return taken


def _measure(record: LogRecord) -> int:
    texts = (value for value in record.attributes.values() if isinstance(value, str))
    return _RECORD_CHARACTERS + len(record.body) + sum(map(len, texts))


@dataclass(slots=True)
class TailSubscription:
    """One watcher's bounded queue; the oldest records make room for later ones."""

    predicate: Predicate
    _queue: _Bounded = field(default_factory=lambda: _Bounded(_QUEUE_MAX, _QUEUE_MAX_CHARACTERS))
    _skipped: int = 0
    _unexamined: int = 0
    _is_over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> Sight:
        """Return what has come since the last time, waiting until there is something."""
        await self._news.wait()
        records = tuple(self._queue.take(_QUEUE_MAX))
        sight = Sight(records, self._skipped, self._unexamined, self._is_over)
        self._skipped = self._unexamined = 0
        if not self._is_over:
            self._news.clear()
        return sight

    def add(self, records: Sequence[LogRecord]) -> None:
        """Show `records`, which match, leaving out the oldest if there are too many."""
        if records:
            self._skipped += self._queue.add(records)
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
        self._subscriptions: list[TailSubscription] = []
        self._waiting = _Bounded(waiting_max, _WAITING_MAX_CHARACTERS)
        self._news = asyncio.Event()
        self._is_over = False

    @property
    def waiting(self) -> int:
        """How many records wait to be looked at."""
        return len(self._waiting.records)

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
                self._waiting.take(self.waiting)

    def publish(self, records: Sequence[LogRecord]) -> None:
        """Take records that have just been stored; returns at once."""
        if not self._subscriptions:
            return
        # What is dropped was the oldest: whoever watches wants to see the present.
        dropped = self._waiting.add(records)
        if dropped:
            for each in self._subscriptions:
                each.miss(dropped)
        self._news.set()

    async def run(self) -> None:
        """Look at what is published until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self.waiting:
                await self.look()

    async def look(self) -> None:
        """Look at the oldest records that wait, a bounded number, in a thread of their own."""
        records = self._waiting.take(_AT_ONCE)
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
