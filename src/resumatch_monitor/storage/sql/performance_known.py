"""What batches of segments find out about the tables, kept between them."""

from collections import OrderedDict
from datetime import datetime

from sqlalchemy import Connection, select

from resumatch_monitor.storage.sql.tables.performance import PERFORMANCE_EXAMPLES

EXAMPLES_PER_HOUR = 5
_PLACES = 20_000
_OWNERS = 20_000


class Slowest:
    """The durations that are kept of one hour."""

    __slots__ = ("_durations",)

    def __init__(self, durations: list[int]) -> None:
        """Begin with what is stored, the longest first."""
        self._durations = durations

    def takes(self, duration_us: int) -> bool:
        """Tell whether a duration is among the longest."""
        return len(self._durations) < EXAMPLES_PER_HOUR or duration_us > self._durations[-1]

    def add(self, duration_us: int) -> int | None:
        """Take a duration; return the shortest that stays if another one goes for it."""
        self._durations.append(duration_us)
        self._durations.sort(reverse=True)
        if len(self._durations) <= EXAMPLES_PER_HOUR:
            return None
        del self._durations[EXAMPLES_PER_HOUR:]
        return self._durations[-1]


class Known:
    """Numbers of endpoints and statements, and the slowest of hours; bounded.

    Attributes:
        owners: The numbers with the moments up to which the rows say that they were seen.
    """

    def __init__(self) -> None:
        self.owners: OrderedDict[tuple[object, ...], tuple[int, datetime]] = OrderedDict()
        self._places: OrderedDict[tuple[str, int, datetime], Slowest] = OrderedDict()

    def forget(self) -> None:
        """Forget everything, after a batch that was not stored or rows that were dropped."""
        self.owners.clear()
        self._places.clear()

    def remember_owner(self, key: tuple[object, ...], number: int, seen_at: datetime) -> None:
        """Remember the number of an endpoint or statement."""
        self.owners[key] = (number, seen_at)
        if len(self.owners) > _OWNERS:
            self.owners.popitem(last=False)

    def slowest(self, connection: Connection, place: tuple[str, int, datetime]) -> Slowest:
        """Return the durations that are kept of an hour of somebody's."""
        found = self._places.get(place)
        if found is None:
            table = PERFORMANCE_EXAMPLES.c
            owner, owner_id, hour = place
            stored = connection.scalars(
                select(table.duration_us)
                .where(table.owner == owner, table.owner_id == owner_id, table.hour == hour)
                .order_by(table.duration_us.desc())
                .limit(EXAMPLES_PER_HOUR)
            )
            found = self._places[place] = Slowest(list(stored))
            if len(self._places) > _PLACES:
                self._places.popitem(last=False)
        return found
