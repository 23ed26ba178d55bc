"""Limits how often somebody may try to sign in."""

from collections import OrderedDict, deque

_LARGEST_TABLE_KEYS = 10_000


class Throttle:
    """Counts failures by key in a sliding window, for a bounded number of keys."""

    def __init__(self, *, failures: int, window_seconds: float) -> None:
        self._failures = failures
        self._window_seconds = window_seconds
        self._failed_at: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, key: str, now: float) -> float:
        """Return how long `key` has to wait before the next try, 0 if it need not."""
        times = self._recent(key, now)
        if len(times) < self._failures:
            return 0.0
        return times[0] + self._window_seconds - now

    def record_failure(self, key: str, now: float) -> None:
        """Count a failure of `key` at the monotonic time `now`."""
        times = self._recent(key, now)
        times.append(now)
        self._failed_at[key] = times
        self._failed_at.move_to_end(key)
        while len(self._failed_at) > _LARGEST_TABLE_KEYS:
            self._failed_at.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget the failures of `key`, after a success."""
        self._failed_at.pop(key, None)

    def _recent(self, key: str, now: float) -> deque[float]:
        times = self._failed_at.get(key, deque[float](maxlen=self._failures))
        while times and times[0] <= now - self._window_seconds:
            times.popleft()
        return times
