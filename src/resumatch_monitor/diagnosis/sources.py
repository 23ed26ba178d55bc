"""What a diagnosis asks the rest of the monitor; storage and app answer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.promql.value import Matrix


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """An issue, as far as a message mentions it."""

    id: int
    short_id: str
    title: str
    event_count: int
    user_count: int
    first_seen_at: datetime
    release: str


@dataclass(frozen=True, slots=True)
class Release:
    """A release and when its first event came."""

    project: str
    version: str
    first_seen_at: datetime
    path: str


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What a probe last saw."""

    name: str
    target: str
    message: str
    is_success: bool
    path: str


class Metrics(Protocol):
    """Answers queries."""

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        """Evaluate at every step of a range.

        Raises:
            QueryError: If the query fails.
        """
        ...


class Errors(Protocol):
    """Knows issues and releases."""

    async def get_issue(self, issue_id: int) -> IssueFacts | None:
        """Return an issue."""
        ...

    async def find_new_issue(self, since: datetime, until: datetime) -> IssueFacts | None:
        """Return the one with the most events of the unresolved issues first seen then."""
        ...

    async def find_last_release(self, until: datetime) -> Release | None:
        """Return the release whose first event came last."""
        ...


class Probes(Protocol):
    """Knows what probes have seen."""

    async def find_probe(self, name: str) -> ProbeFacts | None:
        """Return what the probe of that name last saw."""
        ...
