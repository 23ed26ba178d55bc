"""Counts records in partitions: how many, when, and with which values."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from resumatch_monitor.logs.fields import EXACT_FIELDS, FIELD_NAMES, Field
from resumatch_monitor.logs.query.matching import field_values, render_value
from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.logs.store import (
    Count,
    FieldStatistics,
    HistogramBucket,
    LogQuery,
    TopValues,
)
from resumatch_monitor.storage.logindex.asking import Question, Stopped, ask, place_bounds
from resumatch_monitor.storage.logindex.library import aggregate, count
from resumatch_monitor.storage.logindex.partition import Partition
from resumatch_monitor.storage.logindex.schema import seq_step, seq_to_us
from resumatch_monitor.storage.logindex.searching import SCAN_SECONDS

_TERMS_A_PARTITION = 1_000


@dataclass(slots=True)
class _Scan:
    """Whether all records were looked at that the index could not decide."""

    is_complete: bool = True


@dataclass(slots=True)
class _Numbers:
    """What numbers are like."""

    count: int = 0
    total: float = 0.0
    extremes: list[float] = field(default_factory=list[float])

    def add(self, values: Sequence[float]) -> None:
        """Take more of them."""
        if values:
            self.count += len(values)
            self.total += sum(values)
            self.extremes = (
                [min(*self.extremes, *values), max(*self.extremes, *values)]
                if (self.extremes)
                else [min(values), max(values)]
            )


class LogCounting:
    """Counts in the partitions there are; for several threads."""

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

    def count(self, query: LogQuery) -> Count:
        """See `LogReader`."""
        scan = _Scan()
        total = 0
        for question, records in self._questions(query, scan):
            if question.predicate is not None:
                total += sum(1 for _ in records)
            elif question.is_everything:
                total += question.searcher.num_docs
            else:
                total += count(question.searcher, question.query)
        return Count(total, scan.is_complete)

    def histogram(self, query: LogQuery, *, step_us: int) -> list[HistogramBucket]:
        """See `LogReader`."""
        step = seq_step(step_us)
        buckets: dict[int, Counter[str]] = {}
        for question, records in self._questions(query, _Scan()):
            if question.predicate is None:
                _add_histogram(question, step, buckets)
                continue
            for seq, record in records:
                start = seq // step * step
                buckets.setdefault(start, Counter())[name_severity(record.severity)] += 1
        return [
            HistogramBucket(seq_to_us(start), dict(buckets[start])) for start in sorted(buckets)
        ]

    def top_values(self, query: LogQuery, field_name: str, *, limit: int) -> TopValues:
        """See `LogReader`."""
        counts: Counter[str] = Counter()
        others = 0
        for question, records in self._questions(query, _Scan(), scans_for=field_name):
            column = _column(question.partition, field_name)
            if question.predicate is None and column is not None:
                others += _add_terms(question, column, counts)
                continue
            for _, record in records:
                values = field_values(record, field_name)
                counts.update({render_value(value) for value in values})
        if field_name == Field.SEVERITY:
            counts = _by_name(counts)
        kept = counts.most_common(limit)
        having = sum(counts.values()) + others
        return TopValues(tuple(kept), having - sum(number for _, number in kept), having)

    def statistics(self, query: LogQuery, field_name: str) -> FieldStatistics:
        """See `LogReader`."""
        numbers = _Numbers()
        for question, records in self._questions(query, _Scan(), scans_for=field_name):
            column = _column(question.partition, field_name)
            if question.predicate is None and column is not None:
                _add_statistics(question, column, numbers)
                continue
            for _, record in records:
                values = field_values(record, field_name)
                numbers.add(
                    [
                        float(value)
                        for value in values
                        if isinstance(value, int | float) and not isinstance(value, bool)
                    ]
                )
        if not numbers.count:
            return FieldStatistics(0, None, None, None, None)
        low, high = numbers.extremes
        return FieldStatistics(
            numbers.count, low, high, numbers.total / numbers.count, numbers.total
        )

    def _questions(
        self, query: LogQuery, scan: _Scan, *, scans_for: str = ""
    ) -> Generator[tuple[Question, Generator[tuple[int, LogRecord]]]]:
        """Yield what to ask each partition, the latest first, and its records one by one.

        Args:
            query: Which records.
            scan: Is told whether the time was enough.
            scans_for: A field for whose sake records may be looked at; partitions in which no
                record can have it are left out.
        """
        low, high = place_bounds(query)
        deadline = self._monotonic() + self._scan_seconds
        partitions = [each for each in self._partitions() if each.overlaps(low, high)]
        for partition in sorted(partitions, key=lambda each: each.high_seq, reverse=True):
            names = partition.names
            is_known = scans_for in FIELD_NAMES or scans_for in names.names or names.has_others
            question = ask(partition, query, low, high)
            if question is not None and (not scans_for or is_known):
                yield question, self._look(question, low, high, deadline, scan)

    def _look(
        self, question: Question, low: int, high: int, deadline: float, scan: _Scan
    ) -> Generator[tuple[int, LogRecord]]:
        def is_late() -> bool:
            return self._monotonic() > deadline

        for found in question.scan(low, high, is_late=is_late):
            if isinstance(found, Stopped):
                scan.is_complete = False
                return
            if found.stored is not None:
                yield found.seq, found.stored.record


def _add_histogram(question: Question, step: int, buckets: dict[int, Counter[str]]) -> None:
    answer = aggregate(
        question.searcher,
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


def _add_terms(question: Question, column: str, counts: Counter[str]) -> int:
    """Add a partition's values; return how many records have one that is not among them."""
    answer = aggregate(
        question.searcher,
        question.query,
        {"of": {"terms": {"field": column, "size": _TERMS_A_PARTITION}}},
    )["of"]
    for bucket in answer["buckets"]:
        counts[render_value(bucket.get("key_as_string", bucket["key"]))] += bucket["doc_count"]
    return int(answer["sum_other_doc_count"])


def _add_statistics(question: Question, column: str, numbers: _Numbers) -> None:
    answer = aggregate(question.searcher, question.query, {"of": {"stats": {"field": column}}})[
        "of"
    ]
    if answer["count"]:
        numbers.add([answer["min"], answer["max"]])
        numbers.count += int(answer["count"]) - 2
        numbers.total += answer["sum"] - answer["min"] - answer["max"]


def _column(partition: Partition, field_name: str) -> str | None:
    if field_name == Field.SEVERITY or field_name in EXACT_FIELDS:
        return field_name
    if field_name in partition.names.names:
        return f"attributes.{field_name}"
    return None


def _by_name(counts: Counter[str]) -> Counter[str]:
    named: Counter[str] = Counter()
    for number, total in counts.items():
        named[name_severity(int(number))] += total
    del named[""]
    return named
