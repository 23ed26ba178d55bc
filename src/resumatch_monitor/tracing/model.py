"""One model of spans and segments, whoever sent them.

A *span* is a piece of work. A *segment* is the part of a trace that one service did for one
request: its root (Sentry's transaction, OpenTelemetry's local root) and what lies below it in the
same service. A *trace* is the segments that share a trace id.

What stands where, for all kinds of input (Sentry transactions, Sentry spans v1 and v2, OTLP):

- `name` is what a person reads: `GET /users/{id}`, `SELECT * FROM users WHERE id = %s`.
- `op` is what kind of work it is, in Sentry's words: `http.server`, `http.client`, `db`,
  `queue.process`, `pageload`, `ui.webvital.lcp`; made from OpenTelemetry's kind and attributes
  where nothing says it.
- `attributes` have OpenTelemetry's names where there is one. Of those that are always looked for:
  `http.request.method`, `http.response.status_code`, `http.route`, `url.full`, `db.system.name`,
  `db.query.text` (a statement, without the values of its literals), `server.address`, `user.id`;
  web vitals are `browser.web_vital.<lcp|fcp|cls|inp|ttfb|fp>.value` (milliseconds, cls without a
  unit) on the root or on a span of its own, as the SDK sends them; a transaction's other
  measurements are `measurement.<name>`, its tags `tag.<name>`.
- Everything is scrubbed, and bounded by `tracing.limits`.

Whoever aggregates implements `SegmentObserver`. Each segment whose root was received is shown to
all observers once what belongs to it had the time to arrive (`tracing.settle`), from the store,
so a restart forgets none. Spans that come later are in the trace, but not shown again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Protocol


class SpanKind(StrEnum):
    """OpenTelemetry's kind of a span."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class SpanStatus(IntEnum):
    """Whether the work succeeded.

    As OpenTelemetry has it: what a server answers with 4xx is no error of the server's. Sentry's
    own word is in `Span.status_text`.
    """

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span of this or another trace that this one has to do with."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at a moment within a span.

    Attributes:
        at_us: Microseconds since the epoch.
    """

    name: str
    at_us: int
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        parent_span_id: Of the same trace; empty if it has none.
        project_id: 0 for OTLP of a service whose name is no project's slug.
        status_text: The sender's own word: `internal_error`, `not_found`, an error's message.
        started_us: Microseconds since the epoch, corrected for the sender's clock.
        duration_us: Never negative.
        is_segment: Whether it is the root of a segment.
        segment_id: The span id of its segment's root, as far as the sender said.
        segment_name: That root's name, as far as the sender said.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    project_id: int
    service: str
    environment: str
    release: str
    name: str
    op: str
    kind: SpanKind
    status: SpanStatus
    status_text: str
    started_us: int
    duration_us: int
    is_segment: bool
    segment_id: str = ""
    segment_name: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    links: tuple[SpanLink, ...] = ()
    events: tuple[SpanEvent, ...] = ()

    @property
    def ended_us(self) -> int:
        """When it ended, in microseconds since the epoch."""
        return self.started_us + self.duration_us

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""
        return self.status is SpanStatus.ERROR

    @property
    def statement(self) -> str:
        """The statement of a database's span, without the values of its texts; else empty."""
        statement = self.attributes.get("db.query.text")
        if isinstance(statement, str):
            return statement
        return self.name if self.op.startswith("db") else ""


@dataclass(frozen=True, slots=True)
class Segment:
    """What one service did for one request.

    Attributes:
        root: The span that the segment begins with.
        spans: The others, ordered by start and then span id; at most
            `tracing.limits.spans_per_segment`.
        received_at: When the root arrived.
        user: Whom it was done for, as `id:…` or `username:…`; empty if nobody said.
    """

    root: Span
    spans: tuple[Span, ...]
    received_at: datetime
    user: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other segment: trace id and root's span id."""
        return self.root.trace_id, self.root.span_id


class SegmentObserver(Protocol):
    """Sees every segment that was taken in, to count it."""

    async def observe(self, segments: Sequence[Segment]) -> None:
        """Take `segments` in, durably; called by one loop, one call at a time.

        After a crash the same segments may come again, in the same order and possibly in another
        grouping: whoever counts must recognise them by `Segment.key`, or not mind.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...
