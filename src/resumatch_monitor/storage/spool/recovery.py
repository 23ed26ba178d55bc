"""What a spool finds when it opens: mends what a crash left, and counts what waits."""

from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.kit.spool import Position
from resumatch_monitor.storage.spool.segments import (
    count_records,
    cut_torn_tail,
    list_segments,
    segment_path,
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What there is.

    Attributes:
        ends: The length of each segment, in order.
        pending: How many records lie at or after the position.
        next_segment: The number of the next segment. No file is ever continued: its end may hold
            what was not acknowledged.
    """

    ends: dict[int, int]
    pending: int
    next_segment: int


def recover(directory: Path, position: Position) -> Recovered:
    """Cut off a torn tail, delete what lies before `position`, and count the rest.

    Raises:
        OSError: If the directory cannot be read or changed.
    """
    ends = list_segments(directory)
    if ends:
        newest = max(ends)
        ends[newest] = cut_torn_tail(segment_path(directory, newest), ends[newest])
    for number in [each for each in ends if each < position.segment]:
        segment_path(directory, number).unlink()
        del ends[number]
    pending = sum(
        count_records(
            segment_path(directory, number),
            start=position.offset if number == position.segment else 0,
            size=size,
        )
        for number, size in ends.items()
    )
    return Recovered(ends, pending, max([1, position.segment, *(number + 1 for number in ends)]))
