"""A trace is the same tree in whatever order its spans came, and none of them is left out."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.tracing.model import Span
from resumatch_monitor.tracing.tree import TraceIndex, build_tree, without_repeats
from tests.support.spans import START_US, make_span, span_id_of

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


@st.composite
def _traces(draw: st.DrawFn) -> list[Span]:
    """Draw spans whose parents are any of them, themselves, missing, or nobody."""
    count = draw(st.integers(1, 12))
    return [
        make_span(
            number,
            parent=draw(st.integers(0, count + 2)),
            started_us=START_US + draw(st.integers(0, 50)),
            duration_us=draw(st.integers(0, 60)),
            is_segment=draw(st.booleans()),
            segment_id=draw(st.sampled_from(["", span_id_of(1), span_id_of(2)])),
        )
        for number in range(1, count + 1)
    ]


@given(_traces(), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(spans: list[Span], random: object) -> None:
    shuffled = [*spans, *spans[::2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    once, again = without_repeats(spans), without_repeats(shuffled)
    assert once == again
    assert build_tree(once) == build_tree(again)
    first, second = (
        TraceIndex(kept).collect_segment(spans[0], received_at=NOW, user="", limit=100)
        for kept in (once, again)
    )
    assert first == second


@given(_traces())
def test_every_span_has_one_place_below_its_parent(spans: list[Span]) -> None:
    tree = build_tree(without_repeats(spans))
    assert sorted(node.span.span_id for node in tree.nodes) == sorted(s.span_id for s in spans)
    depths: list[str] = []
    for node in tree.nodes:
        assert node.depth <= len(depths)
        del depths[node.depth :]
        if node.depth:
            assert node.span.parent_span_id == depths[-1]
        depths.append(node.span.span_id)
        assert 0 <= node.self_us <= node.span.duration_us


@given(_traces())
def test_a_segment_has_its_root_once_and_no_other_root(spans: list[Span]) -> None:
    segment = TraceIndex(spans).collect_segment(spans[0], received_at=NOW, user="", limit=100)
    ids = [span.span_id for span in segment.spans]
    assert len(set(ids)) == len(ids)
    assert segment.root.span_id not in ids
    assert not any(span.is_segment for span in segment.spans)


def test_orphans_are_said_and_stand_at_the_top() -> None:
    tree = build_tree([make_span(1), make_span(3, parent=2, started_us=START_US + 5)])
    assert [(node.depth, node.is_orphan) for node in tree.nodes] == [(0, False), (0, True)]
    assert tree.missing_parents == (span_id_of(2),)


def test_the_critical_path_is_what_was_waited_for() -> None:
    """Two calls in parallel, then one: the longer of the two and the last were waited for."""
    root = make_span(1, duration_us=100)
    short = make_span(2, parent=1, started_us=START_US + 10, duration_us=20)
    long = make_span(3, parent=1, started_us=START_US + 10, duration_us=50)
    last = make_span(4, parent=1, started_us=START_US + 60, duration_us=40)
    inner = make_span(5, parent=3, started_us=START_US + 20, duration_us=30)
    detached = make_span(6, parent=1, started_us=START_US + 90, duration_us=500)
    tree = build_tree([root, short, long, last, inner, detached])
    critical = {node.span.span_id for node in tree.nodes if node.is_critical}
    assert critical == {span_id_of(number) for number in (1, 3, 4, 5)}


def test_self_time_is_what_no_child_covers() -> None:
    root = make_span(1, duration_us=100)
    children = [
        make_span(2, parent=1, started_us=START_US + 10, duration_us=30),
        make_span(3, parent=1, started_us=START_US + 20, duration_us=30),
        make_span(4, parent=1, started_us=START_US + 90, duration_us=100),
    ]
    assert build_tree([root, *children]).nodes[0].self_us == 50


def test_a_deep_trace_needs_no_deep_stack() -> None:
    spans = [make_span(number, parent=number - 1) for number in range(1, 5_001)]
    tree = build_tree(spans)
    assert tree.nodes[-1].depth == 4_999
