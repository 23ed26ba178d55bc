"""The spans of a trace as what they are: segments, and a tree over all services; pure.

Whatever order spans came in, and however often each came, the result is the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from resumatch_monitor.tracing.model import Segment, Span


def without_repeats(spans: Iterable[Span]) -> list[Span]:
    """Return each span once, in order; of one that came in two versions, what says more."""
    chosen: dict[str, Span] = {}
    for span in spans:
        other = chosen.get(span.span_id)
        if other is None or (other != span and _weight(span) > _weight(other)):
            chosen[span.span_id] = span
    return sorted(chosen.values(), key=order_of)


def order_of(span: Span) -> tuple[int, int, str]:
    """Return by what spans are ordered: start, the longer first, id."""
    return span.started_us, -span.duration_us, span.span_id


class TraceIndex:
    """The spans of a trace, each once, by what leads to them."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._by_id = {span.span_id: span for span in spans}
        self._children: dict[str, list[Span]] = defaultdict(list)
        self._members: dict[str, list[Span]] = defaultdict(list)
        for span in spans:
            self._children[span.parent_span_id].append(span)
            if span.segment_id and not span.is_segment:
                self._members[span.segment_id].append(span)

    def find(self, span_id: str) -> Span | None:
        """Return a span; None if it is not there."""
        return self._by_id.get(span_id)

    def collect_segment(
        self, root: Span, *, received_at: datetime, user: str, limit: int
    ) -> Segment:
        """Return the segment that begins with `root`.

        It has what lies below its root and is in no other segment, and what says that it belongs
        to it; at most `limit` spans beside the root.
        """
        members: dict[str, Span] = {}
        waiting = [root, *self._members.get(root.span_id, ())]
        while waiting:
            span = waiting.pop()
            if span.span_id in members or (span.is_segment and span is not root):
                continue
            members[span.span_id] = span
            waiting.extend(
                child
                for child in self._children.get(span.span_id, ())
                if child.segment_id in ("", root.span_id)
            )
        del members[root.span_id]
        return Segment(
            root, tuple(sorted(members.values(), key=order_of)[:limit]), received_at, user
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A span in its place in the tree.

    Attributes:
        depth: 0 for a root.
        child_count: How many spans have it as their parent.
        is_orphan: Whether it names a parent that was not received.
        is_critical: Whether it is on the critical path: at each moment what its trace waited for.
        self_us: Its duration without what its children in the tree cover.
    """

    span: Span
    depth: int
    child_count: int
    is_orphan: bool
    is_critical: bool
    self_us: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace.

    Attributes:
        nodes: In the order in which a tree is read: each span before its children, these by start.
        missing_parents: Ids that spans name as their parents and that were not received.
    """

    nodes: tuple[Node, ...]
    started_us: int
    ended_us: int
    missing_parents: tuple[str, ...]


def build_tree(spans: Sequence[Span]) -> Tree:
    """Put the spans of one trace, each once, into a tree.

    Orphans and spans in a loop of parents stand at the top, so that none is left out.
    """
    by_id = {span.span_id: span for span in spans}
    children: dict[str, list[Span]] = defaultdict(list)
    tops: list[Span] = []
    ordered = sorted(spans, key=order_of)
    for span in ordered:
        if span.parent_span_id in by_id:
            children[span.parent_span_id].append(span)
        else:
            tops.append(span)
    places: list[tuple[Span, int]] = []
    placed: set[str] = set()
    for top in tops:
        _walk(top, children, places, placed)
    for span in ordered:
        if span.span_id not in placed:
            _walk(span, children, places, placed)
    critical = _find_critical(tops, children)
    nodes = tuple(
        Node(
            span,
            depth,
            len(children[span.span_id]),
            bool(span.parent_span_id) and span.parent_span_id not in by_id,
            span.span_id in critical,
            _self_time(span, children[span.span_id]),
        )
        for span, depth in places
    )
    missing = {node.span.parent_span_id for node in nodes if node.is_orphan}
    return Tree(
        nodes,
        min((span.started_us for span in spans), default=0),
        max((span.ended_us for span in spans), default=0),
        tuple(sorted(missing)),
    )


def _walk(
    top: Span,
    children: dict[str, list[Span]],
    places: list[tuple[Span, int]],
    placed: set[str],
) -> None:
    waiting = [(top, 0)]
    while waiting:
        span, depth = waiting.pop()
        if span.span_id in placed:
            continue
        placed.add(span.span_id)
        places.append((span, depth))
        waiting.extend((child, depth + 1) for child in reversed(children[span.span_id]))


def _find_critical(tops: Sequence[Span], children: dict[str, list[Span]]) -> set[str]:
    """Return the spans that the end of the longest top waited for.

    From a span's end backwards: the child that ended last before the moment looked at is what was
    waited for; before that child began, the next one is looked for.
    """
    if not tops:
        return set()
    longest = max(tops, key=lambda span: (span.duration_us, span.span_id))
    critical: set[str] = set()
    waiting = [(longest, longest.ended_us)]
    while waiting:
        span, until = waiting.pop()
        if span.span_id in critical:
            continue
        critical.add(span.span_id)
        moment = min(until, span.ended_us)
        for child in sorted(
            children[span.span_id], key=lambda each: (each.ended_us, each.span_id), reverse=True
        ):
            # What goes on after the span's end was not waited for.
            if child.started_us >= moment or child.ended_us > span.ended_us:
                continue
            if child.ended_us <= moment:
                waiting.append((child, moment))
                moment = child.started_us
    return critical


def _self_time(span: Span, children: Sequence[Span]) -> int:
    covered = 0
    reached = span.started_us
    for child in children:
        begin = max(child.started_us, reached)
        end = min(child.ended_us, span.ended_us)
        if end > begin:
            covered += end - begin
            reached = end
    return max(0, span.duration_us - covered)


def _weight(span: Span) -> tuple[object, ...]:
    return (
        span.is_segment,
        span.duration_us,
        len(span.attributes),
        orjson.dumps(span, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS),
    )
