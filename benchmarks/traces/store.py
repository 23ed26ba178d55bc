"""A store as the monitor has it, and what fills it."""

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.traces.data import Applications
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.model import Span
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.store import DigestedItem

BATCH = 500
_POOL = 4_000
_ROOM = 64 * 1024**3


@dataclass
class SteppingClock:
    """Moves when it is told to, as days pass while a store is filled."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TwoProjects:
    """The projects of the made-up applications."""

    def slug(self, number: int) -> str:
        return ("api", "web")[number - 1]

    def number(self, slug: str) -> int | None:
        return {"api": 1, "web": 2}.get(slug)


def build_reader() -> SpanReader:
    """Return a reader with the monitor's own limits."""
    return SpanReader(
        scrubber=Scrubber(),
        projects=TwoProjects(),
        limits=SpanLimits(),
        retention=timedelta(days=30),
    )


def open_store(folder: Path, clock: SteppingClock) -> SqliteTraceStore:
    """Return an opened store with room for everything."""
    store = SqliteTraceStore(folder, clock=clock, max_bytes=_ROOM, min_free_bytes=0)
    store.open()
    return store


def digest(reader: SpanReader, records: Sequence[ItemRecord]) -> list[DigestedItem]:
    """Do with records what the digest does before it stores them."""
    return [
        DigestedItem(record.item_id, record.received_at, item.spans, item.user)
        for record in records
        for item in [reader.read(record)]
    ]


async def fill(folder: Path, spans: int, *, days: int) -> list[tuple[str, int]]:
    """Fill a store with `spans` spans that came evenly over `days` days until today.

    Returns:
        Ids of some traces, with how many days ago they came.
    """
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    clock = SteppingClock(today - timedelta(days=days - 1))
    store = open_store(folder, clock)
    reader = build_reader()
    pool = digest(reader, list(Applications().records(_POOL, at=clock.at)))
    numbers = itertools.count(1)
    known: list[tuple[str, int]] = []
    for day in range(days):
        clock.at = today - timedelta(days=days - 1 - day)
        left = spans // days
        for batch in _batches(pool, clock.at, numbers):
            await store.store(batch)
            left -= sum(len(item.spans) for item in batch)
            known.append((batch[0].spans[0].trace_id, days - 1 - day))
            if left <= 0:
                break
        while settled := await store.take_settled(before=clock.at + timedelta(1), limit=BATCH):
            await store.mark_observed(settled)
    store.close()
    return known


def count_spans(folder: Path) -> int:
    """Return how many spans a store has, after it may have been thinned."""
    total = 0
    for path in folder.glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as connection:
            (count,) = connection.execute("SELECT sum(span_count) FROM fragments").fetchone()
            total += count or 0
    return total


def _batches(
    pool: Sequence[DigestedItem], at: datetime, numbers: "itertools.count[int]"
) -> Iterator[list[DigestedItem]]:
    """Yield the pool again and again, each time as other traces of the moment `at`."""
    moved_us = (at - pool[0].received_at) // timedelta(microseconds=1)
    for begin in itertools.cycle(range(0, len(pool), BATCH)):
        yield [_renew(item, next(numbers), at, moved_us) for item in pool[begin : begin + BATCH]]


def _renew(item: DigestedItem, number: int, at: datetime, moved_us: int) -> DigestedItem:
    # Scattered over all values, as random ids are.
    scattered = number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128
    trace_id, mask = f"{scattered:032x}", scattered % 2**64
    jitter_us = moved_us + number * 7_919 % 40_000_000
    spans = tuple(_renew_span(span, trace_id, mask, jitter_us) for span in item.spans)
    return DigestedItem(f"{number:032x}", at, spans, item.user)


def _renew_span(span: Span, trace_id: str, mask: int, moved_us: int) -> Span:
    return replace(
        span,
        trace_id=trace_id,
        span_id=_mix(span.span_id, mask),
        parent_span_id=_mix(span.parent_span_id, mask),
        segment_id=_mix(span.segment_id, mask),
        started_us=span.started_us + moved_us,
    )


def _mix(span_id: str, mask: int) -> str:
    return f"{int(span_id, 16) ^ mask:016x}" if span_id else ""
