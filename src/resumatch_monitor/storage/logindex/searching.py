"""Searches over partitions, which lie in the order of arrival, in the order of the records' time."""

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import tantivy

from resumatch_monitor.logs.fields import EXACT_FIELDS, FIELD_NAMES, Field
from resumatch_monitor.logs.query.matching import (
    Predicate,
    build_predicate,
    field_values,
    render_value,
)
from resumatch_monitor.logs.query.tree import Everything
from resumatch_monitor.logs.record import name_severity
from resumatch_monitor.logs.store import (
    Count,
    FieldStatistics,
    HistogramBucket,
    LogPage,
    LogQuery,
    StoredRecord,
    TopValues,
)
from resumatch_monitor.storage.logindex.codec import CodecError, decode_record
from resumatch_monitor.storage.logindex.partition import Partition, PartitionGoneError
from resumatch_monitor.storage.logindex.schema import first_seq, seq_step, seq_to_us

_SCAN_PAGE = 1_000
_SCAN_SECONDS = 5.0
_LARGEST_SEQ = 2**62
_TERMS_A_PARTITION = 1_000


class LogSearch:
    """Answers questions from the partitions there are; for several threads.

    Where the index alone cannot decide, records are looked at themselves, newest first, for a
    few seconds at most; the answer says so if that was not enough.
    """

    def __init__(
        self,
        partitions: Callable[[], Sequence[Partition]],
        *,
        monotonic: Callable[[], float],
        scan_seconds: float = _SCAN_SECONDS,
    ) -> None:
        self._partitions = partitions
        self._monotonic = monotonic
        self._scan_seconds = scan_seconds

    def search(
        self, query: LogQuery, *, limit: int, after: int | None, is_newest_first: bool
    ) -> LogPage:
        """See `LogReader`."""
        low, high = _bounds(query)
        if after is not None:
            low, high = (low, min(high, after)) if is_newest_first else (max(low, after + 1), high)
        deadline = self._monotonic() + self._scan_seconds
        walk = self._walk(query, low, high, limit, is_newest_first, deadline)
        items: list[StoredRecord] = []
        missing = 0
        is_complete = True
        reached = high if is_newest_first else low
        for found in walk:
            if isinstance(found, _Stop):
                is_complete, reached = False, found.seq
                break
            if found.stored is None:
                missing += 1
            else:
                items.append(found.stored)
            reached = found.seq
            if len(items) + missing >= limit:
                break
        else:
            return LogPage(tuple(items), None, missing=missing)
        return LogPage(
            tuple(items),
            reached,
            is_complete=is_complete,
            searched_us=seq_to_us(reached),
            missing=missing,
        )

    def count(self, query: LogQuery) -> Count:
        """See `LogReader`."""
        low, high = _bounds(query)
        total = 0
        deadline = self._monotonic() + self._scan_seconds
        for partition in self._overlapping(low, high):
            question = _ask(partition, query, low, high)
            if question is None:
                continue
            if question.predicate is None:
                if question.is_everything:
                    total += partition.rows
                else:
                    total += _count(question)
                continue
            for found in self._scan(question, low, high, _SCAN_PAGE, True, deadline):
                if isinstance(found, _Stop):
                    return Count(total, is_complete=False)
                total += 1
        return Count(total)

    def histogram(self, query: LogQuery, *, step_us: int) -> list[HistogramBucket]:
        """See `LogReader`."""
        low, high = _bounds(query)
        step = seq_step(step_us)
        buckets: dict[int, Counter[str]] = {}
        deadline = self._monotonic() + self._scan_seconds
        for partition in self._overlapping(low, high):
            question = _ask(partition, query, low, high)
            if question is None:
                continue
            if question.predicate is None:
                _add_histogram(question, step, buckets)
                continue
            for found in self._scan(question, low, high, _SCAN_PAGE, True, deadline):
                if isinstance(found, _Stop):
                    break
                if found.stored is not None:
                    name = name_severity(found.stored.record.severity)
                    buckets.setdefault(found.seq // step * step, Counter())[name] += 1
        return [
            HistogramBucket(seq_to_us(start), dict(buckets[start])) for start in sorted(buckets)
        ]

    def top_values(self, query: LogQuery, field_name: str, *, limit: int) -> TopValues:
        """See `LogReader`."""
        low, high = _bounds(query)
        counts: Counter[str] = Counter()
        others = 0
        deadline = self._monotonic() + self._scan_seconds
        for partition in self._overlapping(low, high):
            question = _ask(partition, query, low, high)
            if question is None:
                continue
            column = _column(partition, field_name)
            if question.predicate is None and column is not None:
                others += _add_terms(question, column, counts)
            elif column is not None or field_name in FIELD_NAMES or partition.names.has_others:
                for found in self._scan(question, low, high, _SCAN_PAGE, True, deadline):
                    if isinstance(found, _Stop):
                        break
                    if found.stored is not None:
                        record = found.stored.record
                        counts.update(
                            {render_value(value) for value in field_values(record, field_name)}
                        )
        if field_name == Field.SEVERITY:
            counts = _by_name(counts)
        kept = counts.most_common(limit)
        having = sum(counts.values()) + others
        return TopValues(tuple(kept), having - sum(count for _, count in kept), having)

    def statistics(self, query: LogQuery, field_name: str) -> FieldStatistics:
        """See `LogReader`."""
        low, high = _bounds(query)
        count, total = 0, 0.0
        extremes: list[float] = []
        deadline = self._monotonic() + self._scan_seconds
        for partition in self._overlapping(low, high):
            question = _ask(partition, query, low, high)
            column = _column(partition, field_name)
            if question is None or column is None:
                continue
            if question.predicate is None:
                answer = partition.searcher.aggregate(
                    question.query, {"of": {"stats": {"field": column}}}
                )["of"]
                if answer["count"]:
                    count += int(answer["count"])
                    total += answer["sum"]
                    extremes += [answer["min"], answer["max"]]
                continue
            for found in self._scan(question, low, high, _SCAN_PAGE, True, deadline):
                if isinstance(found, _Stop):
                    break
                values = [
                    float(value)
                    for value in (field_values(found.stored.record, field_name) if found.stored else ())
                    if isinstance(value, int | float) and not isinstance(value, bool)
                ]
                count += len(values)
                total += sum(values)
                extremes += values
        if not count:
            return FieldStatistics(0, None, None, None, None)
        return FieldStatistics(count, min(extremes), max(extremes), total / count, total)

    def find(self, seq: int) -> StoredRecord | None:
        """See `LogReader`."""
        for partition in self._overlapping(seq, seq + 1):
            try:
                query = tantivy.Query.term_query(partition.index.schema, "seq", seq, "basic")
                hits = partition.searcher.search(query, limit=1, count=False).hits
                if hits:
                    rows = partition.searcher.fast_field_values("row", [hits[0][1]])
                    return _read(partition, [(seq, int(rows[0] or 0))])[0].stored
            except PartitionGoneError:
                continue
        return None

    def _overlapping(self, low: int, high: int) -> list[Partition]:
        partitions = [each for each in self._partitions() if each.overlaps(low, high)]
        return sorted(partitions, key=lambda each: each.high_seq, reverse=True)

    def _walk(
        self,
        query: LogQuery,
        low: int,
        high: int,
        limit: int,
        is_newest_first: bool,
        deadline: float,
    ) -> "Generator[_Found | _Stop]":
        """Yield what matches in the order of places, looking into partitions when it is time to."""
        partitions = [each for each in self._partitions() if each.overlaps(low, high)]
        sign = -1 if is_newest_first else 1

        def nearest(partition: Partition) -> int:
            return sign * (partition.high_seq if is_newest_first else partition.low_seq)

        waiting = sorted(partitions, key=nearest, reverse=True)
        heads: list[tuple[int, int, _Found | _Stop, Generator[_Found | _Stop]]] = []
        while waiting or heads:
            while waiting and (not heads or nearest(waiting[-1]) <= heads[0][0]):
                partition = waiting.pop()
                question = _ask(partition, query, low, high)
                if question is not None:
                    walk = self._scan(question, low, high, limit, is_newest_first, deadline)
                    _push(heads, walk, sign, partition.number)
            if not heads:
                return
            _, number, found, walk = heapq.heappop(heads)
            yield found
            if isinstance(found, _Stop):
                return
            _push(heads, walk, sign, number)

    def _scan(
        self,
        question: "_Question",
        low: int,
        high: int,
        page: int,
        is_newest_first: bool,
        deadline: float,
    ) -> "Generator[_Found | _Stop]":
        """Yield what matches in one partition, a page of the index at a time."""
        partition, predicate = question.partition, question.predicate
        size = page if predicate is None else max(page, _SCAN_PAGE)
        order = tantivy.Order.Desc if is_newest_first else tantivy.Order.Asc
        while low < high:
            try:
                searcher = partition.searcher
                bounded = question.bounded(low, high)
                hits = searcher.search(
                    bounded, limit=size, count=False, order_by_field="seq", order=order
                ).hits
                rows = searcher.fast_field_values("row", [address for _, address in hits])
                places = [(int(seq), int(row or 0)) for (seq, _), row in zip(hits, rows, strict=True)]
                for found in _read(partition, places):
                    if predicate is None or found.stored is None or predicate(found.stored.record):
                        yield found
            except PartitionGoneError:
                return
            if len(places) < size:
                return
            last = places[-1][0]
            if is_newest_first:
                high = last
            else:
                low = last + 1
            if predicate is not None and self._monotonic() > deadline:
                yield _Stop(last)
                return


@dataclass(frozen=True, slots=True)
class _Found:
    """A record that matches; None if it is damaged."""

    seq: int
    stored: StoredRecord | None


@dataclass(frozen=True, slots=True)
class _Stop:
    """There was no more time: what lies beyond a place was not looked at."""

    seq: int


@dataclass(frozen=True, slots=True)
class _Question:
    """What one partition is asked.

    Attributes:
        predicate: Decides where the index cannot; None if it can.
    """

    partition: Partition
    query: tantivy.Query
    predicate: Predicate | None
    is_everything: bool
    core: tantivy.Query

    def bounded(self, low: int, high: int) -> tantivy.Query:
        """Return the query among places."""
        return self.partition.compiler().within(self.core, low, high)


def _bounds(query: LogQuery) -> tuple[int, int]:
    low = first_seq(query.start_us)
    high = first_seq(-(-query.end_us // 1000) * 1000)
    return low, min(high, _LARGEST_SEQ)


def _ask(partition: Partition, query: LogQuery, low: int, high: int) -> _Question | None:
    try:
        compiler = partition.compiler()
        compiled = compiler.compile(query.node)
    except PartitionGoneError:
        return None
    predicate = None if compiled.is_exact else build_predicate(query.node)
    inside = low <= partition.low_seq and partition.high_seq < high and partition.low_seq >= 0
    bounded = compiled.query if inside else compiler.within(compiled.query, low, high)
    return _Question(
        partition,
        bounded,
        predicate,
        inside and isinstance(query.node, Everything),
        compiled.query,
    )


def _count(question: _Question) -> int:
    result = question.partition.searcher.search(question.query, limit=1, count=True)
    return int(result.count)  # pyright: ignore[reportAttributeAccessIssue]


def _add_histogram(question: _Question, step: int, buckets: dict[int, Counter[str]]) -> None:
    answer = question.partition.searcher.aggregate(
        question.query,
        {
            "at": {
                "histogram": {"field": "seq", "interval": step, "min_doc_count": 1},
                "aggs": {"of": {"terms": {"field": "severity", "size": 25}}},
            }
        },
    )
    for bucket in answer["at"]["buckets"]:
        counts = buckets.setdefault(int(bucket["key"]), Counter())
        for each in bucket["of"]["buckets"]:
            counts[name_severity(int(each["key"]))] += each["doc_count"]


def _add_terms(question: _Question, column: str, counts: Counter[str]) -> int:
    answer = question.partition.searcher.aggregate(
        question.query, {"of": {"terms": {"field": column, "size": _TERMS_A_PARTITION}}}
    )["of"]
    for bucket in answer["buckets"]:
        key = bucket.get("key_as_string", bucket["key"])
        counts[render_value(key)] += bucket["doc_count"]
    return int(answer["sum_other_doc_count"])


def _column(partition: Partition, field_name: str) -> str | None:
    if field_name == Field.SEVERITY or field_name in EXACT_FIELDS:
        return field_name
    if field_name in partition.names.names:
        return f"attributes.{field_name}"
    return None


def _by_name(counts: Counter[str]) -> Counter[str]:
    named: Counter[str] = Counter()
    for number, count in counts.items():
        name = name_severity(int(number))
        if name:
            named[name] += count
    return named


def _read(partition: Partition, places: Sequence[tuple[int, int]]) -> list[_Found]:
    lines = partition.records.read_rows([row for _, row in places])
    found: list[_Found] = []
    for seq, row in places:
        stored = None
        if row in lines:
            try:
                stored = StoredRecord(seq, decode_record(lines[row])[1])
            except CodecError:
                stored = None
        found.append(_Found(seq, stored))
    return found


def _push(
    heads: "list[tuple[int, int, _Found | _Stop, Generator[_Found | _Stop]]]",
    walk: "Generator[_Found | _Stop]",
    sign: int,
    number: int,
) -> None:
    found = next(walk, None)
    if found is not None:
        heapq.heappush(heads, (sign * found.seq, number, found, walk))
