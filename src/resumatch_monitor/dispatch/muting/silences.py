"""Silences: what people do not want to hear of for a while, as Alertmanager keeps them."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from prometheus_client import Gauge

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.matchers import render_matchers
from resumatch_monitor.dispatch.muting.mute import Mute
from resumatch_monitor.dispatch.muting.silence import (
    InvalidSilenceError,
    Silence,
    SilenceDraft,
    SilenceNotFoundError,
    SilenceState,
    check_draft,
    to_mute,
)
from resumatch_monitor.dispatch.muting.silence_index import SilenceIndex
from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock, from_milliseconds, isoformat, to_milliseconds
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.wording import one_line

logger = logging.getLogger(__name__)

MOST_SILENCES = 1000
"""Active and pending ones."""

_MOST_KEPT = 10_000
_KEPT_FOR = timedelta(days=5)
_LONGEST_PAUSE_SECONDS = 60.0
_YIELD_AFTER = 200


class SilenceStore(Protocol):
    """Keeps silences."""

    async def load(self, *, ended_after: datetime) -> list[Silence]:
        """Return all that have not ended, or have ended since then."""
        ...

    async def save(self, silences: Sequence[Silence]) -> None:
        """Store new and changed ones, all or none."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Delete some."""
        ...


class Silences:
    """All silences, in memory; the `Muter` of alerts that one of them matches.

    They begin and end by the wall clock, in whose terms people set them.
    """

    def __init__(
        self,
        *,
        store: SilenceStore,
        on_change: Callable[[], None],
        clock: Clock,
        ids: Ids,
        telemetry: Telemetry,
    ) -> None:
        """Read nothing yet: `load` does.

        Args:
            store: Where they are kept.
            on_change: Called when an alert may have become silent, or may be heard again.
            clock: What they begin and end by.
            ids: Where their ids come from.
            telemetry: Gets their numbers.
        """
        self._store = store
        self._on_change = on_change
        self._clock = clock
        self._ids = ids
        self._silences: dict[str, Silence] = {}
        self._index = SilenceIndex()
        self._seen_at = clock.now()
        self._lock = asyncio.Lock()
        self._signal = asyncio.Event()
        gauge = Gauge(
            "resumatch_monitor_silences",
            "Silences by state.",
            ["state"],
            registry=telemetry.registry,
        )
        for state in SilenceState:
            gauge.labels(state.value).set_function(lambda state=state: self._count(state))

    async def load(self) -> None:
        """Read them from the store."""
        async with self._lock:
            now = self._clock.now()
            found = await self._store.load(ended_after=now - _KEPT_FOR)
            self._silences = {each.id: each for each in found}
            self._build_index()
            self._seen_at = now

    async def run(self) -> None:
        """Say when silences begin and end, and forget old ones, for ever."""
        while True:
            next_at = await self.tick()
            pause_seconds = _LONGEST_PAUSE_SECONDS
            if next_at is not None:
                pause_seconds = (next_at - self._clock.now()).total_seconds()
            await wait_for_signal(
                self._signal, seconds=min(pause_seconds, _LONGEST_PAUSE_SECONDS), clock=self._clock
            )

    async def tick(self) -> datetime | None:
        """Do what is due; return when a silence begins or ends next."""
        now, seen_at = self._clock.now(), self._seen_at
        self._seen_at = now
        moments = [each for one in self._silences.values() for each in (one.starts_at, one.ends_at)]
        if now < seen_at or any(seen_at < moment <= now for moment in moments):
            self._build_index()
            self._on_change()
        await self._prune(now)
        return min((moment for moment in moments if moment > now), default=None)

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the silence that holds `alert` back longest."""
        found = self.silences_of(alert.labels)
        return to_mute(found[0]) if found else None

    def silences_of(self, labels: Labels) -> list[Silence]:
        """Return the active silences that match `labels`, the one that ends last first."""
        matching = self._index.matching(labels)
        if not matching:
            return []
        now = self._clock.now()
        found = [each for each in matching if each.starts_at <= now < each.ends_at]
        found.sort(key=lambda each: each.ends_at, reverse=True)
        return found

    def list_silences(self) -> list[Silence]:
        """Return the active ones by their end, the pending ones by their start, then expired."""
        now = self._clock.now()
        by_state: dict[SilenceState, list[Silence]] = {state: [] for state in SilenceState}
        for each in self._silences.values():
            by_state[each.state(now)].append(each)
        by_state[SilenceState.ACTIVE].sort(key=lambda each: (each.ends_at, each.id))
        by_state[SilenceState.PENDING].sort(key=lambda each: (each.starts_at, each.id))
        by_state[SilenceState.EXPIRED].sort(key=lambda each: (each.ends_at, each.id), reverse=True)
        return [each for state in SilenceState for each in by_state[state]]

    def get(self, silence_id: str) -> Silence:
        """Return one.

        Raises:
            SilenceNotFoundError: If there is none.
        """
        silence = self._silences.get(silence_id)
        if silence is None:
            raise SilenceNotFoundError(f"there is no silence {silence_id!r}")
        return silence

    async def count_matching(self, alerts: Iterable[Alert]) -> Counter[str]:
        """Return how many of `alerts` each silence that is not over matches, by the silence's id.

        Thousands of alerts are looked at in parts, so that others get their turn.
        """
        counts: Counter[str] = Counter()
        for number, alert in enumerate(list(alerts), start=1):
            if number % _YIELD_AFTER == 0:
                await asyncio.sleep(0)
            counts.update(each.id for each in self._index.matching(alert.labels))
        return counts

    async def set(self, draft: SilenceDraft) -> Silence:
        """Make or change a silence; durable when this returns.

        As in Alertmanager, what has happened stays true: where a change would falsify it, the old
        silence ends and another one with an id of its own begins.

        Raises:
            InvalidSilenceError: If it cannot be as asked for.
            SilenceNotFoundError: If the draft names a silence that is not there.
        """
        async with self._lock:
            now = _cut(self._clock.now())
            draft = replace(draft, starts_at=_cut(draft.starts_at), ends_at=_cut(draft.ends_at))
            check_draft(draft, now)
            previous = self.get(draft.id) if draft.id else None
            if previous is not None and _can_become(previous, draft, now):
                silence = replace(
                    previous,
                    starts_at=draft.starts_at,
                    ends_at=draft.ends_at,
                    created_by=draft.created_by,
                    comment=draft.comment,
                    updated_at=now,
                    warned_at=previous.warned_at if previous.ends_at == draft.ends_at else None,
                )
                await self._save([silence])
            else:
                silence = self._begin(draft, now)
                ended = [] if previous is None else _end(previous, now, draft.created_by)
                await self._save([*ended, silence])
            _log(draft.created_by, f"silences until {isoformat(silence.ends_at)}", silence)
            return silence

    async def expire(self, silence_id: str, *, by: str = "somebody") -> Silence:
        """End a silence now, in the name of a person; one that has ended stays as it is.

        Raises:
            SilenceNotFoundError: If there is none.
        """
        async with self._lock:
            ended = _end(self.get(silence_id), _cut(self._clock.now()), by)
            if ended:
                await self._save(ended)
                _log(by, "ended the silence", ended[0])
            return self.get(silence_id)

    async def note_warned(self, silence: Silence, at: datetime) -> None:
        """Remember, in memory, that people were told that `silence` ends soon."""
        async with self._lock:
            current = self._silences.get(silence.id)
            if current is not None and current.ends_at == silence.ends_at:
                self._silences[silence.id] = replace(current, warned_at=at)

    def _begin(self, draft: SilenceDraft, now: datetime) -> Silence:
        waiting = self._count(SilenceState.ACTIVE) + self._count(SilenceState.PENDING)
        if waiting >= MOST_SILENCES:
            raise InvalidSilenceError(f"there are {waiting} silences, no more are possible")
        return Silence(
            id=str(UUID(self._ids.uuid())),
            matchers=draft.matchers,
            starts_at=max(draft.starts_at, now),
            ends_at=draft.ends_at,
            created_by=draft.created_by,
            comment=draft.comment,
            created_at=now,
            updated_at=now,
        )

    async def _save(self, silences: Sequence[Silence]) -> None:
        await self._store.save(silences)
        self._silences.update((each.id, each) for each in silences)
        self._build_index()
        self._on_change()
        self._signal.set()

    async def _prune(self, now: datetime) -> None:
        ended = sorted(
            (each for each in self._silences.values() if each.ends_at <= now),
            key=lambda each: each.ends_at,
        )
        surplus = max(len(self._silences) - _MOST_KEPT, 0)
        # What is merely old stays in the store for a while: an alert's page tells of it.
        old = [each.id for each in ended if each.ends_at + _KEPT_FOR <= now]
        too_many = [each.id for each in ended[:surplus]]
        if not old and not too_many:
            return
        async with self._lock:
            if too_many:
                await self._store.remove(too_many)
            for each in (*old, *too_many):
                self._silences.pop(each, None)

    def _build_index(self) -> None:
        self._index.build(self._silences.values(), self._clock.now())

    def _count(self, state: SilenceState) -> int:
        now = self._clock.now()
        return sum(each.state(now) is state for each in self._silences.values())


def _can_become(silence: Silence, draft: SilenceDraft, now: datetime) -> bool:
    """Tell whether `silence` may take the draft's form without changing what it held back."""
    if sorted(map(repr, silence.matchers)) != sorted(map(repr, draft.matchers)):
        return False
    match silence.state(now):
        case SilenceState.ACTIVE:
            # Clients may have lost what is less than a second.
            return int(silence.starts_at.timestamp()) == int(draft.starts_at.timestamp())
        case SilenceState.PENDING:
            return draft.starts_at >= now
        case SilenceState.EXPIRED:
            return False


def _end(silence: Silence, now: datetime, by: str) -> list[Silence]:
    """Return `silence` with its end at `now`, by somebody; nothing if it has ended."""
    if silence.state(now) is SilenceState.EXPIRED:
        return []
    starts_at = min(silence.starts_at, now)
    return [replace(silence, starts_at=starts_at, ends_at=now, updated_at=now, ended_by=by)]


def _cut(moment: datetime) -> datetime:
    """Cut a time to what the store keeps."""
    return from_milliseconds(to_milliseconds(moment))


def _log(who: str, did: str, silence: Silence) -> None:
    # Names and values come from outside, and a line of the log is one line.
    what = one_line(f"{who} {did}: {render_matchers(silence.matchers)}")
    logger.info("%s (%s)", what, silence.id)
