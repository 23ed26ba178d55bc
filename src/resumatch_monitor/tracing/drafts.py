"""Spans while they are read: what a sender said, not yet corrected, cleaned and bounded."""

from dataclasses import dataclass, field
from typing import Any

from resumatch_monitor.tracing.model import SpanEvent, SpanKind, SpanLink, SpanStatus


@dataclass(slots=True)
class Draft:
    """A `Span` that may still change; the fields have the same meaning.

    Attributes:
        ended_us: Instead of a duration; may be before the start.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    project_id: int = 0
    service: str = ""
    environment: str = ""
    release: str = ""
    name: str = ""
    op: str = ""
    kind: SpanKind = SpanKind.INTERNAL
    status: SpanStatus = SpanStatus.UNSET
    status_text: str = ""
    started_us: int = 0
    ended_us: int = 0
    is_segment: bool = False
    segment_id: str = ""
    segment_name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    links: tuple[SpanLink, ...] = ()
    events: list[SpanEvent] = field(default_factory=list[SpanEvent])


@dataclass(slots=True)
class DraftItem:
    """The spans of one item or request.

    Attributes:
        refused: Spans that could not be made sense of, by the reason.
        user: Whom the work was done for.
    """

    drafts: list[Draft] = field(default_factory=list[Draft])
    refused: dict[str, int] = field(default_factory=dict[str, int])
    user: str = ""

    def refuse(self, reason: str, count: int = 1) -> None:
        """Note that spans are left out."""
        self.refused[reason] = self.refused.get(reason, 0) + count
