"""The bounds of a spool, and what its threads share."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from resumatch_monitor.kit.spool import Position

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """The bounds of a spool.

    Attributes:
        max_bytes: How much it may hold on the disk.
        min_free_bytes: How much of the disk it leaves free.
        segment_bytes: A segment is sealed once it is this long.
        queue_max_bytes: How much may wait in memory for the disk.
    """

    max_bytes: int
    min_free_bytes: int = 0
    segment_bytes: int = 16 * _MIB
    queue_max_bytes: int = 64 * _MIB


@dataclass(slots=True)
class Append:
    """A record that waits for the writing thread."""

    payload: bytes
    size: int
    done: "asyncio.Future[None]"


@dataclass(slots=True)
class Call:
    """Something that the writing thread does between two groups."""

    run: Callable[[], None]
    done: "asyncio.Future[None]"


@dataclass(slots=True)
class State:
    """What the writer and the reader share; who reads or changes more than one number holds `lock`.

    Attributes:
        ends: The durable length of each segment that exists, in order.
        pending: How many records are durable and not yet committed.
        queued_bytes: What waits in memory.
        active: The segment that is being written; the others are sealed.
        waiter: Whom the next record wakes.
    """

    ends: dict[int, int] = field(default_factory=dict[int, int])
    pending: int = 0
    queued_bytes: int = 0
    active: int | None = None
    waiter: "asyncio.Future[None] | None" = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size_bytes(self) -> int:
        """How long the segments are together."""
        with self.lock:
            return sum(self.ends.values())

    def has_more(self, after: Position) -> bool:
        """Tell whether a record lies at or after a place; the caller holds the lock."""
        return any(
            end > (after.offset if number == after.segment else 0)
            for number, end in self.ends.items()
            if number >= after.segment
        )
