"""Which events of an issue are kept when there are more than are to be stored; pure.

Counts are kept apart and stay exact, whatever is dropped here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_LATEST_SHARE = 0.5
_INFORMATIVE_SHARE = 0.75
_ROOM_SHARE = 0.1


class KeptFor(IntEnum):
    """What an event told when it came that none before it had."""

    NOTHING = 0
    FIRST = 1
    """The issue."""
    RELEASE = 2
    """That a release has it."""
    TAG = 3
    """A value of a tag."""
    REGRESSION = 4
    """That it is back."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored event.

    Attributes:
        at: When it occurred, in milliseconds.
    """

    id: int
    at: int
    kept_for: int


def choose_surplus(events: Sequence[Candidate], limit: int) -> list[int]:
    """Return the ids of those to drop.

    A tenth less than `limit` stays, so that the next event does not ask again: the first event
    and the latest half; those that told something new, up to a quarter; and of the rest such as
    lie evenly over time.

    Args:
        events: All that are stored, oldest first.
        limit: How many may be.
    """
    if len(events) <= limit:
        return []
    target = max(1, limit - int(limit * _ROOM_SHARE))
    latest = max(1, int(target * _LATEST_SHARE))
    kept = {each.id for each in events[len(events) - latest :]}
    if target > 1:
        kept.add(events[0].id)
    rest = [each for each in events if each.id not in kept]
    room = int(target * _INFORMATIVE_SHARE) - len(kept)
    kept.update(each.id for each in _most_informative(rest, room))
    rest = [each for each in rest if each.id not in kept]
    kept.update(each.id for each in _spread(rest, target - len(kept)))
    return [each.id for each in events if each.id not in kept]


def _most_informative(events: Sequence[Candidate], room: int) -> list[Candidate]:
    """Return those that told something, releases and regressions before tags, later ones first."""
    told = [each for each in events if each.kept_for != KeptFor.NOTHING]
    told.sort(key=lambda each: (each.kept_for == KeptFor.TAG, -each.at))
    return told[: max(0, room)]


def _spread(events: Sequence[Candidate], room: int) -> list[Candidate]:
    if room <= 0 or not events:
        return []
    begin, span = events[0].at, max(1, events[-1].at - events[0].at + 1)
    by_slot = {(each.at - begin) * room // span: each for each in reversed(events)}
    kept = list(by_slot.values())
    taken = {each.id for each in kept}
    others = [each for each in reversed(events) if each.id not in taken]
    return kept + others[: room - len(kept)]
