"""A segment is the same whatever items its spans came in, in which order, and how often."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.tracing.model import Segment, Span
from resumatch_monitor.tracing.store import SegmentQuery, SegmentSummary
from resumatch_monitor.tracing.tree import Tree, build_tree
from tests.storage.traces.conftest import open_store
from tests.support.clock import FakeClock
from tests.support.spans import START, START_US, make_item, make_span, span_id_of, trace_id_of

_COUNT = 7
SPANS = [
    make_span(
        number,
        parent=number // 2,
        segment_id=span_id_of(1),
        segment_name="work 1",
        started_us=START_US + number * 10,
        duration_us=1_000 - number,
    )
    for number in range(1, _COUNT + 1)
]


@st.composite
def _items(draw: st.DrawFn) -> list[list[Span]]:
    """Draw items that hold all spans, some of them twice, in any order."""
    order = draw(st.permutations(SPANS))
    again = draw(st.lists(st.sampled_from(SPANS), max_size=4))
    spans = [*order, *again]
    cuts = sorted(draw(st.sets(st.integers(1, len(spans) - 1), max_size=5)))
    return [
        part
        for begin, end in zip([0, *cuts], [*cuts, len(spans)], strict=True)
        if (part := spans[begin:end])
    ]


async def _store(folder: Path, items: list[list[Span]]) -> tuple[Tree, Segment, SegmentSummary]:
    store = open_store(folder, FakeClock())
    for number, spans in enumerate(items, start=1):
        await store.store([make_item(number, *spans)])
    found = await store.find_trace(trace_id_of(1), limit=100)
    settled = await store.take_settled(before=START + timedelta(seconds=1), limit=10)
    await store.mark_observed(settled)
    (summary,) = (await store.search(SegmentQuery())).items
    store.close()
    (only,) = settled
    assert only.segment is not None
    return build_tree(found.spans), only.segment, summary


@settings(max_examples=25, deadline=None)
@given(_items())
def test_the_same_segment_comes_of_any_items(items: list[list[Span]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        tree, segment, summary = asyncio.run(_store(Path(name), items))
    assert tree == build_tree(SPANS)
    assert (segment.root, list(segment.spans)) == (SPANS[0], SPANS[1:])
    assert (summary.name, summary.span_count, summary.duration_us) == ("work 1", _COUNT, 999)
    assert (summary.started_us, summary.has_root) == (SPANS[0].started_us, True)
