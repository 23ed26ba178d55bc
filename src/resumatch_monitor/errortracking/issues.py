"""Issues as they are read and asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from resumatch_monitor.errortracking.keeping import KeptFor
from resumatch_monitor.errortracking.search.query import Node

PERFORMANCE_GROUPING = 0
"""The version of grouping of an issue that no events are grouped to: something slow was found."""
PERFORMANCE_TYPES = {
    "N+1 Query": "performance_n_plus_one_db_queries",
    "Slow DB Query": "performance_slow_db_query",
    "Consecutive HTTP": "performance_consecutive_http",
}
"""What Sentry calls each kind of what is slow, by what such an issue is called."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class IssueStatus(StrEnum):
    """What people have decided about an issue."""

    UNRESOLVED = "unresolved"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class IssueSort(StrEnum):
    """By what a list is sorted, descending."""

    LAST_SEEN = "last_seen"
    FIRST_SEEN = "first_seen"
    EVENTS = "events"
    USERS = "users"
    TREND = "trend"


@dataclass(frozen=True, slots=True)
class IssueQuery:
    """Which issues, in which order.

    Attributes:
        status: None for all.
        project_id: None for all.
        search: What else must hold.
        me: Who asks, for `assigned:me`.
        trend_days: How many days the sparklines show; 1 in hours, more in days.
    """

    status: IssueStatus | None = None
    project_id: int | None = None
    search: Node | None = None
    me: str = ""
    trend_days: int = 1
    sort: IssueSort = IssueSort.LAST_SEEN
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Issue:
    """Events with the same cause.

    Attributes:
        sparkline: Events in each of the last 24 hours, the running one last; or of 14 days.
        is_synthetic: Only probes of the monitor's own have met it.
        stored_count: How many of its events are kept.
        resolution: In what it is, or is to be, resolved, as `workflow.model` has it.
        archive: For how long it rests, as `workflow.model` stores it.
        priority: What people decided; None for the one of its level.
        revision: Counts the changes of what people decide.
    """

    id: int
    number: int
    project_id: int
    project_slug: str
    type: str
    value: str
    culprit: str
    level: str
    platform: str
    status: IssueStatus
    is_regressed: bool
    is_handled: bool | None
    is_synthetic: bool
    event_count: int
    user_count: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_release: str | None
    last_release: str | None
    resolved_at: datetime | None
    sparkline: tuple[int, ...] = ()
    stored_count: int = 0
    resolution: str | None = None
    resolution_release: str | None = None
    resolution_commit: str | None = None
    archive: Mapping[str, Any] | None = None
    is_escalating: bool = False
    assignee: str | None = None
    priority: str | None = None
    revision: int = 0
    grouping_version: int = 1

    @property
    def category(self) -> str:
        """`error`, or `performance` of something slow."""
        return "performance" if self.grouping_version == PERFORMANCE_GROUPING else "error"

    @property
    def issue_type(self) -> str:
        """What Sentry calls what it is; `error` of all errors."""
        return "error" if self.category == "error" else PERFORMANCE_TYPES.get(self.type, "")

    @property
    def short_id(self) -> str:
        """The project's slug and the number, as people write it."""
        return render_short_id(self.project_slug, self.number)

    @property
    def title(self) -> str:
        """Type and value on one line."""
        return f"{self.type}: {self.value}" if self.type and self.value else self.type or self.value


@dataclass(frozen=True, slots=True)
class IssuePage:
    """A page of issues and how many there are on all pages; more, if that is not exact."""

    items: Sequence[Issue]
    total: int
    next_cursor: str | None
    is_total_exact: bool = True


@dataclass(frozen=True, slots=True)
class MatchingIssues:
    """The ids of issues that match, and how many match; more, if that is not exact."""

    ids: Sequence[int]
    total: int
    is_total_exact: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseUse:
    """A release in which an issue was met."""

    version: str
    first_seen_at: datetime
    event_count: int


@dataclass(frozen=True, slots=True)
class TagUse:
    """The values of a tag and how often each was met; `total` counts unlisted ones too."""

    key: str
    total: int
    values: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened to an issue."""

    at: datetime
    kind: str
    actor: str | None
    text: str


@dataclass(frozen=True, slots=True)
class IssueDetail:
    """An issue with everything that its page shows."""

    issue: Issue
    environments: Sequence[str]
    releases: Sequence[ReleaseUse]
    tags: Sequence[TagUse]
    activity: Sequence[Activity]
    grouping_version: int
    explanation: str
    counts: Sequence[tuple[datetime, int]]


@dataclass(frozen=True, slots=True)
class EventSummary:
    """An event in a list; `kept_for` is what it told that none before it had."""

    event_id: str
    occurred_at: datetime
    message: str
    release: str | None
    environment: str | None
    user: str | None
    kept_for: KeptFor = KeptFor.NOTHING


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of an issue's events."""

    items: Sequence[EventSummary]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is kept.

    Attributes:
        raw: The scrubbed event as the SDK sent it.
        scrubbed: Where something was taken out.
        previous_event_id: The one that occurred before it, of the same issue.
    """

    project_id: int
    event_id: str
    occurred_at: datetime
    received_at: datetime
    raw: dict[str, Any]
    scrubbed: Sequence[str]
    previous_event_id: str | None
    next_event_id: str | None

    def with_raw(self, raw: dict[str, Any]) -> "StoredEvent":
        """Return the event with other content."""
        return replace(self, raw=raw)


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """What a project has sent."""

    project_id: int
    event_count: int
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """A change for the overview; `kind` is as docs/http-api.md has it."""

    at: datetime
    kind: str
    title: str
    severity: str
    path: str


def render_short_id(project_slug: str, number: int) -> str:
    """Render for example `RESUMATCH-API-C`: digits and letters that nobody confuses."""
    digits = ""
    while number:
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return f"{project_slug.upper()}-{digits or '0'}"
