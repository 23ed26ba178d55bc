"""A member of a group: what people believe of an alert, and what there is to tell of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.flapping import Flap
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.kit.clock import to_milliseconds

HUSHED = "~hushed"
"""Ends the key of a mark: a person has muted what was told; it is told anew when that ends."""
FLAPS = "~flaps"
"""Ends the key of a mark: people were told that it flaps."""

# A person asked not to hear of it for a while and wants to know what has become of it.
_HUSHING = frozenset({MuteKind.SILENCED, MuteKind.SNOOZED})
# An event that happens meanwhile was meant by it; there is nothing left to tell afterwards.
_SWALLOWING = frozenset({MuteKind.SILENCED, MuteKind.INHIBITED, MuteKind.DEPENDENT})


def _never(_: Occurrence) -> None:
    return None


def _no(_: Occurrence) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Outlook:
    """What bears on the members of a group at one moment.

    Attributes:
        mute_of: What holds an alert back.
        flap_of: How it flaps.
        is_acknowledged: Whether somebody works on it.
    """

    mute_of: Callable[[Occurrence], Mute | None] = _never
    flap_of: Callable[[Occurrence], Flap | None] = _never
    is_acknowledged: Callable[[Occurrence], bool] = _no


@dataclass(slots=True)
class Member:
    """An alert in its group.

    Attributes:
        told_at: Since when people believe that it fires; None if they do not.
        is_hushed: A person has muted it after it was told.
        is_flap_told: People were told that it flaps.
        mute: What held it back at the last look.
    """

    occurrence: Occurrence
    told_at: datetime | None = None
    is_hushed: bool = False
    is_flap_told: bool = False
    mute: Mute | None = None

    @property
    def is_told(self) -> bool:
        """Whether people believe that it fires."""
        return self.told_at is not None

    @property
    def is_resolved(self) -> bool:
        """Whether it has ended."""
        return self.occurrence.alert.status is AlertStatus.RESOLVED

    @property
    def is_settled(self) -> bool:
        """Whether people believe what is the case, and nobody waits to hear of it anew."""
        return self.is_told and not (self.is_resolved or self.is_hushed or self.is_flap_told)


class Stance(StrEnum):
    """What there is to tell of a member."""

    NEWS = "news"
    FLAPS = "flaps"
    KNOWN = "known"
    HELD = "held"
    ENDED = "ended"
    OVER = "over"


@dataclass(slots=True)
class View:
    """A member as it looks at one moment.

    Attributes:
        is_fresh: People learn that it fires, for the first time or anew.
        is_steady_again: People learn that it does not flap any more.
        is_hushed_now: A person has muted it since the last look.
    """

    key: str
    occurrence: Occurrence
    stance: Stance
    mute: Mute | None = None
    flap: Flap | None = None
    is_fresh: bool = False
    is_steady_again: bool = False
    is_hushed_now: bool = False
    is_newly_held: bool = False
    is_acknowledged: bool = False


def judge(key: str, member: Member, outlook: Outlook) -> View:
    """Return what there is to tell of `member`."""
    if member.is_resolved:
        return _judge_ended(key, member, outlook)
    occurrence = member.occurrence
    mute = outlook.mute_of(occurrence)
    if mute is not None:
        return _hold(key, member, mute)
    if occurrence.alert.is_event:
        return View(key, occurrence, Stance.NEWS, is_fresh=True)
    is_acknowledged = outlook.is_acknowledged(occurrence)
    flap = outlook.flap_of(occurrence)
    if flap is not None and not member.is_flap_told:
        is_fresh = not member.is_told or member.is_hushed
        return View(key, occurrence, Stance.FLAPS, flap=flap, is_fresh=is_fresh)
    if flap is None and member.is_flap_told:
        is_fresh = not member.is_told or member.is_hushed
        return View(key, occurrence, Stance.NEWS, is_fresh=is_fresh, is_steady_again=True)
    if not member.is_told or (member.is_hushed and not is_acknowledged):
        return View(key, occurrence, Stance.NEWS, is_fresh=True)
    return View(key, occurrence, Stance.KNOWN, is_acknowledged=is_acknowledged)


def _judge_ended(key: str, member: Member, outlook: Outlook) -> View:
    occurrence = member.occurrence
    if not member.is_told:
        return View(key, occurrence, Stance.OVER)
    flap = outlook.flap_of(occurrence) if member.is_flap_told else None
    if flap is None:
        return View(key, occurrence, Stance.ENDED)
    mute = Mute(MuteKind.FLAPPING, occurrence.alert.fingerprint, flap.text, flap.until)
    return View(key, occurrence, Stance.HELD, mute=mute, is_newly_held=_is_new(member, mute))


def _hold(key: str, member: Member, mute: Mute) -> View:
    if member.occurrence.alert.is_event and mute.kind in _SWALLOWING:
        stance = Stance.OVER
    else:
        stance = Stance.HELD
    return View(
        key,
        member.occurrence,
        stance,
        mute=mute,
        is_hushed_now=member.is_told and not member.is_hushed and is_hushing(mute),
        is_newly_held=_is_new(member, mute),
    )


def _is_new(member: Member, mute: Mute) -> bool:
    return member.mute is None or member.mute.kind is not mute.kind


def is_hushing(mute: Mute) -> bool:
    """Tell whether what it holds back is told anew when it ends, although it was told before."""
    return mute.kind in _HUSHING


def member_key(occurrence: Occurrence) -> str:
    """Name the member that an occurrence belongs to: its alert, or itself if it is an event."""
    if occurrence.alert.is_event:
        return event_key(occurrence.id)
    return occurrence.alert.fingerprint


def event_key(occurrence_id: OccurrenceId) -> str:
    """Name the member that an event is."""
    return f"{occurrence_id.fingerprint}@{to_milliseconds(occurrence_id.starts_at)}"
