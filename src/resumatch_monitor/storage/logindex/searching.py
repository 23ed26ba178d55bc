"""Finds records in partitions, which lie by arrival, in the order of the records' own time."""

import heapq
from collections.abc import Callable, Generator, Sequence

import tantivy

from resumatch_monitor.logs.store import LogPage, LogQuery, StoredRecord
from resumatch_monitor.storage.logindex.asking import (
    Found,
    Stopped,
    ask,
    place_bounds,
    read_places,
)
from resumatch_monitor.storage.logindex.library import find_places
from resumatch_monitor.storage.logindex.partition import Partition
from resumatch_monitor.storage.logindex.records import PartitionGoneError
from resumatch_monitor.storage.logindex.schema import seq_to_us

SCAN_SECONDS = 5.0
"""How long records are looked at where the index cannot decide, for one answer."""


class LogSearch:
    """Searches the partitions there are; for several threads."""

    def __init__(
        self,
        partitions: Callable[[], Sequence[Partition]],
        *,
        monotonic: Callable[[], float],
        scan_seconds: float = SCAN_SECONDS,
    ) -> None:
        self._partitions = partitions
        self._monotonic = monotonic
        self._scan_seconds = scan_seconds

    def search(
        self, query: LogQuery, *, limit: int, after: int | None, is_newest_first: bool
    ) -> LogPage:
        """See `LogReader`."""
        low, high = place_bounds(query)
        if after is not None:
            low, high = (low, min(high, after)) if is_newest_first else (max(low, after + 1), high)
        items: list[StoredRecord] = []
        missing = 0
        for found in self._walk(query, low, high, limit, is_newest_first=is_newest_first):
            if isinstance(found, Found) and found.stored is not None:
                items.append(found.stored)
            elif isinstance(found, Found):
                missing += 1
            if isinstance(found, Stopped) or len(items) + missing >= limit:
                return LogPage(
                    tuple(items),
                    found.seq,
                    is_complete=isinstance(found, Found),
                    searched_us=seq_to_us(found.seq),
                    missing=missing,
                )
        return LogPage(tuple(items), None, missing=missing)

    def find(self, seq: int) -> StoredRecord | None:
        """See `LogReader`."""
        for partition in self._partitions():
            if not partition.overlaps(seq, seq + 1):
                continue
            try:
                query = partition.compiler().within(tantivy.Query.all_query(), seq, seq + 1)
                places = find_places(partition.searcher, query, limit=1)
                if places:
                    return read_places(partition, places)[0].stored
            except PartitionGoneError:
                continue
        return None

    def _walk(
        self, query: LogQuery, low: int, high: int, limit: int, *, is_newest_first: bool
    ) -> Generator[Found | Stopped]:
        """Yield what matches in the order of places, asking a partition when its turn comes."""
        deadline = self._monotonic() + self._scan_seconds
        sign = -1 if is_newest_first else 1

        def is_late() -> bool:
            return self._monotonic() > deadline

        def nearest(partition: Partition) -> int:
            return sign * (partition.high_seq if is_newest_first else partition.low_seq)

        overlapping = [each for each in self._partitions() if each.overlaps(low, high)]
        waiting = sorted(overlapping, key=nearest, reverse=True)
        heads: list[tuple[int, int, Found | Stopped, Generator[Found | Stopped]]] = []

        def push(walk: Generator[Found | Stopped], number: int) -> None:
            found = next(walk, None)
            if found is not None:
                heapq.heappush(heads, (sign * found.seq, number, found, walk))

        while waiting or heads:
            while waiting and (not heads or nearest(waiting[-1]) <= heads[0][0]):
                question = ask(waiting[-1], query, low, high)
                number = waiting.pop().number
                if question is not None:
                    walk = question.scan(
                        low, high, page=limit, is_newest_first=is_newest_first, is_late=is_late
                    )
                    push(walk, number)
            if heads:
                _, number, found, walk = heapq.heappop(heads)
                yield found
                push(walk, number)
