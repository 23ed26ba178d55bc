"""What people's decisions make of an issue, and how its activity tells of them; pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.workflow.events import reopen
from resumatch_monitor.errortracking.workflow.model import (
    Archive,
    ArchiveKind,
    DecisionError,
    Priority,
    Resolution,
    ResolutionKind,
    Standing,
)
from resumatch_monitor.kit.durations import format_duration

LONGEST_REST = timedelta(days=366)
_ESCALATION_WINDOW = timedelta(hours=1)
_ESCALATION_LEAST = 10
_ESCALATION_FACTOR = 2


class Unset:
    """Says that something is left as it is."""


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class Rest:
    """For how long an issue is to rest; `events` and `users` are counted from now on."""

    kind: ArchiveKind = ArchiveKind.FOREVER
    until: datetime | None = None
    events: int | None = None
    users: int | None = None
    window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody wants of issues; what is unset stays.

    Attributes:
        assignee: Empty for nobody.
        priority: None for the one of the issue's level.
    """

    status: IssueStatus | None = None
    resolution: Resolution = field(default_factory=lambda: Resolution(ResolutionKind.NOW))
    rest: Rest = field(default_factory=Rest)
    assignee: str | Unset = UNSET
    priority: Priority | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around an issue.

    Attributes:
        newest_release: Of its project.
        release_of_commit: The first release of its project with a commit, by a part of its hash.
        busiest_hour: Returns its most events in an hour of the last week.
    """

    newest_release: Callable[[], str | None]
    release_of_commit: Callable[[str], str | None]
    busiest_hour: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the activity."""

    kind: str
    text: str


def decide(
    standing: Standing, decision: Decision, *, at: datetime, around: Surroundings
) -> tuple[Standing, Entry | None]:
    """Return how an issue stands after a decision about its status; no entry if nothing changed.

    Raises:
        DecisionError: If it makes no sense for this issue.
    """
    if decision.status is IssueStatus.RESOLVED:
        return _resolve(standing, decision.resolution, at, around)
    if decision.status is IssueStatus.IGNORED:
        return _archive(standing, decision.rest, at, around)
    if decision.status is IssueStatus.UNRESOLVED:
        is_pending = standing.resolution is not None
        if standing.status is IssueStatus.UNRESOLVED and not is_pending:
            return standing, None
        return replace(reopen(standing), is_escalating=False), Entry("reopened", "Reopened")
    return standing, None


def resolve_in_release(standing: Standing, release: str, at: datetime) -> tuple[Standing, Entry]:
    """Return how an issue stands once the release with the commit that mends it is there."""
    commit = standing.resolution.commit if standing.resolution is not None else None
    resolution = Resolution(ResolutionKind.COMMIT, release, commit)
    text = f"Release {release} has commit {(commit or '')[:12]}"
    return _resolved(standing, resolution, at), Entry("resolved", text)


def _resolved(standing: Standing, resolution: Resolution, at: datetime) -> Standing:
    return replace(
        reopen(standing),
        status=IssueStatus.RESOLVED,
        resolution=resolution,
        resolved_at=at,
        is_escalating=False,
    )


def _resolve(
    standing: Standing, wanted: Resolution, at: datetime, around: Surroundings
) -> tuple[Standing, Entry | None]:
    if wanted.kind is ResolutionKind.COMMIT:
        return _resolve_in_commit(standing, wanted, at, around)
    resolution, text = wanted, "Marked as resolved"
    if wanted.kind is ResolutionKind.NEXT_RELEASE:
        newest = around.newest_release()
        if newest is None:
            raise DecisionError("No release of the project is known, so none can be the next one.")
        resolution = replace(wanted, release=newest)
        text = f"Resolved in the release after {newest}"
    elif wanted.kind is ResolutionKind.RELEASE:
        release = wanted.release or around.newest_release()
        if release is None:
            raise DecisionError("No release of the project is known; say which one is meant.")
        resolution = replace(wanted, release=release)
        text = f"Resolved in release {release}"
    is_legacy = standing.resolution is None and resolution.kind is ResolutionKind.NOW
    if standing.status is IssueStatus.RESOLVED and (is_legacy or standing.resolution == resolution):
        # Once more is no change: the time counts from when it was decided first.
        return standing, None
    return _resolved(standing, resolution, at), Entry("resolved", text)


def _resolve_in_commit(
    standing: Standing, wanted: Resolution, at: datetime, around: Surroundings
) -> tuple[Standing, Entry | None]:
    commit = (wanted.commit or "").lower()
    if len(commit) < 7:
        raise DecisionError("Name the commit by at least seven digits of its hash.")
    release = around.release_of_commit(commit)
    pending = Resolution(ResolutionKind.COMMIT, None, commit)
    if release is not None:
        return resolve_in_release(replace(standing, resolution=pending), release, at)
    if standing.resolution == pending:
        return standing, None
    return (
        replace(reopen(standing), resolution=pending),
        Entry("resolves", f"To be resolved by the release with commit {commit[:12]}"),
    )


def _archive(
    standing: Standing, rest: Rest, at: datetime, around: Surroundings
) -> tuple[Standing, Entry | None]:
    archive, text = _make_archive(standing, rest, at, around)
    is_known = standing.archive is None or standing.archive.kind is ArchiveKind.FOREVER
    is_forever = archive.kind is ArchiveKind.FOREVER
    if standing.status is IssueStatus.IGNORED and is_known and is_forever:
        return standing, None
    archived = replace(
        reopen(standing), status=IssueStatus.IGNORED, archive=archive, is_escalating=False
    )
    return archived, Entry("ignored", text)


def _make_archive(
    standing: Standing, rest: Rest, at: datetime, around: Surroundings
) -> tuple[Archive, str]:
    if rest.kind is ArchiveKind.UNTIL:
        if rest.until is None or not at < rest.until <= at + LONGEST_REST:
            raise DecisionError("An issue rests until a time within the next year.")
        until = rest.until.astimezone(UTC)
        return Archive(rest.kind, until=until), f"Archived until {until:%Y-%m-%d %H:%M} UTC"
    if rest.kind is ArchiveKind.EVENTS:
        events = _demand(rest.events, "events")
        if rest.window is None:
            return (
                Archive(rest.kind, events=standing.event_count + events),
                f"Archived until it has {events} more events",
            )
        if not timedelta(minutes=1) <= rest.window <= timedelta(days=7):
            raise DecisionError("Events are counted over a minute at least, and a week at most.")
        text = f"Archived until {events} events come within {format_duration(rest.window)}"
        return Archive(rest.kind, events=events, window=rest.window), text
    if rest.kind is ArchiveKind.USERS:
        users = _demand(rest.users, "users")
        return (
            Archive(rest.kind, users=standing.user_count + users),
            f"Archived until {users} more users meet it",
        )
    if rest.kind is ArchiveKind.ESCALATING:
        limit = max(_ESCALATION_LEAST, around.busiest_hour() * _ESCALATION_FACTOR)
        text = f"Archived until it escalates: {limit} events within an hour"
        return Archive(rest.kind, events=limit, window=_ESCALATION_WINDOW), text
    return Archive(ArchiveKind.FOREVER), "Archived for ever"


def _demand(number: int | None, what: str) -> int:
    if number is None or not 1 <= number <= 1_000_000_000:
        raise DecisionError(f"Say how many {what}: a number from 1 on.")
    return number
