"""What tracing asks of whoever keeps the spans."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.tracing.model import Segment, Span


class TracesUnavailableError(StorageUnavailableError):
    """The store cannot write at the moment; the same call may succeed later."""


class SearchTimeoutError(Exception):
    """The search took too long; a shorter time or another filter helps."""


@dataclass(frozen=True, slots=True)
class DigestedItem:
    """The spans of one item of an SDK or one request of an exporter.

    Attributes:
        item_id: 32 hexadecimal digits; an item that is stored already is not stored again.
        user: Whom the work was done for, as `id:…`; empty if nobody said.
    """

    item_id: str
    received_at: datetime
    spans: tuple[Span, ...]
    user: str = ""


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of a batch: spans stored, items that were there already."""

    spans: int
    duplicates: int


class TraceStore(Protocol):
    """Takes spans in."""

    async def store(self, items: Sequence[DigestedItem]) -> StoreOutcome:
        """Store `items`, durably; those that were just stored, by their ids, once.

        Raises:
            TracesUnavailableError: If nothing was stored and trying again may help.
        """
        ...


@dataclass(frozen=True, slots=True)
class SettledSegment:
    """A segment that had the time to become whole, and where the store has it.

    Attributes:
        segment: None if its root cannot be read any more.
    """

    place: tuple[int, int]
    segment: Segment | None


class SegmentQueue(Protocol):
    """Segments that nobody has observed."""

    async def take_settled(self, *, before: datetime, limit: int) -> Sequence[SettledSegment]:
        """Return the oldest unobserved segments whose root arrived before a moment."""
        ...

    async def mark_observed(self, segments: Sequence[SettledSegment]) -> None:
        """Note that segments have been observed.

        Raises:
            TracesUnavailableError: If that could not be noted.
        """
        ...


class SegmentSort(StrEnum):
    """Which segments come first."""

    NEWEST = "newest"
    SLOWEST = "slowest"


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """Which segments are asked for; what is empty or None does not matter.

    Attributes:
        name: A part of the segment's name, in any case.
        exact_name: The whole name.
        status: `error` for segments with a failed span, `ok` for the others.
        user: As in `Segment.user`, with or without the `id:`.
        tags: Keys and values that the root has, all of them.
        only_roots: Leave out the segments that another one called.
        start_us: Microseconds since the epoch, included; by the segment's start.
        end_us: Not included.
    """

    project_id: int | None = None
    environment: str = ""
    service: str = ""
    op: str = ""
    name: str = ""
    exact_name: str = ""
    release: str = ""
    status: str = ""
    user: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    min_duration_us: int | None = None
    max_duration_us: int | None = None
    only_roots: bool = False
    start_us: int = 0
    end_us: int = 2**62
    sort: SegmentSort = SegmentSort.NEWEST
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class SegmentSummary:
    """A line of a list of segments.

    Attributes:
        has_root: Whether its root was received; until then name and times are what its spans say.
        span_count: The spans of it that are stored, its root included.
        error_count: Those of them that failed.
    """

    trace_id: str
    span_id: str
    project_id: int
    service: str
    environment: str
    release: str
    name: str
    op: str
    is_error: bool
    started_us: int
    duration_us: int
    user: str
    span_count: int
    error_count: int
    has_root: bool
    is_trace_root: bool


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """A page of segments.

    Attributes:
        is_complete: False if the search stopped early because it took too long.
    """

    items: tuple[SegmentSummary, ...]
    next_cursor: str | None
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """All spans of a trace that are kept, each once.

    Attributes:
        is_cut: Whether the trace has more spans than are given.
    """

    spans: tuple[Span, ...]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class DurationSample:
    """Durations of segments that match a query, in microseconds.

    Attributes:
        failed: Those of segments with an error, from among `durations_us`.
        is_cut: Whether more match; then these are the newest.
    """

    durations_us: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to choose from in a search, the most frequent first."""

    services: tuple[str, ...] = field(default=())
    environments: tuple[str, ...] = field(default=())
    ops: tuple[str, ...] = field(default=())


class TraceReader(Protocol):
    """Answers what people ask about traces."""

    async def find_trace(self, trace_id: str, *, limit: int) -> StoredTrace:
        """Return the spans of a trace, at most `limit`; none if there is no such trace."""
        ...

    async def search(self, query: SegmentQuery) -> SegmentPage:
        """Return a page of segments.

        Raises:
            ValueError: If the cursor is not one of this query's.
        """
        ...

    async def sample_durations(self, query: SegmentQuery, *, limit: int) -> DurationSample:
        """Return the durations of the newest segments that match."""
        ...

    async def facets(self) -> Facets:
        """Return what the latest segments have."""
        ...
