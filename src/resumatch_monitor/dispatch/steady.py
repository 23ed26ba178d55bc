"""Wall time that does not jump while the process lives."""

from datetime import datetime, timedelta

from resumatch_monitor.kit.clock import Clock


class SteadyTime:
    """The wall time of the start plus what the monotonic clock has counted since.

    Timers that outlive the process need wall time, and the wall clock may be corrected by hours;
    a timer that hangs in the future then would keep an alert from people.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now()
        self._monotonic = clock.monotonic()

    def now(self) -> datetime:
        """Return the time."""
        return self._wall + timedelta(seconds=self._clock.monotonic() - self._monotonic)
