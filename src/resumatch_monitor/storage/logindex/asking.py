"""What one partition is asked, and what it answers record by record."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import tantivy

from resumatch_monitor.logs.query.matching import Predicate, build_predicate
from resumatch_monitor.logs.query.tree import Everything
from resumatch_monitor.logs.store import LogQuery, StoredRecord
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record, peek_record
from resumatch_monitor.storage.logindex.compiling import QueryCompiler
from resumatch_monitor.storage.logindex.library import find_places
from resumatch_monitor.storage.logindex.partition import Partition
from resumatch_monitor.storage.logindex.prefilter import Prefilter, build_prefilter
from resumatch_monitor.storage.logindex.records import PartitionGoneError
from resumatch_monitor.storage.logindex.schema import first_seq

_SCAN_PAGE = 1_000
_LARGEST_SCAN_PAGE = 64_000
"""Each page has the index go through everything that is left of it, so few are wanted."""
_READ_TOGETHER = 2_000
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
        searcher: What was committed at that moment; it outlives the partition.
        query: Among the places that were asked for.
        core: The same, among all places.
        predicate: Decides where the index cannot; None if it can.
        prefilter: Tells of lines whether it is worth while to ask the predicate.
        is_everything: Whether all its records are the answer.
    """

    partition: Partition
    searcher: tantivy.Searcher
    compiler: QueryCompiler
    query: tantivy.Query
    core: tantivy.Query
    predicate: Predicate | None
    prefilter: Prefilter | None
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
            bounded = self.compiler.within(self.core, low, high)
            places = find_places(self.searcher, bounded, limit=size, order=order)
            for at in range(0, len(places), _READ_TOGETHER):
                together = places[at : at + _READ_TOGETHER]
                try:
                    yield from self._read(together)
                except PartitionGoneError:
                    return
                if self.predicate is not None and is_late():
                    yield Stopped(together[-1][0])
                    return
            if len(places) < size:
                return
            last = places[-1][0]
            low, high = (low, last) if is_newest_first else (last + 1, high)
            if self.predicate is not None:
                size = min(size * 4, _LARGEST_SCAN_PAGE)

    def _read(self, places: Sequence[tuple[int, int]]) -> Generator[Found]:
        """Yield what matches of what the index found."""
        predicate = self.predicate
        found = self.partition.read_rows([row for _, row in places], self.prefilter)
        for seq, row in places:
            line = found.lines.get(row)
            if line is None:
                if row in found.damaged:
                    yield Found(seq, None)
                continue
            if predicate is None or _may_be(line, predicate):
                yield Found(seq, _decode(seq, line))


def ask(partition: Partition, query: LogQuery, low: int, high: int) -> Question | None:
    """Return what to ask a partition; None if it has just gone."""
    try:
        searcher, compiler = partition.searcher, partition.compiler()
        compiled = compiler.compile(query.node)
    except PartitionGoneError:
        return None
    # Lost records have a place below 0, which nobody asks for.
    is_inside = 0 <= low <= partition.low_seq and partition.high_seq < high
    return Question(
        partition,
        searcher,
        compiler,
        compiled.query if is_inside else compiler.within(compiled.query, low, high),
        compiled.query,
        None if compiled.is_exact else build_predicate(query.node),
        None if compiled.is_exact else build_prefilter(query.node),
        is_inside and isinstance(query.node, Everything),
    )


def place_bounds(query: LogQuery) -> tuple[int, int]:
    """Return the lowest place that a query asks for, and the one beyond the highest."""
    low = first_seq(query.start_us)
    high = first_seq(-(-query.end_us // 1000) * 1000)
    return low, min(high, _LARGEST_SEQ)


def read_places(partition: Partition, places: Sequence[tuple[int, int]]) -> list[Found]:
    """Return the records at places and rows, in their order."""
    lines = partition.read_rows([row for _, row in places]).lines
    return [Found(seq, _decode(seq, lines.get(row, b""))) for seq, row in places]


def _may_be(line: bytes, predicate: Predicate) -> bool:
    """Return whether a line is of a record that matches, or is damaged."""
    try:
        return predicate(peek_record(line))
    except CodecError:
        return True


def _decode(seq: int, line: bytes) -> StoredRecord | None:
    try:
        return StoredRecord(seq, decode_record(line)[1])
    except CodecError:
        return None
