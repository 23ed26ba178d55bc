"""How an issue stands, and what people can decide about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.sentry.values import as_dict, as_list

NEW_FOR = timedelta(days=7)
"""For how long an issue counts as new."""


class DecisionError(ValueError):
    """What was decided makes no sense for the issue; the text says why."""


class Substatus(StrEnum):
    """What an unresolved issue is."""

    NEW = "new"
    ONGOING = "ongoing"
    REGRESSED = "regressed"
    ESCALATING = "escalating"


class Priority(StrEnum):
    """How urgent an issue is."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ResolutionKind(StrEnum):
    """In what an issue is resolved."""

    NOW = "now"
    NEXT_RELEASE = "next_release"
    RELEASE = "release"
    COMMIT = "commit"


class ArchiveKind(StrEnum):
    """What ends an archived issue's rest."""

    FOREVER = "forever"
    UNTIL = "until"
    EVENTS = "events"
    USERS = "users"
    ESCALATING = "escalating"


@dataclass(frozen=True, slots=True)
class Resolution:
    """In what an issue is resolved.

    Attributes:
        release: Of the kind `next_release` the newest one at that time, of `release` and `commit`
            the one with the mend in it.
    """

    kind: ResolutionKind
    release: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """For how long an issue rests.

    Attributes:
        until: When it is over, whatever happens.
        events: At which count of events, of all time or within `window`, it is over.
        users: At which count of users, of all time, it is over.
        window: Over which events are counted; None for all time.
        counts: Events by the start of a bucket of the window in milliseconds, oldest first.
    """

    kind: ArchiveKind
    until: datetime | None = None
    events: int | None = None
    users: int | None = None
    window: timedelta | None = None
    counts: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "kind": self.kind.value,
            "until": None if self.until is None else to_milliseconds(self.until),
            "events": self.events,
            "users": self.users,
            "window": None if self.window is None else int(self.window.total_seconds()),
            "counts": [list(pair) for pair in self.counts],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Archive":
        """Read what `to_json` made."""
        until, window = value.get("until"), value.get("window")
        return cls(
            kind=ArchiveKind(value["kind"]),
            until=None if until is None else from_milliseconds(until),
            events=value.get("events"),
            users=value.get("users"),
            window=None if window is None else timedelta(seconds=window),
            counts=tuple((int(at), int(n)) for at, n in as_list(value.get("counts"))),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How an issue stands; all that decisions and events go by."""

    status: IssueStatus
    resolution: Resolution | None = None
    resolved_at: datetime | None = None
    archive: Archive | None = None
    is_regressed: bool = False
    is_escalating: bool = False
    is_synthetic: bool = False
    event_count: int = 0
    user_count: int = 0

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Standing":
        """Read the row of an issue; columns that it lacks are as those of a new one."""
        kind, commit = row.get("resolution"), row.get("resolution_commit")
        archive = as_dict(row.get("archive"))
        return cls(
            status=IssueStatus(row["status"]),
            resolution=(
                Resolution(ResolutionKind(kind), row.get("resolution_release"), commit)
                if kind
                else None
            ),
            resolved_at=row["resolved_at"],
            archive=Archive.from_json(archive) if archive else None,
            is_regressed=row["is_regressed"],
            is_escalating=bool(row.get("is_escalating")),
            is_synthetic=row["is_synthetic"],
            event_count=row["event_count"],
            user_count=row["user_count"],
        )

    def to_columns(self) -> dict[str, Any]:
        """Return the columns that decisions change."""
        resolution, archive = self.resolution, self.archive
        return {
            "status": self.status.value,
            "resolved_at": self.resolved_at,
            "resolution": None if resolution is None else resolution.kind.value,
            "resolution_release": None if resolution is None else resolution.release,
            "resolution_commit": None if resolution is None else resolution.commit,
            "archive": None if archive is None else archive.to_json(),
            "archived_until": None if archive is None else archive.until,
            "is_regressed": self.is_regressed,
            "is_escalating": self.is_escalating,
        }


def find_substatus(
    status: IssueStatus,
    *,
    is_regressed: bool,
    is_escalating: bool,
    first_seen_at: datetime,
    now: datetime,
) -> Substatus | None:
    """Return what an unresolved issue is; None for others."""
    if status is not IssueStatus.UNRESOLVED:
        return None
    if is_escalating:
        return Substatus.ESCALATING
    if is_regressed:
        return Substatus.REGRESSED
    return Substatus.NEW if now - first_seen_at < NEW_FOR else Substatus.ONGOING


def default_priority(level: str) -> Priority:
    """Return the priority of an issue about which nobody has decided."""
    if level in ("fatal", "error"):
        return Priority.HIGH if level == "fatal" else Priority.MEDIUM
    return Priority.MEDIUM if level == "warning" else Priority.LOW
