"""Wall time that does not jump while the process lives."""

from datetime import datetime, timedelta

from resumatch_monitor.kit.clock import Clock


class SteadyTime:
    """The wall time of the start plus what the monotonic clock has counted since.

    Timers count in it: the wall clock may be corrected by hours, or run on while the machine
    sleeps, and a timer that hangs in the future then would keep an alert from people. It is not
    for what people and sources of alerts say in terms of the wall clock, and not for what is
    stored: after a restart, wall time is all that anybody still knows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now()
        self._monotonic = clock.monotonic()

    def now(self) -> datetime:
        """Return the time."""
        return self._wall + timedelta(seconds=self._clock.monotonic() - self._monotonic)

    def to_wall(self, moment: datetime) -> datetime:
        """Return what a clock on the wall shows at `moment`, unless it jumps before that."""
        return moment + (self._clock.now() - self.now())
