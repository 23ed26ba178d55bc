"""How many series a target may begin over time."""

import math

_DAY_SECONDS = 86_400.0


class ChurnAllowance:
    """Fills up over a day and is used up by series that begin.

    A target that changes a label on every scrape has few series at any moment and yet makes ever
    more of them; this bounds how many.
    """

    def __init__(self, per_day: int, *, now_seconds: float) -> None:
        self._per_day = per_day
        # As much as there may be, which the number of its series says.
        self._left = math.inf
        self._at_seconds = now_seconds

    def has_room_for(self, count: int, live: int, *, now_seconds: float) -> bool:
        """Tell whether so many series may begin; a target that has many may renew all of them.

        Args:
            count: How many begin.
            live: How many the target has.
            now_seconds: On the monotonic clock.
        """
        most = max(self._per_day, 2 * live)
        passed = max(0.0, now_seconds - self._at_seconds)
        self._left = min(most, self._left + passed * most / _DAY_SECONDS)
        self._at_seconds = now_seconds
        return count <= self._left

    def use(self, count: int) -> None:
        """Take note that so many series began."""
        self._left -= count
