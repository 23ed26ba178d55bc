"""What stands beside the spans of a trace: errors that occurred in it, lines that it logged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TraceError:
    """An error event that occurred in a trace.

    Attributes:
        span_id: Where; empty if that was not said.
        at_us: When, in microseconds since the epoch.
        title: The issue's type, for example `ValueError`.
    """

    issue_id: int
    event_id: str
    project_id: int
    span_id: str
    at_us: int
    title: str
    message: str
    level: str


class TraceErrorReader(Protocol):
    """Knows which errors occurred in a trace."""

    async def find_errors(self, trace_id: str, *, limit: int) -> Sequence[TraceError]:
        """Return the errors of a trace whose events are kept, the oldest first."""
        ...


class TraceErrorKeeper(Protocol):
    """Remembers which errors occurred in which trace."""

    async def forget(self, before: datetime) -> int:
        """Forget a bounded number of errors from before a moment; return how many."""
        ...


@dataclass(frozen=True, slots=True)
class TraceLog:
    """A line that was logged in a trace."""

    span_id: str
    at_us: int
    severity: str
    message: str
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


class TraceLogReader(Protocol):
    """Knows what was logged in a trace; a store of logs implements it."""

    async def find_logs(self, trace_id: str, *, limit: int) -> Sequence[TraceLog]:
        """Return the lines of a trace that are kept, the oldest first."""
        ...
