"""What one partition is asked, and what it answers record by record."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import tantivy

from resumatch_monitor.logs.query.matching import Predicate, build_predicate
from resumatch_monitor.logs.query.tree import Everything
from resumatch_monitor.logs.store import LogQuery, StoredRecord
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.library import find_places
from resumatch_monitor.storage.logindex.partition import Partition, PartitionGoneError
from resumatch_monitor.storage.logindex.schema import first_seq

_SCAN_PAGE = 1_000
_LARGEST_SEQ = 2**62


@dataclass(frozen=True, slots=True)
class Found:
    """A record that matches; None if it is damaged."""

    seq: int
    stored: StoredRecord | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """There was no more time: what lies beyond a place was not looked at."""

    seq: int


@dataclass(frozen=True, slots=True)
class Question:
    """What one partition is asked.

    Attributes:
        query: Among the places that were asked for.
        core: The same, among all places.
        predicate: Decides where the index cannot; None if it can.
        is_everything: Whether all its records are the answer.
    """

    partition: Partition
    query: tantivy.Query
    core: tantivy.Query
    predicate: Predicate | None
    is_everything: bool

    def scan(
        self,
        low: int,
        high: int,
        *,
        page: int = _SCAN_PAGE,
        is_newest_first: bool = True,
        is_late: Callable[[], bool],
    ) -> Generator[Found | Stopped]:
        """Yield what matches at places from `low` to below `high`, a page of the index at a time.

        Args:
            low: The lowest place.
            high: Beyond the highest.
            page: How many are probably wanted.
            is_newest_first: Or the oldest.
            is_late: Whether records have been looked at for long enough.
        """
        size = page if self.predicate is None else max(page, _SCAN_PAGE)
        order = tantivy.Order.Desc if is_newest_first else tantivy.Order.Asc
        while low < high:
            try:
                bounded = self.partition.compiler().within(self.core, low, high)
                places = find_places(self.partition.searcher, bounded, limit=size, order=order)
                found = read_places(self.partition, places)
            except PartitionGoneError:
                return
            for each in found:
                stored = each.stored
                if self.predicate is None or stored is None or self.predicate(stored.record):
                    yield each
            if len(places) < size:
                return
            last = places[-1][0]
            low, high = (low, last) if is_newest_first else (last + 1, high)
            if self.predicate is not None and is_late():
                yield Stopped(last)
                return


def ask(partition: Partition, query: LogQuery, low: int, high: int) -> Question | None:
    """Return what to ask a partition; None if it has just gone."""
    try:
        compiler = partition.compiler()
        compiled = compiler.compile(query.node)
    except PartitionGoneError:
        return None
    # Lost records have a place below 0, which nobody asks for.
    is_inside = 0 <= low <= partition.low_seq and partition.high_seq < high
    return Question(
        partition,
        compiled.query if is_inside else compiler.within(compiled.query, low, high),
        compiled.query,
        None if compiled.is_exact else build_predicate(query.node),
        is_inside and isinstance(query.node, Everything),
    )


def place_bounds(query: LogQuery) -> tuple[int, int]:
    """Return the lowest place that a query asks for, and the one beyond the highest."""
    low = first_seq(query.start_us)
    high = first_seq(-(-query.end_us // 1000) * 1000)
    return low, min(high, _LARGEST_SEQ)


def read_places(partition: Partition, places: Sequence[tuple[int, int]]) -> list[Found]:
    """Return the records at places and rows, in their order."""
    lines = partition.records.read_rows([row for _, row in places])
    found: list[Found] = []
    for seq, row in places:
        stored = None
        if row in lines:
            try:
                stored = StoredRecord(seq, decode_record(lines[row])[1])
            except CodecError:
                stored = None
        found.append(Found(seq, stored))
    return found
