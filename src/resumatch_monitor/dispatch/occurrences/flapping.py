"""Alerts that begin and end all the time: noticed, said once, then held back until they are quiet.

Held back is only what changes after people were told that an alert flaps. Nothing that they have
not been told at all is ever held back for this reason, so a critical alert's first firing never is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.kit.durations import format_duration

_MOST_COUNTED = 200
_FORGET_AFTER_PUTS = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """An alert began to fire, or ended."""

    fingerprint: str
    at: datetime
    is_firing: bool


@dataclass(frozen=True, slots=True)
class Flap:
    """An alert that flaps.

    Attributes:
        until: When it is quiet unless it changes again.
        text: For people.
    """

    until: datetime
    text: str


@dataclass(slots=True)
class _History:
    is_firing: bool = False
    is_flapping: bool = False
    # Not a deque: of ten thousand alerts nearly all change once, and an empty deque is large.
    times: list[datetime] = field(default_factory=list[datetime])


class Flapping:
    """Counts the changes of alerts.

    An alert flaps from its `changes`th change within `window` until there was none for half of
    `window`; then it is counted anew.
    """

    def __init__(self, *, window: timedelta, changes: int) -> None:
        self._window = window
        self._changes = changes
        self._quiet = window / 2
        self._histories: dict[str, _History] = {}
        self._put_count = 0

    @property
    def size(self) -> int:
        """How many alerts are remembered."""
        return len(self._histories)

    @property
    def horizon(self) -> timedelta:
        """How far back changes matter."""
        return 2 * self._window

    def restore(self, changes: Iterable[Change], now: datetime) -> None:
        """Count anew what was counted before a restart; `changes` may come in any order."""
        self._histories.clear()
        for change in sorted(changes, key=lambda each: each.at):
            # A clock that was set back must not make that an alert flaps until then.
            self._note(change.fingerprint, change.is_firing, min(change.at, now))

    def observe(self, occurrences: Sequence[Occurrence], now: datetime) -> None:
        """Take in the latest states of some alerts, in order."""
        if not self._changes:
            return
        for occurrence in occurrences:
            if not occurrence.alert.is_event:
                self._note(occurrence.alert.fingerprint, occurrence.is_firing, now)
        self._put_count += 1
        if self._put_count >= _FORGET_AFTER_PUTS:
            self._put_count = 0
            self._forget(now)

    def find(self, fingerprint: str, now: datetime) -> Flap | None:
        """Return how an alert flaps at `now`; None if it does not."""
        history = self._histories.get(fingerprint)
        if history is None or not history.is_flapping:
            return None
        until = history.times[-1] + self._quiet
        if until <= now:
            return None
        count = sum(now - self._window < moment for moment in history.times)
        return Flap(
            until,
            f"flaps: {count} changes in {format_duration(self._window)}; further changes are held"
            f" back until it is quiet for {format_duration(self._quiet)}",
        )

    def _note(self, fingerprint: str, is_firing: bool, at: datetime) -> None:
        history = self._histories.get(fingerprint)
        if history is None:
            history = self._histories[fingerprint] = _History()
        if history.is_firing == is_firing:
            return
        history.is_firing = is_firing
        times = history.times
        if history.is_flapping and at - times[-1] >= self._quiet:
            history.is_flapping = False
            times.clear()
        # A clock that was set back must not make changes of the future.
        times.append(max(at, times[-1]) if times else at)
        old = times[-1] - self._window
        if times[0] <= old or len(times) > _MOST_COUNTED:
            times[:] = [each for each in times[-_MOST_COUNTED:] if each > old]
        if self._changes and len(times) >= self._changes:
            history.is_flapping = True

    def _forget(self, now: datetime) -> None:
        old = now - self._window
        self._histories = {
            fingerprint: history
            for fingerprint, history in self._histories.items()
            if history.is_firing or (history.times and history.times[-1] > old)
        }
