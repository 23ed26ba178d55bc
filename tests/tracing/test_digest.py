"""The loops between the spool, the store and who counts segments."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.sentry.items import ItemKind, encode_record
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.feed import SegmentFeed
from resumatch_monitor.tracing.model import Segment
from resumatch_monitor.tracing.store import DigestedItem, SegmentQuery, StoreOutcome
from tests.support.clock import FakeClock
from tests.support.spans import make_item, make_span
from tests.support.tracing import TraceStack, open_trace_stack
from tests.tracing.items import (
    CHILD_ID,
    ROOT_ID,
    TRACE_ID,
    make_record,
    make_transaction,
    make_v2_item,
    make_v2_span,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stack(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[TraceStack]:
    async with open_trace_stack(tmp_path, clock=clock) as stack:
        yield stack


class Observer:
    """Remembers what it saw; refuses as often as it is told to."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.seen: list[Segment] = []
        self.refuses = refuses

    async def observe(self, segments: Sequence[Segment]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise StorageUnavailableError("not now")
        self.seen.extend(segments)


def _build_feed(stack: TraceStack, clock: FakeClock, *observers: Observer) -> SegmentFeed:
    return SegmentFeed(
        queue=stack.store,
        observers=observers,
        settle=timedelta(seconds=10),
        metrics=stack.metrics,
        clock=clock,
    )


async def test_what_cannot_be_read_stops_nothing(stack: TraceStack) -> None:
    records = [
        make_record(ItemKind.TRANSACTION, b"nonsense"),
        make_record(ItemKind.SPAN, make_v2_item({}, make_v2_span())),
    ]
    await stack.take(*records)
    (segment,) = (await stack.store.search(SegmentQuery())).items
    assert (segment.trace_id, segment.span_id) == (TRACE_ID, ROOT_ID)
    assert _metric(stack, "resumatch_monitor_traces_items_total", "unreadable") == 1
    assert _metric(stack, "resumatch_monitor_traces_spans_total", "malformed") == 1
    assert _metric(stack, "resumatch_monitor_traces_spans_total", "stored") == 1
    assert (
        stack.telemetry.registry.get_sample_value(
            "resumatch_monitor_ingest_pending", {"signal": "traces"}
        )
        == 0
    )


class PickyStore(SqliteTraceStore):
    """Refuses whatever is with an item of a user."""

    async def store(self, items: Sequence[DigestedItem]) -> StoreOutcome:
        if any(item.user for item in items):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return await super().store(items)


async def test_an_item_that_cannot_be_stored_stops_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with open_trace_stack(tmp_path, clock=clock, store_class=PickyStore) as stack:
        for number, users in enumerate(({"id": "7"}, None, None), start=1):
            payload = make_transaction(user=users)
            record = make_record(ItemKind.TRANSACTION, payload)
            await stack.spool.append(encode_record(replace(record, item_id=f"{number:032x}")))
        await stack.digest_all()

        assert stack.spool.pending == 0
        assert _metric(stack, "resumatch_monitor_traces_items_total", "refused") == 1
        assert _metric(stack, "resumatch_monitor_traces_items_total", "stored") == 2


async def test_a_transaction_becomes_one_segment(stack: TraceStack, clock: FakeClock) -> None:
    observer = Observer()
    await stack.take(make_record(ItemKind.TRANSACTION, make_transaction(user={"id": "7"})))
    feed = _build_feed(stack, clock, observer)
    assert await feed.feed_batch() == 0
    clock.jump_monotonic(11)
    assert await feed.feed_batch() == 1
    (segment,) = observer.seen
    assert (segment.root.name, segment.user) == ("/users/{id}", "id:7")
    assert [span.span_id for span in segment.spans] == [CHILD_ID]
    assert await feed.feed_batch() == 0


async def test_streamed_spans_that_come_apart_are_counted_together(
    stack: TraceStack, clock: FakeClock
) -> None:
    observer = Observer()
    child = make_record(ItemKind.SPAN, make_v2_item(make_v2_span(CHILD_ID, ROOT_ID)))
    root = make_record(ItemKind.SPAN, make_v2_item(make_v2_span()))
    for number, record in enumerate((child, root), start=1):
        await stack.take(replace(record, item_id=f"{number:032x}"))
    clock.jump_monotonic(11)
    await _build_feed(stack, clock, observer).feed_batch()
    (segment,) = observer.seen
    assert [span.span_id for span in segment.spans] == [CHILD_ID]


async def test_who_could_not_count_is_asked_again(stack: TraceStack, clock: FakeClock) -> None:
    steady, unsteady = Observer(), Observer(refuses=1)
    feed = _build_feed(stack, clock, steady, unsteady)
    await stack.store.store([make_item(1, make_span(1))])
    clock.jump_monotonic(11)
    with pytest.raises(StorageUnavailableError):
        await feed.feed_batch()
    await feed.feed_batch()
    assert len(unsteady.seen) == 1
    assert {segment.key for segment in steady.seen} == {unsteady.seen[0].key}


async def test_spans_wait_in_the_spool_while_nothing_can_be_stored(
    tmp_path: Path, clock: FakeClock
) -> None:
    free, refused = [0], asyncio.Event()
    loop = asyncio.get_running_loop()

    def free_bytes(_: Path) -> int:
        loop.call_soon_threadsafe(refused.set)
        return free[0]

    async with open_trace_stack(tmp_path, clock=clock, store_free_bytes=free_bytes) as stack:
        record = make_record(ItemKind.TRANSACTION, make_transaction())
        await stack.spool.append(encode_record(record))
        digesting = asyncio.create_task(stack.digest.digest_batch())
        await refused.wait()
        assert stack.spool.pending == 1
        free[0] = 2**40
        while not digesting.done():
            await clock.advance(1)
        assert stack.spool.pending == 0
        assert len((await stack.store.search(SegmentQuery())).items) == 1


def _metric(stack: TraceStack, name: str, outcome: str) -> float | None:
    return stack.telemetry.registry.get_sample_value(name, {"outcome": outcome})
