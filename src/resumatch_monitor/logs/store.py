"""What logs ask of whoever keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import Position
from resumatch_monitor.logs.query.tree import Everything, Node
from resumatch_monitor.logs.record import LogRecord

FOREVER_US = 2**62


class LogsUnavailableError(StorageUnavailableError):
    """The store cannot write at the moment; the same call may succeed later."""


class LogKeeper(Protocol):
    """Gives up old records."""

    async def expire(self, before: datetime) -> int:
        """Drop what arrived before a moment, a partition at a time; return how many went."""
        ...

    async def fit(self, max_bytes: int) -> int:
        """Drop the oldest until no more of the disk is taken; return how many went."""
        ...

    def size_bytes(self) -> int:
        """Return how much of the disk records take."""
        ...

    def unsearchable(self) -> int:
        """Return how many partitions no search sees: damaged, or with an index in the making."""
        ...


class LogStore(Protocol):
    """Takes records in."""

    def position(self) -> Position | None:
        """Return up to where of the spool everything is stored; None if nothing ever was."""
        ...

    async def append(self, records: Sequence[LogRecord], *, until: Position) -> int:
        """Keep `records`; durable and visible to searches when it returns.

        Args:
            records: In the order of their arrival.
            until: Where the spool's reader goes on after them. A crash in the midst keeps both
                the records and this place, or neither.

        Returns:
            How many were kept: a record whose id is there already is not kept again.

        Raises:
            LogsUnavailableError: If nothing was kept and trying again may help.
        """
        ...


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which records are asked for.

    Attributes:
        start_us: By the record's own time, included.
        end_us: Not included.
    """

    node: Node = field(default_factory=Everything)
    start_us: int = 0
    end_us: int = FOREVER_US


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record and its place in the order of all.

    Attributes:
        seq: Unique, ordered by time; names the record and is where a page goes on.
    """

    seq: int
    record: LogRecord


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of records in the order that was asked for.

    Attributes:
        next_seq: Where the next page goes on; None at the end.
        is_complete: False if the time allowed ran out: what lies beyond `searched_us` was not
            looked at, and the next page goes on there.
        missing: How many records match that cannot be read any more, being damaged.
    """

    items: tuple[StoredRecord, ...]
    next_seq: int | None
    is_complete: bool = True
    searched_us: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """How many records match; at least so many where it is not complete."""

    total: int
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class HistogramBucket:
    """A stretch of time, and how many records of each severity lie in it.

    Attributes:
        by_severity: By the name of the level; `""` for those that have none.
    """

    start_us: int
    by_severity: dict[str, int]


@dataclass(frozen=True, slots=True)
class TopValues:
    """The most frequent values of a field.

    Attributes:
        values: Value and how many records have it.
        others: How many records have another value, at least.
        having: How many records have the field.
    """

    values: tuple[tuple[str, int], ...]
    others: int
    having: int


@dataclass(frozen=True, slots=True)
class FieldStatistics:
    """What the numbers of a field are like; all None where no record has one."""

    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    total: float | None


class LogReader(Protocol):
    """Answers what people ask about logs."""

    async def search(
        self,
        query: LogQuery,
        *,
        limit: int,
        after: int | None = None,
        is_newest_first: bool = True,
    ) -> LogPage:
        """Return the records that match, `limit` at most.

        Args:
            query: Which.
            limit: At least 1.
            after: The `next_seq` of the page before.
            is_newest_first: Or the oldest.
        """
        ...

    async def count(self, query: LogQuery) -> Count:
        """Return how many match."""
        ...

    async def histogram(self, query: LogQuery, *, step_us: int) -> Sequence[HistogramBucket]:
        """Return how many match by time and severity; empty stretches are left out.

        Args:
            query: Which; with both ends of its time set.
            step_us: Whole milliseconds, in microseconds.
        """
        ...

    async def top_values(self, query: LogQuery, field_name: str, *, limit: int) -> TopValues:
        """Return the most frequent values of a field among the records that match."""
        ...

    async def statistics(self, query: LogQuery, field_name: str) -> FieldStatistics:
        """Return what the numbers of an attribute are like among the records that match."""
        ...

    async def find(self, seq: int) -> StoredRecord | None:
        """Return a record by its place; None if it is gone."""
        ...
