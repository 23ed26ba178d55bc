"""What is counted of a segment, and the names of what is measured."""

from dataclasses import dataclass, field
from enum import StrEnum

OTHER = "(other)"
"""The endpoint, statement or address in which those are counted for which there is no room."""

DURATION = "duration"
VITALS = ("lcp", "inp", "cls", "fcp", "ttfb")
"""Core web vitals first. Milliseconds, `cls` without a unit."""
PARTS = ("db", "http", "cache", "queue", "render", "browser", "app")
"""Into what the time of a request is broken down."""
PART_PREFIX = "part."


class CallKind(StrEnum):
    """What a call is to."""

    DATABASE = "db"
    HTTP = "http"


class FindingKind(StrEnum):
    """What can be wrong in a request."""

    N_PLUS_ONE = "n_plus_one"
    SLOW_QUERY = "slow_query"
    CONSECUTIVE_HTTP = "consecutive_http"


TITLES = {
    FindingKind.N_PLUS_ONE: "N+1 Query",
    FindingKind.SLOW_QUERY: "Slow DB Query",
    FindingKind.CONSECUTIVE_HTTP: "Consecutive HTTP",
}
"""What a finding's issue is called, as Sentry calls it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A query or a request to another server.

    Attributes:
        digest: 16 bytes; the same for the same statement or address.
        text: The statement or address, without values.
        operation: `SELECT`, `GET`.
        system: `postgresql`; the host, of a request.
        tables: Of a statement, as far as they could be read.
    """

    kind: CallKind
    digest: bytes
    text: str
    operation: str
    system: str
    tables: tuple[str, ...]
    span_id: str
    parent_span_id: str
    started_us: int
    duration_us: int
    is_error: bool

    @property
    def ended_us(self) -> int:
        """When it ended, in microseconds since the epoch."""
        return self.started_us + self.duration_us


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is wrong in a request.

    Attributes:
        digest: 16 bytes; the same for the same thing at the same endpoint.
        title: A line for people: the statement or the addresses.
        span_id: Where to look.
        repeats: How many spans it is made of.
        duration_us: How long these took together.
    """

    kind: FindingKind
    digest: bytes
    title: str
    span_id: str
    repeats: int
    duration_us: int


@dataclass(slots=True)
class Facts:
    """What is counted of one segment.

    Attributes:
        key: 24 bytes: trace id and root's span id.
        name: What it is counted as: `GET /users/{id}`.
        started_ms: Milliseconds since the epoch.
        weight: How many segments it stands for: more than one, if it was sampled at a rate that
            is known.
        is_failed: As Sentry defines it: a status other than ok, cancelled and unknown.
        is_counted: False for what only carries web vitals.
        vitals: By name; millionths of a second, or millionths.
        parts: By part: how many spans, and how long these took without what they called, in
            microseconds.
    """

    key: bytes
    project_id: int
    environment: str
    release: str
    name: str
    op: str
    trace_id: str
    span_id: str
    raw_name: str
    started_ms: int
    duration_us: int
    weight: float
    is_failed: bool
    is_counted: bool
    vitals: dict[str, float] = field(default_factory=dict[str, float])
    parts: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    calls: list[Call] = field(default_factory=list[Call])
    findings: list[Found] = field(default_factory=list[Found])
