"""What the workflow asks of whoever keeps the issues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from resumatch_monitor.errortracking.workflow.decisions import Decision

MOST_ISSUES = 1_000
"""How many issues one decision is about at most."""
MOST_MATCHING = 10_000
"""How many issues one change of all that match a search is about at most."""
LONGEST_COMMENT = 10_000


class ConflictError(Exception):
    """Somebody else, or an event, has changed the issue meanwhile.

    Attributes:
        revision: The one that the issue has.
    """

    def __init__(self, issue_id: int, revision: int) -> None:
        super().__init__(f"Issue {issue_id} has been changed meanwhile; look at it again.")
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision.

    Attributes:
        updated: How many issues it changed.
        undo_id: By which it can be undone; None if it changed nothing.
    """

    updated: int
    undo_id: int | None


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of taking a decision back; `kept` have been changed again since."""

    restored: int
    kept: int


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """An entry of an issue's activity; a comment is one of them."""

    id: int
    at: datetime
    kind: str
    actor: str | None
    text: str
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """A page of an issue's activity, the latest first."""

    items: Sequence[ActivityEntry]
    next_cursor: str | None


class IssueWorkflow(Protocol):
    """Keeps what people decide about issues and say of them."""

    async def decide(
        self,
        issue_ids: Sequence[int],
        decision: Decision,
        *,
        actor: str,
        at: datetime,
        revisions: Mapping[int, int] | None = None,
    ) -> Decided:
        """Apply a decision to the issues that exist, to all or to none.

        Raises:
            DecisionError: If it makes no sense for one of them.
            ConflictError: If one does not have the revision that `revisions` names.
        """
        ...

    async def undo(self, undo_id: int, *, actor: str, at: datetime) -> Undone | None:
        """Take a decision back; None if there is none, or it is too long ago."""
        ...

    async def activity(self, issue_id: int, *, cursor: str | None, limit: int) -> ActivityPage:
        """Return a page of an issue's activity.

        Raises:
            ValueError: If the cursor is not one of this list's.
        """
        ...


class CommentBook(Protocol):
    """Keeps what people say of issues."""

    async def comment(
        self, issue_id: int, text: str, *, actor: str, at: datetime
    ) -> ActivityEntry | None:
        """Add a comment; None if there is no such issue."""
        ...

    async def find_comment(self, issue_id: int, comment_id: int) -> ActivityEntry | None:
        """Return a comment."""
        ...

    async def edit_comment(self, comment_id: int, text: str, *, at: datetime) -> None:
        """Change a comment's text."""
        ...

    async def delete_comment(self, comment_id: int) -> None:
        """Forget a comment."""
        ...


class WorkflowDue(Protocol):
    """Changes issues when a time or a release has come; every method is one transaction."""

    async def end_rests(self, now: datetime) -> int:
        """Reopen a bounded number of issues whose time of rest is over; return how many."""
        ...

    async def resolve_by_commits(self, now: datetime) -> int:
        """Resolve the issues whose commit has come with a release; return how many."""
        ...
