"""What an event does to what people decided about its issue; pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.workflow.model import (
    Archive,
    ResolutionKind,
    Standing,
)
from resumatch_monitor.errortracking.workflow.release_order import FirstSeen, is_newer
from resumatch_monitor.kit.clock import to_milliseconds

_BUCKETS = 60


class Waking(StrEnum):
    """What happened to an issue."""

    APPEARED = "appeared"
    """Only probes of the monitor's own had met it."""
    REGRESSED = "regressed"
    ESCALATED = "escalated"
    RESTED = "rested"
    """Its time of rest was over."""


@dataclass(frozen=True, slots=True)
class Sight:
    """An event, as far as it matters here."""

    occurred_at: datetime
    received_at: datetime
    release: str
    is_synthetic: bool


@dataclass(frozen=True, slots=True)
class Reaction:
    """How the issue stands after an event; `wakings` says what people may want to hear of."""

    standing: Standing
    wakings: tuple[Waking, ...] = ()
    remark: str = ""


def observe(standing: Standing, sight: Sight, *, first_seen: FirstSeen) -> Reaction:
    """Return what an event makes of its issue.

    Args:
        standing: How the issue stands; its counts do not have the event yet.
        sight: The event.
        first_seen: Knows the releases of the issue's project.
    """
    if sight.is_synthetic:
        return Reaction(standing)
    wakings: tuple[Waking, ...] = ()
    if standing.is_synthetic:
        standing = replace(standing, is_synthetic=False)
        if standing.status is IssueStatus.UNRESOLVED:
            wakings = (Waking.APPEARED,)
    if standing.status is IssueStatus.RESOLVED and _comes_back(standing, sight, first_seen):
        reopened = replace(reopen(standing), is_regressed=True, is_escalating=False)
        return Reaction(reopened, (*wakings, Waking.REGRESSED))
    if standing.status is IssueStatus.IGNORED and standing.archive is not None:
        return _disturb(standing, standing.archive, sight, wakings)
    return Reaction(standing, wakings)


def reopen(standing: Standing) -> Standing:
    """Return the issue as an unresolved one."""
    return replace(
        standing,
        status=IssueStatus.UNRESOLVED,
        resolution=None,
        resolved_at=None,
        archive=None,
        is_regressed=False,
    )


def check_users(standing: Standing) -> Reaction:
    """Return what the count of users makes of an archived issue."""
    archive = standing.archive
    if standing.status is not IssueStatus.IGNORED or archive is None or archive.users is None:
        return Reaction(standing)
    if standing.user_count < archive.users:
        return Reaction(standing)
    return _escalate(standing, (), f"{standing.user_count} users have met it")


def end_rest(standing: Standing, now: datetime) -> Reaction:
    """Return what time makes of an archived issue."""
    archive = standing.archive
    if standing.status is not IssueStatus.IGNORED or archive is None or archive.until is None:
        return Reaction(standing)
    if now < archive.until:
        return Reaction(standing)
    return Reaction(
        reopen(standing), (Waking.RESTED,), "The time for which it was archived is over"
    )


def _comes_back(standing: Standing, sight: Sight, first_seen: FirstSeen) -> bool:
    """Return whether an event is one that the resolution should have prevented."""
    resolved_at, resolution = standing.resolved_at, standing.resolution
    if resolved_at is not None and sight.occurred_at <= resolved_at:
        return False
    if resolution is None or resolution.release is None or not sight.release:
        return True
    if resolution.kind is ResolutionKind.NEXT_RELEASE:
        # A mark that nobody knows any more is one that was forgotten for its age.
        return is_newer(sight.release, resolution.release, first_seen=first_seen, unknown=True)
    if resolution.kind in (ResolutionKind.RELEASE, ResolutionKind.COMMIT):
        # A mark that nobody knows is one that is yet to come.
        return sight.release == resolution.release or is_newer(
            sight.release, resolution.release, first_seen=first_seen, unknown=False
        )
    return True


def _disturb(
    standing: Standing, archive: Archive, sight: Sight, wakings: tuple[Waking, ...]
) -> Reaction:
    if archive.until is not None and sight.received_at >= archive.until:
        over = end_rest(standing, sight.received_at)
        return replace(over, wakings=(*wakings, *over.wakings))
    limit = archive.events
    if limit is None:
        return Reaction(standing, wakings)
    if archive.window is None:
        count = standing.event_count + 1
        if count >= limit:
            return _escalate(standing, wakings, f"{count} events have come")
        return Reaction(standing, wakings)
    archive, count = _count(archive, archive.window, sight.received_at)
    if count >= limit:
        return _escalate(standing, wakings, f"{count} events came within the window")
    return Reaction(replace(standing, archive=archive), wakings)


def _count(archive: Archive, window: timedelta, at: datetime) -> tuple[Archive, int]:
    """Count an event; return the archive and how many came within the window, to a 60th of it."""
    step = max(1, int(window.total_seconds() * 1000) // _BUCKETS)
    now = to_milliseconds(at)
    bucket, oldest = now - now % step, now - step * _BUCKETS
    counts = {start: count for start, count in archive.counts if start > oldest}
    counts[bucket] = counts.get(bucket, 0) + 1
    return replace(archive, counts=tuple(sorted(counts.items()))), sum(counts.values())


def _escalate(standing: Standing, wakings: tuple[Waking, ...], remark: str) -> Reaction:
    escalating = replace(reopen(standing), is_escalating=True)
    return Reaction(escalating, (*wakings, Waking.ESCALATED), remark)
