"""Merges and splits as they are asked for and told of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

MERGE_MAX = 50
"""How many issues one merge joins."""
SPLIT_MAX = 50
"""How many keys one split takes out."""


class RegroupError(ValueError):
    """What was asked for cannot be done; the message says why."""


class NoSuchIssueError(RegroupError):
    """There is no such issue, or merge."""


@dataclass(frozen=True, slots=True)
class KeyId:
    """A grouping key within a project."""

    version: int
    key: bytes

    @property
    def text(self) -> str:
        """As paths and bodies write it."""
        return f"{self.version}-{self.key.hex()}"


def parse_key(text: str) -> KeyId | None:
    """Read what `KeyId.text` wrote; None if it did not."""
    version, _, digits = text.partition("-")
    if not (version.isascii() and version.isdigit() and len(version) < 6 and len(digits) == 32):
        return None
    try:
        return KeyId(int(version), bytes.fromhex(digits))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key that leads to an issue.

    Attributes:
        event_count: All events that came by it.
        stored_count: Those that are still stored.
        sample_event_id: The latest of them; None if none is stored.
        sample_message: What that one says.
    """

    id: KeyId
    event_count: int
    stored_count: int
    last_seen_at: datetime | None
    sample_event_id: str | None
    sample_message: str


@dataclass(frozen=True, slots=True)
class Member:
    """An issue that was merged into another, or split off."""

    issue_id: int
    short_id: str
    title: str
    event_count: int


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """A merge or split that was done.

    Attributes:
        kind: `merge` or `split`.
        issue_id: What was merged into, or split.
        members: What was merged into it, or split off.
        obstacle: Why it cannot be undone; empty if it can.
    """

    id: int
    kind: str
    issue_id: int
    at: datetime
    actor: str
    members: Sequence[Member]
    undone_at: datetime | None
    undone_by: str | None
    obstacle: str


@dataclass(frozen=True, slots=True)
class Regrouped:
    """What came of a merge, a split, or undoing one.

    Attributes:
        issue_id: The issue that stayed.
        other_ids: Issues that are gone, or that are there now.
        missing_events: Events that are counted and no longer stored, whose hours, tags and users
            therefore stay where they were.
    """

    merge_id: int
    issue_id: int
    other_ids: Sequence[int]
    missing_events: int = 0


class IssueRegrouper(Protocol):
    """Merges and splits issues; every change is one durable transaction."""

    async def merge(
        self, target_id: int, issue_ids: Sequence[int], *, actor: str, at: datetime
    ) -> Regrouped:
        """Make issues of one project one, with what is counted and what comes by their keys.

        Raises:
            NoSuchIssueError: If one is not there.
            RegroupError: If they are of several projects, or too many, or nothing is left to do.
        """
        ...

    async def split(
        self, issue_id: int, keys: Sequence[KeyId], *, actor: str, at: datetime
    ) -> Regrouped:
        """Make an issue of the events that came by some of an issue's keys.

        Raises:
            NoSuchIssueError: If it is not there.
            RegroupError: If a key does not lead to it, or none would stay.
        """
        ...

    async def undo(self, merge_id: int, *, actor: str, at: datetime) -> Regrouped:
        """Undo a merge or split, with what has come since.

        Raises:
            NoSuchIssueError: If it is not there.
            RegroupError: If it cannot be undone, or not yet.
        """
        ...

    async def list_keys(self, issue_id: int) -> Sequence[KeyUse]:
        """Return the keys that lead to an issue, the most used first, at most 100."""
        ...

    async def find_event_key(self, issue_id: int, event_id: str) -> KeyId | None:
        """Return the key that led a stored event to its issue; None if it is not known."""
        ...

    async def list_merges(self, issue_id: int) -> Sequence[MergeRecord]:
        """Return the merges and splits of an issue, the latest first, at most 50."""
        ...

    async def find_heir(self, issue_id: int) -> int | None:
        """Return the issue into which one that is gone was merged; None if it was not."""
        ...
