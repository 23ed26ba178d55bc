"""What error tracking asks of whoever keeps the issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from resumatch_monitor.errortracking.issues import (
    Change,
    EventPage,
    Issue,
    IssueDetail,
    IssuePage,
    IssueQuery,
    MatchingIssues,
    ProjectUse,
    StoredEvent,
)
from resumatch_monitor.kit.errors import StorageUnavailableError


class StoreUnavailableError(StorageUnavailableError):
    """The store cannot write at the moment; the same call may succeed later."""


class SearchTooSlowError(Exception):
    """The search was given up: it would have looked at too much."""


@dataclass(frozen=True, slots=True)
class DigestedEvent:
    """An event that is ready to be stored.

    Attributes:
        grouping_key: Decides, within the project, to which issue it belongs.
        previous_key: Where it would have belonged by the version from which the project came; if
            `grouping_key` leads nowhere, and this one does, it belongs there.
        user_hash: The same for all events of a user; None without one.
        user_label: The user's id or name, for lists.
        payload: The scrubbed event and what was scrubbed, as JSON.
        trace_id: Of the trace that it occurred in, 32 hexadecimal digits; empty if in none.
        span_id: Of the span that it occurred in, 16 hexadecimal digits.
    """

    project_id: int
    project_slug: str
    event_id: str
    occurred_at: datetime
    received_at: datetime
    grouping_version: int
    grouping_key: bytes
    explanation: str
    type: str
    value: str
    culprit: str
    level: str
    platform: str
    is_handled: bool | None
    is_synthetic: bool
    message: str
    release: str
    environment: str
    user_hash: bytes | None
    user_label: str
    tags: tuple[tuple[str, str], ...]
    payload: bytes
    previous_key: tuple[int, bytes] | None = None
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What became of a batch."""

    stored: int
    duplicates: int
    has_alerts: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be made an event, set aside."""

    received_at: datetime
    reason: str
    record: bytes


class IssueStore(Protocol):
    """Keeps events and the issues that they make; every method is one durable transaction."""

    async def store(self, events: Sequence[DigestedEvent]) -> StoreOutcome:
        """Store `events` in order; one that is there already (project, event id) counts once.

        Raises:
            StoreUnavailableError: If nothing was stored and trying again may help.
        """
        ...

    async def set_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Keep records that nobody could read; the oldest go when there are too many."""
        ...

    async def count_dead_letters(self) -> int:
        """Return how many records are set aside."""
        ...

    async def trim(self, *, events_per_issue: int, events_per_project: int) -> None:
        """Drop events that tell little of issues and projects that have more than that.

        Counts stay; `errortracking.keeping` says which events do.
        """
        ...

    async def expire(self, before: datetime, *, now: datetime) -> int:
        """Delete a bounded number of events and issues from before; return how many.

        What has arrived after `now` arrived by a clock that ran ahead.
        """
        ...


class AlertKind(StrEnum):
    """What about an issue is told."""

    NEW = "new"
    REGRESSED = "regressed"
    ESCALATED = "escalated"
    EVENTS = "events"
    USERS = "users"
    PROJECT_EVENTS = "project_events"

    @property
    def is_counting(self) -> bool:
        """Whether it tells of a number of something, and not of an issue that begins."""
        return self in (AlertKind.EVENTS, AlertKind.USERS, AlertKind.PROJECT_EVENTS)


@dataclass(frozen=True, slots=True)
class PendingAlert:
    """Something that people are to be told and that is not yet in the alerts' hands.

    Attributes:
        rule: The name of the rule that tells.
        severity: Of that rule.
        release: In which the event was that gave rise to it.
        value: What was counted.
        remark: What else there is to say.
        is_lasting: Whether the alert lasts until people are done with the issue.
    """

    id: int
    kind: AlertKind
    at: datetime
    occurrence: int
    environment: str
    issue: Issue
    rule: str = ""
    severity: str = ""
    release: str | None = None
    value: int | None = None
    remark: str = ""
    is_lasting: bool = False

    @property
    def lasts(self) -> bool:
        """Whether it has an end that is told."""
        return self.is_lasting or self.kind.is_counting

    @property
    def scope(self) -> tuple[str, int, int]:
        """By which it is known while it lasts: the rule, the project, the issue or 0 for all."""
        issue_id = 0 if self.kind is AlertKind.PROJECT_EVENTS else self.issue.id
        return self.rule, self.issue.project_id, issue_id


FINDING_RULE = "(finding)"
"""By which alerts about findings are known; no rule of the configuration can be called that."""


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that lasts; `labels` are those with which it was told."""

    rule: str
    project_id: int
    issue_id: int
    kind: AlertKind
    started_at: datetime
    ended_at: datetime | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class AlertQueue(Protocol):
    """Alerts that were decided in the same transaction as what they tell of."""

    async def pending_alerts(self, limit: int) -> Sequence[PendingAlert]:
        """Return the oldest alerts that have not been handed over."""
        ...

    async def clear_alerts(
        self,
        ids: Sequence[int],
        *,
        opened: Sequence[OpenAlert] = (),
        storms: Mapping[tuple[int, str], Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Forget alerts that were handed over.

        Args:
            ids: Of the alerts.
            opened: Those of them that last.
            storms: What is remembered of storms, by project and severity; None to forget one.
        """
        ...

    async def storms(self) -> Mapping[tuple[int, str], Mapping[str, Any]]:
        """Return what is remembered of storms."""
        ...

    async def ended_alerts(self, limit: int) -> Sequence[OpenAlert]:
        """Return alerts that are over and of whose end nobody was told."""
        ...

    async def clear_ended(self, alerts: Sequence[OpenAlert], at: datetime) -> None:
        """Note that people were told that they are over."""
        ...


class IssueReader(Protocol):
    """Answers what people ask about issues."""

    async def list_issues(self, query: IssueQuery, now: datetime) -> IssuePage:
        """Return a page of issues.

        Raises:
            ValueError: If the cursor is not one of this query's.
            SearchTooSlowError: If it would take too long.
        """
        ...

    async def find_matching(
        self, query: IssueQuery, now: datetime, *, limit: int
    ) -> MatchingIssues:
        """Return the first issues that match, in the order of the list.

        Raises:
            SearchTooSlowError: If it would take too long.
        """
        ...

    async def get_issue(self, issue_id: int, now: datetime) -> IssueDetail | None:
        """Return an issue with everything that its page shows."""
        ...

    async def list_events(self, issue_id: int, *, cursor: str | None, limit: int) -> EventPage:
        """Return a page of an issue's stored events, the latest first.

        Raises:
            ValueError: If the cursor is not one of this list's.
        """
        ...

    async def get_event(self, issue_id: int, event_id: str) -> StoredEvent | None:
        """Return an event; `latest` and `oldest` are accepted as its id."""
        ...

    async def project_uses(self) -> Sequence[ProjectUse]:
        """Return what the projects that have sent have sent."""
        ...


class IssueOverview(Protocol):
    """Answers what the overview shows."""

    async def count_unresolved(self) -> int:
        """Return how many issues are unresolved."""
        ...

    async def newest_unresolved(self, limit: int, now: datetime) -> Sequence[Issue]:
        """Return unresolved issues, the one seen last first."""
        ...

    async def changes_since(self, since: datetime, limit: int) -> Sequence[Change]:
        """Return new, regressed and resolved issues and first releases, newest first."""
        ...
