"""A silence: when it holds what back, and what cannot be one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.metrics.labels import Matcher, MatchOp

MOST_MATCHERS = 32

_LONGEST_MATCHER = 2048
_LONGEST_COMMENT = 4096
_LONGEST_AUTHOR = 200


class SilenceState(StrEnum):
    """Whether a silence holds anything back."""

    ACTIVE = "active"
    PENDING = "pending"
    EXPIRED = "expired"


class InvalidSilenceError(ValueError):
    """A silence cannot be as it was asked for; the message says why."""


class SilenceNotFoundError(LookupError):
    """There is no silence of that id, or there is none any more."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of time in which alerts that match are not told.

    Attributes:
        warned_at: When people were told that it ends soon.
        ended_by: Who ended it before its time; empty if nobody did.
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    created_at: datetime
    updated_at: datetime
    warned_at: datetime | None = None
    ended_by: str = ""

    def state(self, now: datetime) -> SilenceState:
        """Tell what it is at `now`."""
        if now >= self.ends_at:
            return SilenceState.EXPIRED
        return SilenceState.PENDING if now < self.starts_at else SilenceState.ACTIVE

    def is_over(self, now: datetime) -> bool:
        """Tell whether it has ended."""
        return now >= self.ends_at


@dataclass(frozen=True, slots=True)
class SilenceDraft:
    """What somebody asks for: a silence, or with an `id` another form of one that is there."""

    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    id: str = ""


def to_mute(silence: Silence) -> Mute:
    """Return what a silence says to people."""
    until = silence.ends_at.strftime("%Y-%m-%d %H:%M UTC")
    text = f"silenced by {silence.created_by or 'somebody'} until {until}"
    if silence.comment:
        text += f": {silence.comment}"
    return Mute(MuteKind.SILENCED, silence.id, text, silence.ends_at)


def check_draft(draft: SilenceDraft, now: datetime) -> None:
    """Check that a silence can be as `draft` asks for.

    Raises:
        InvalidSilenceError: If it cannot.
    """
    if draft.starts_at >= draft.ends_at:
        raise InvalidSilenceError("the start must be before the end")
    if draft.ends_at <= now:
        raise InvalidSilenceError("the end must not be in the past")
    if len(draft.created_by) > _LONGEST_AUTHOR:
        raise InvalidSilenceError(f"the author's name is longer than {_LONGEST_AUTHOR} characters")
    if len(draft.comment) > _LONGEST_COMMENT:
        raise InvalidSilenceError(f"the comment is longer than {_LONGEST_COMMENT} characters")
    check_matchers(draft.matchers)


def check_matchers(matchers: Sequence[Matcher]) -> None:
    """Check that `matchers` select some alerts and not all that there are.

    Raises:
        InvalidSilenceError: If they do not.
    """
    if not matchers:
        raise InvalidSilenceError("at least one matcher is needed")
    if len(matchers) > MOST_MATCHERS:
        raise InvalidSilenceError(f"there may be at most {MOST_MATCHERS} matchers")
    for number, matcher in enumerate(matchers, start=1):
        if not matcher.name:
            raise InvalidSilenceError(f"matcher {number} names no label")
        if len(matcher.name) + len(matcher.value) > _LONGEST_MATCHER:
            raise InvalidSilenceError(
                f"matcher {number} is longer than {_LONGEST_MATCHER} characters"
            )
    # As in Alertmanager, an inequality alone counts as a matcher of something.
    positive = (MatchOp.EQUAL, MatchOp.REGEX)
    if all(matcher.op in positive and matcher.matches("") for matcher in matchers):
        raise InvalidSilenceError("at least one matcher must not match the empty string")
