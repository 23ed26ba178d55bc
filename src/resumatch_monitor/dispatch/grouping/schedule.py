"""Which groups are due, in order: a heap of moments."""

import heapq
from collections.abc import Callable
from datetime import datetime

from resumatch_monitor.dispatch.routing.route import GroupId


class Schedule:
    """Moments by group; putting a group again moves it."""

    def __init__(self) -> None:
        # An entry whose moment is not the one in `_queued` is out of date.
        self._heap: list[tuple[datetime, str, str]] = []
        self._queued: dict[GroupId, datetime] = {}

    def put(self, group_id: GroupId, due_at: datetime | None) -> None:
        """Move a group to `due_at`; None takes it out."""
        if due_at is None:
            self._queued.pop(group_id, None)
        elif self._queued.get(group_id) != due_at:
            self._queued[group_id] = due_at
            heapq.heappush(self._heap, (due_at, group_id.receiver, group_id.key))

    def clear(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._queued.clear()

    @property
    def next_at(self) -> datetime | None:
        """When the first group is due, or earlier."""
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime, due_at: Callable[[GroupId], datetime | None]) -> list[GroupId]:
        """Return the groups that are due; they stay until they are put anew.

        Args:
            now: The time.
            due_at: When a group is really due: it may have become so later than it was put for.
        """
        taken: dict[GroupId, tuple[datetime, str, str]] = {}
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            group_id = GroupId(entry[1], entry[2])
            if group_id in taken or self._queued.get(group_id) != entry[0]:
                continue
            really = due_at(group_id)
            if really is None or really > now:
                self._queued.pop(group_id, None)
                self.put(group_id, really)
                continue
            taken[group_id] = entry
        for entry in taken.values():
            heapq.heappush(self._heap, entry)
        return list(taken)
