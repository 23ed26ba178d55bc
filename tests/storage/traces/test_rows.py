"""Which segments the spans of an item belong to."""

from resumatch_monitor.storage.traces.rows import build_rows
from resumatch_monitor.tracing.model import Span, SpanKind, SpanStatus


class _CountedId(str):
    """A parent's id that counts how often it is looked up."""

    __slots__ = ()
    lookups = 0

    def __hash__(self) -> int:
        _CountedId.lookups += 1
        return super().__hash__()


def _span(number: int, parent: int, *, is_segment: bool = False) -> Span:
    return Span(
        trace_id="a" * 32,
        span_id=f"{number:016x}",
        parent_span_id=_CountedId(f"{parent:016x}"),
        project_id=1,
        service="web",
        environment="",
        release="",
        name="work",
        op="",
        kind=SpanKind.INTERNAL,
        status=SpanStatus.UNSET,
        status_text="",
        started_us=number,
        duration_us=1,
        is_segment=is_segment,
    )


def test_a_long_chain_of_parents_is_walked_once() -> None:
    count = 500
    chain = [_span(number, number + 1) for number in range(1, count)]
    _CountedId.lookups = 0

    (row,) = build_rows([*chain, _span(count, 0, is_segment=True)])

    assert (row.span_id, row.span_count) == (f"{count:016x}", count)
    assert _CountedId.lookups <= 2 * count


def test_a_chain_without_a_root_is_walked_once_and_is_in_no_segment() -> None:
    count = 500
    _CountedId.lookups = 0

    assert build_rows([_span(number, number % count + 1) for number in range(1, count + 1)]) == []
    assert _CountedId.lookups <= 2 * count
