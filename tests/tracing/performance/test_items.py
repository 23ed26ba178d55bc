"""From what SDKs send, over the spool and the store, to what is counted."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.performance import SqlPerformanceStore
from resumatch_monitor.storage.sql.performance_read import SqlPerformanceReader
from resumatch_monitor.tracing.feed import SegmentFeed
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import DURATION, VITALS
from resumatch_monitor.tracing.performance.recorder import PerformanceRecorder
from resumatch_monitor.tracing.performance.series import TransactionSeries
from resumatch_monitor.tracing.performance.store import EndpointFilter, Figures, Window
from tests.rules.support import MemorySink
from tests.support.clock import FakeClock
from tests.support.tracing import TraceStack, open_trace_stack
from tests.tracing.items import (
    NOW_S,
    ROOT_ID,
    make_record,
    make_transaction,
    make_v2_item,
    make_v2_span,
    typed,
)

pytestmark = pytest.mark.anyio

HOURS = Window(round(NOW_S - 3_600) * 1_000, round(NOW_S + 3_600) * 1_000, 3_600)


class Counting:
    """A trace stack whose segments are counted."""

    def __init__(self, stack: TraceStack, database: Database, clock: FakeClock) -> None:
        self.stack = stack
        self.clock = clock
        self.count = 0
        self.reader = SqlPerformanceReader(database)
        config = PerformanceConfig()
        recorder = PerformanceRecorder(
            store=SqlPerformanceStore(database, config),
            traces=stack.store,
            series=TransactionSeries(
                sink=MemorySink(), metadata=MetadataStore(), slug_of=lambda _: "web", clock=clock
            ),
            config=config,
            clock=clock,
            on_findings=lambda: None,
        )
        self.feed = SegmentFeed(
            queue=stack.store,
            observers=[recorder],
            settle=timedelta(seconds=10),
            metrics=stack.metrics,
            clock=clock,
        )

    async def take(self, record: ItemRecord) -> None:
        """Take an item in, and let it settle."""
        self.count += 1
        await self.stack.take(
            replace(record, item_id=f"{self.count:032x}", received_at=self.clock.now())
        )
        await self.clock.advance(11)
        await self.feed.feed_batch()

    async def figures(self, *measures: str) -> dict[tuple[str, str], Figures]:
        """Return what was counted by endpoint and measure."""
        found = await self.reader.read_endpoints(EndpointFilter(), [HOURS], measures)
        return {(key.name, measure): figures for (key, measure), (figures,) in found.items()}


@pytest.fixture
async def counting(
    tmp_path: Path, clock: FakeClock, database: Database
) -> AsyncGenerator[Counting]:
    async with open_trace_stack(tmp_path / "traces", clock=clock) as stack:
        yield Counting(stack, database, clock)


def make_spans(*spans: dict[str, Any]) -> ItemRecord:
    return make_record(ItemKind.SPAN, make_v2_item(*spans))


def make_page(**attributes: Any) -> dict[str, Any]:
    said = {"sentry.op": "pageload", "sentry.segment.name": "/jobs", **attributes}
    return make_v2_span(name="/jobs", attributes=typed(**said))


async def test_vitals_that_a_browser_tells_when_the_page_is_left_are_counted_with_the_page(
    counting: Counting,
) -> None:
    await counting.take(make_spans(make_page(**{"browser.web_vital.ttfb.value": 120.5})))
    # The page's segment was shown to everybody long ago.
    late = {
        "sentry.op": "ui.webvital.lcp",
        "sentry.segment.id": ROOT_ID,
        "sentry.segment.name": "/jobs",
        "browser.web_vital.lcp.value": 2_400.0,
    }
    await counting.take(
        make_spans(make_v2_span("c" * 16, ROOT_ID, name="img", attributes=typed(**late)))
    )

    found = await counting.figures(DURATION, *VITALS)

    assert {place: figures.count for place, figures in found.items()} == {
        ("/jobs", DURATION): 1,
        ("/jobs", "ttfb"): 1,
        ("/jobs", "lcp"): 1,
    }
    assert found["/jobs", "lcp"].total == 2_400_000


async def test_pages_without_a_router_are_told_apart_by_their_paths(counting: Counting) -> None:
    page = {
        "sentry.op": "pageload",
        "sentry.segment.name.source": "url",
        "url.path": "/users/123/jobs",
    }
    await counting.take(make_spans(make_v2_span(name="Pageload", attributes=typed(**page))))
    shift = {
        "sentry.op": "ui.webvital.cls",
        "sentry.segment.name": "Pageload",
        "sentry.pageload.span_id": ROOT_ID,
        "browser.web_vital.cls.value": 0.14,
    }
    await counting.take(
        make_spans(make_v2_span("c" * 16, ROOT_ID, name="Shift", attributes=typed(**shift)))
    )

    found = await counting.figures(DURATION, *VITALS)

    assert set(found) == {("/users/{id}/jobs", DURATION), ("/users/{id}/jobs", "cls")}


async def test_a_streamed_segment_is_counted_once_with_all_its_spans(counting: Counting) -> None:
    query = {"sentry.op": "db", "sentry.segment.id": ROOT_ID, "db.system.name": "postgresql"}
    child = make_v2_span("d" * 16, ROOT_ID, name="SELECT 1 FROM users", attributes=typed(**query))
    # Children often come before their root, in an item of their own.
    await counting.take(make_spans(child))
    await counting.take(make_spans(make_v2_span()))
    await counting.take(make_spans(make_v2_span()))

    ((_, figures),) = (await counting.figures(DURATION)).items()
    (statement,) = await counting.reader.read_statements("db", EndpointFilter(), HOURS)

    assert (figures.seen, statement.text, statement.figures.count) == (
        1,
        "SELECT ? FROM users",
        1,
    )


async def test_what_was_sampled_is_counted_up_by_the_envelopes_rate(counting: Counting) -> None:
    record = make_record(ItemKind.TRANSACTION, make_transaction())
    await counting.take(replace(record, headers={"trace": {"sample_rate": "0.1"}}))

    (figures,) = (await counting.figures(DURATION)).values()

    assert (figures.seen, figures.count, figures.is_extrapolated) == (1, 10, True)


async def test_a_name_that_is_an_address_is_counted_without_its_ids(counting: Counting) -> None:
    said = {"transaction": "/users/17", "transaction_info": {"source": "url"}}
    await counting.take(make_record(ItemKind.TRANSACTION, make_transaction(**said)))

    assert list(await counting.figures(DURATION)) == [("/users/{id}", DURATION)]
