"""Which segments the spans of an item belong to, and what lists show of them; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from resumatch_monitor.tracing.model import Span

_TAGS_MAX = 24
_TAG_VALUE_MAX = 100
_TAG = "tag."
# Attributes that say the same of every segment or something else of each: nobody searches them.
_UNINDEXED = (
    *("sentry.", "thread.", "process.", "url.", "network.", "telemetry.", "measurement."),
    *("browser.web_vital.", "user_agent", "os.", "device.", "otel.", "code.", "client."),
    *("db.", "http.request.header", "http.response.header", "http.request.body"),
    *("http.response.body", "http.response_", "http.request_", "asgi.", "net."),
)


@dataclass(slots=True)
class SegmentRow:
    """What one item says of one segment.

    Attributes:
        root: None if the item does not hold it; then the rest is from those spans that it holds.
    """

    trace_id: str
    span_id: str
    first: Span
    root: Span | None = None
    started_us: int = 0
    ended_us: int = 0
    span_count: int = 0
    error_count: int = 0
    tags: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def name(self) -> str:
        """The root's name, or what its spans say that it is."""
        return self.first.segment_name if self.root is None else self.root.name


def build_rows(spans: Sequence[Span]) -> list[SegmentRow]:
    """Return a row for each segment that spans of one item belong to, as far as that is known."""
    by_id = {(span.trace_id, span.span_id): span for span in spans}
    rows: dict[tuple[str, str], SegmentRow] = {}
    known: dict[tuple[str, str], str] = {}
    for span in spans:
        segment_id = _find_segment_id(span, by_id, known)
        if not segment_id:
            continue
        key = (span.trace_id, segment_id)
        row = rows.get(key)
        if row is None:
            row = rows[key] = SegmentRow(*key, span, None, span.started_us, span.ended_us)
        row.started_us = min(row.started_us, span.started_us)
        row.ended_us = max(row.ended_us, span.ended_us)
        row.span_count += 1
        row.error_count += span.is_error
        if span.is_segment:
            row.root = span
            row.tags = list(_read_tags(span))
    return list(rows.values())


def _find_segment_id(
    span: Span, by_id: dict[tuple[str, str], Span], known: dict[tuple[str, str], str]
) -> str:
    """Return the span id of the root of a span's segment; empty if it is not there to be seen.

    Args:
        span: Of which it is asked.
        by_id: Other spans by trace id and span id, among which its parents may be.
        known: What was found before, and what is found now: a chain of parents is walked once.
    """
    segment_id = ""
    walked: set[tuple[str, str]] = set()
    current: Span | None = span
    while current is not None:
        key = (current.trace_id, current.span_id)
        if current.segment_id or current.is_segment:
            segment_id = current.segment_id or current.span_id
            break
        if key in walked:
            break
        if key in known:
            segment_id = known[key]
            break
        walked.add(key)
        current = by_id.get((current.trace_id, current.parent_span_id))
    known.update(dict.fromkeys(walked, segment_id))
    return segment_id


def _read_tags(root: Span) -> list[tuple[str, str]]:
    tags: list[tuple[str, str]] = []
    for name, value in root.attributes.items():
        if name.startswith(_UNINDEXED) or not isinstance(value, str | int | float):
            continue
        text = ("false", "true")[value] if isinstance(value, bool) else str(value)
        if text and len(text) <= _TAG_VALUE_MAX and len(tags) < _TAGS_MAX:
            tags.append((name.removeprefix(_TAG), text))
    return tags
