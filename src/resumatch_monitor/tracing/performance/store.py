"""What is kept of performance, and how it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.tracing.performance.model import Facts, FindingKind
from resumatch_monitor.tracing.performance.sketch import Distribution

FINE_SECONDS = 60
COARSE_SECONDS = 3_600
CALLS_FINE_SECONDS = 300
"""Calls by statement and endpoint are many more than endpoints."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in whole steps.

    Attributes:
        start_ms: Milliseconds since the epoch, included; a multiple of the step.
        end_ms: Not included.
        step_seconds: `FINE_SECONDS`, `CALLS_FINE_SECONDS` or `COARSE_SECONDS`.
    """

    start_ms: int
    end_ms: int
    step_seconds: int

    @property
    def duration_seconds(self) -> float:
        """How long it is."""
        return (self.end_ms - self.start_ms) / 1_000

    def before(self) -> "Window":
        """Return the stretch of the same length before this one."""
        length = self.end_ms - self.start_ms
        return Window(self.start_ms - length, self.start_ms, self.step_seconds)


@dataclass(frozen=True, slots=True)
class EndpointFilter:
    """Which endpoints are asked for; what is empty or None does not matter.

    Attributes:
        environment: May be empty: of those who named none.
        name: The whole name.
        query: A part of the name, in any case.
    """

    project_id: int | None = None
    environment: str | None = None
    op: str | None = None
    name: str = ""
    query: str = ""


@dataclass(slots=True)
class Figures:
    """What was counted of something in a stretch of time.

    Attributes:
        seen: How many segments came.
        count: How many they stand for.
        failed: How many of these failed.
        total: The sum of all values, in millionths.
        sketches: Packed.
        by_step: `count` by the step's number in the window.
    """

    seen: int = 0
    count: float = 0.0
    failed: float = 0.0
    total: float = 0.0
    sketches: list[bytes] = field(default_factory=list[bytes])
    by_step: dict[int, float] = field(default_factory=dict[int, float])

    @property
    def is_extrapolated(self) -> bool:
        """Whether fewer came than are counted."""
        return self.count > self.seen + 0.5

    def distribution(self) -> Distribution:
        """Return how the values are distributed."""
        return Distribution(self.sketches)


@dataclass(frozen=True, slots=True)
class EndpointKey:
    """An endpoint of a project, in all environments that are asked for."""

    project_id: int
    name: str
    op: str


@dataclass(frozen=True, slots=True)
class Step:
    """What was counted in one step; values in microseconds."""

    at_ms: int
    figures: Figures


class EndpointFigures(dict[tuple[EndpointKey, str], Sequence[Figures]]):
    """Figures by endpoint and measure, one for each window.

    Attributes:
        is_truncated: Whether there was more than is read at once: then all of it is too low.
    """

    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A slow one."""

    trace_id: str
    span_id: str
    name: str
    duration_us: int
    at: datetime
    is_failed: bool


@dataclass(frozen=True, slots=True)
class FindingIssue:
    """What people decided about a finding.

    Attributes:
        times_back: How often it was there again after that.
    """

    id: int
    short_id: str
    status: str
    is_regressed: bool
    times_back: int


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings; None and empty for any.

    Attributes:
        endpoints: At which endpoints.
        issue_id: The one whose issue that is.
        status: Of their issues.
    """

    endpoints: EndpointFilter
    issue_id: int | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong at an endpoint.

    Attributes:
        count: In how many requests it was.
        most_repeats: How many spans it was made of at most.
        total_us: How long these took in all requests together.
        issue: None until it is seen, if it was found before findings had issues.
    """

    id: int
    project_id: int
    endpoint: str
    op: str
    environment: str
    kind: FindingKind
    title: str
    count: float
    most_repeats: int
    longest_us: int
    total_us: float
    first_seen_at: datetime
    last_seen_at: datetime
    examples: tuple[Example, ...] = ()
    issue: FindingIssue | None = None


@dataclass(frozen=True, slots=True)
class StatementLine:
    """A statement or address, and what was counted of it.

    Attributes:
        endpoints: From how many endpoints it is called.
    """

    id: int
    project_id: int
    text: str
    operation: str
    system: str
    tables: tuple[str, ...]
    figures: Figures
    endpoints: int


class PerformanceSort(StrEnum):
    """By what endpoints are sorted, the largest first."""

    TOTAL = "total"
    COUNT = "count"
    P50 = "p50"
    P95 = "p95"
    FAILURES = "failures"
    APDEX = "apdex"
    CHANGE = "change"


class PerformanceStore(Protocol):
    """Counts segments."""

    async def add(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        """Count what was not counted before, durably, and return that.

        Raises:
            StorageUnavailableError: If nothing was kept and trying again may help.
        """
        ...

    async def untold_findings(self, limit: int) -> Sequence[Finding]:
        """Return findings that nobody was told of, the oldest first."""
        ...

    async def mark_told(self, findings: Sequence[Finding], alerts: Sequence[Alert]) -> None:
        """Note that somebody was told of findings, or that nobody is to be.

        Args:
            findings: Of the call of `untold_findings` before.
            alerts: One for each, in order, whose end is to be told; or none.
        """
        ...

    async def expire(self, now: datetime) -> int:
        """Drop some of what is too old; return how many rows that were."""
        ...


class PerformanceReader(Protocol):
    """Answers what was counted."""

    async def read_endpoints(
        self, wanted: EndpointFilter, windows: Sequence[Window], measures: Sequence[str]
    ) -> EndpointFigures:
        """Return the figures of each endpoint and measure that has any, one for each window."""
        ...

    async def read_steps(
        self, wanted: EndpointFilter, window: Window, measure: str
    ) -> Sequence[Step]:
        """Return what was counted in each step of a window that has anything, in order."""
        ...

    async def read_parts(self, wanted: EndpointFilter, window: Window) -> Mapping[str, Figures]:
        """Return by part what the time of an endpoint's requests was spent on."""
        ...

    async def read_examples(
        self, wanted: EndpointFilter, window: Window, *, limit: int
    ) -> Sequence[Example]:
        """Return the slowest requests of endpoints that are remembered."""
        ...

    async def read_findings(
        self, wanted: FindingFilter, *, after: int | None, limit: int
    ) -> Sequence[Finding]:
        """Return findings, the latest first; `after` the one with that number."""
        ...

    async def read_statements(
        self, kind: str, wanted: EndpointFilter, window: Window
    ) -> Sequence[StatementLine]:
        """Return the statements that endpoints called in a window."""
        ...

    async def read_statement(self, statement_id: int, window: Window) -> "StatementDetail | None":
        """Return one statement; None if there is none with that number."""
        ...

    async def facets(self) -> Mapping[str, Sequence[str]]:
        """Return the `environments` and `ops` that endpoints have."""
        ...


@dataclass(frozen=True, slots=True)
class StatementDetail:
    """A statement, who calls it, and its slowest calls."""

    line: StatementLine
    callers: Sequence[tuple[EndpointKey, Figures]]
    steps: Sequence[Step]
    examples: Sequence[Example]
