"""How much time reading maps may take from the digestion of events."""

import threading

from resumatch_monitor.kit.clock import Clock

_MOST_SECONDS = 30.0
_SHARE = 0.25


class ReadingBudget:
    """Half a minute at first, and a quarter of the time that passes.

    Anybody can send events that name one large map after the other, and each of them may take a
    second: they must not hold up all the others.
    """

    def __init__(
        self, clock: Clock, *, most_seconds: float = _MOST_SECONDS, share: float = _SHARE
    ) -> None:
        self._clock = clock
        self._most_seconds = most_seconds
        self._share = share
        self._lock = threading.Lock()
        self._left_seconds = most_seconds
        self._seen = clock.monotonic()

    def is_spent(self) -> bool:
        """Tell whether there is nothing left at the moment."""
        with self._lock:
            now = self._clock.monotonic()
            gained = (now - self._seen) * self._share
            self._left_seconds = min(self._most_seconds, self._left_seconds + gained)
            self._seen = now
            return self._left_seconds <= 0

    def spend(self, seconds: float) -> None:
        """Take what reading has taken."""
        with self._lock:
            self._left_seconds -= seconds
