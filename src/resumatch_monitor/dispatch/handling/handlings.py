"""What people do about alerts: each change is durable before it is answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.dispatch.handling.actions import Action, ActionKind, Actor
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.kit.clock import Clock

logger = logging.getLogger(__name__)

MOST_REQUESTS = 1000
"""Things that can be done in one transaction."""

_FINISH_SECONDS = 60.0

DEFAULT_CLOSING = timedelta(hours=1)
"""For how long what a person resolved is not heard of, if the condition holds on and on."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something that somebody wants to be done.

    Attributes:
        starts_at: Which occurrence; None for the latest.
        origin: The `dedup_key` of the incident elsewhere that it comes from, which knows it.
    """

    fingerprint: str
    action: Action
    actor: Actor
    starts_at: datetime | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request.

    Attributes:
        handling: None if it was refused.
        is_changed: Whether it was not so already.
        code: Why it was refused, for programs: `not_found`, or as `carry_out` says; else empty.
        is_over: The occurrence has ended.
    """

    fingerprint: str
    handling: Handling | None = None
    is_changed: bool = False
    code: str = ""
    message: str = ""
    is_over: bool = False


class HandlingStore(Protocol):
    """Keeps what people made of alerts, and the journal."""

    async def load(self) -> list[Handling]:
        """Return what people made of the occurrences that are not over."""
        ...

    async def change(
        self, requests: Sequence[Request], *, at: datetime, once: str = ""
    ) -> list[Result]:
        """Carry out `requests` in order, all in one transaction; return a result each.

        Args:
            requests: What is to be done.
            at: When.
            once: Names what they come from: what has come before is not carried out again, and
                nothing is returned.
        """
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete at most `limit` things about occurrences that are gone; return how many."""
        ...


Closer = Callable[[Sequence[OccurrenceId], str, datetime], Awaitable[object]]
"""Ends occurrences in the name of somebody, deaf to their stretches until then."""


class Handlings:
    """The `HandlingSource` of the process, and the way to change what it says."""

    def __init__(
        self,
        *,
        store: HandlingStore,
        clock: Clock,
        on_change: Callable[[], object] = lambda: None,
        close: Closer | None = None,
        closing: timedelta = DEFAULT_CLOSING,
    ) -> None:
        """Build it; `load` comes before anything else.

        Args:
            store: Where it is kept.
            clock: Tells when.
            on_change: Called after what holds alerts back has changed.
            close: Ends an occurrence that a person resolved.
            closing: For how long that is not heard of if its condition just goes on.
        """
        self._store = store
        self._clock = clock
        self._on_change = on_change
        self._close = close
        self._closing = closing
        self._known: dict[OccurrenceId, Handling] = {}
        # Memory follows the store in the order of the transactions.
        self._lock = asyncio.Lock()

    def find(self, occurrence_id: OccurrenceId) -> Handling | None:
        """Return what people made of an occurrence that is not over; None if nothing."""
        return self._known.get(occurrence_id)

    async def load(self) -> None:
        """Recall everything about occurrences that are not over."""
        async with self._lock:
            self._known = {each.occurrence_id: each for each in await self._store.load()}

    async def finish(self) -> None:
        """End what a person resolved and a failure, or a sudden end of the process, left as it was.

        Call it once the dispatcher is loaded.
        """
        unfinished = [each for each in self._known.values() if each.resolved_at is not None]
        for handling in unfinished:
            assert handling.resolved_at is not None
            until = handling.resolved_until or handling.resolved_at + self._closing
            await self._end([handling.occurrence_id], handling.resolved_by, until)
        if unfinished:
            self._on_change()

    async def run(self) -> None:
        """Finish what was left unfinished, once a minute, for ever."""
        while True:
            await self._clock.sleep(_FINISH_SECONDS)
            try:
                await self.finish()
            except Exception:
                logger.exception("What people resolved could not be ended; it is tried again")

    async def act(self, requests: Sequence[Request], *, once: str = "") -> list[Result]:
        """Do what is requested; when this returns, it is durable.

        Args:
            requests: At most `MOST_REQUESTS`.
            once: Names what they come from, if it may come twice and must be heard once.

        Returns:
            A result for each request, in order; none if it came before.
        """
        assert len(requests) <= MOST_REQUESTS
        async with self._lock:
            now = self._clock.now()
            results = await self._store.change(requests, at=now, once=once)
            for result in results:
                handling = result.handling
                if handling is not None and result.is_changed and not result.is_over:
                    self._known[handling.occurrence_id] = handling
        try:
            await self._end_resolved(requests, results, now + self._closing)
        finally:
            # What was changed is changed, also if something of it cannot be ended for now.
            if any(result.is_changed for result in results):
                self._on_change()
        return results

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Forget what is old, and in memory what is over."""
        count = await self._store.prune(before, limit=limit)
        if count < limit:
            await self.load()
        return count

    async def _end_resolved(
        self, requests: Sequence[Request], results: Sequence[Result], default: datetime
    ) -> None:
        """End what was to be resolved, also what was so already: it may not have come so far."""
        ending: dict[tuple[str, datetime], list[OccurrenceId]] = {}
        for request, result in zip(requests, results, strict=False):
            if request.action.kind is ActionKind.RESOLVE and result.handling is not None:
                handling = result.handling
                until = request.action.until or handling.resolved_until or default
                key = (handling.resolved_by, until)
                ending.setdefault(key, []).append(handling.occurrence_id)
        for (by, until), occurrence_ids in ending.items():
            await self._end(occurrence_ids, by, until)

    async def _end(self, occurrence_ids: Sequence[OccurrenceId], by: str, until: datetime) -> None:
        if self._close is not None:
            await self._close(occurrence_ids, by, until)
            for occurrence_id in occurrence_ids:
                self._known.pop(occurrence_id, None)
