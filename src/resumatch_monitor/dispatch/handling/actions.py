"""What people can do about an occurrence of an alert, as a state machine.

It does no I/O and asks no clock. An occurrence is open, acknowledged or snoozed, each of which ends
the others; who it is assigned to and what it turned out to be are told beside that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.dispatch.handling.handling import Handling, Outcome
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds

LONGEST_SNOOZE = timedelta(days=30)
LONGEST_TEXT = 4096
LONGEST_NAME = 254


class Via(StrEnum):
    """Which way something was done."""

    UI = "ui"
    API = "api"
    LINK = "link"
    PAGERDUTY = "pagerduty"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a mail address, `token:<name>`, `link: <recipient>`, a name."""

    name: str
    via: Via


class ActionKind(StrEnum):
    """What can be done."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    ASSIGN = "assign"
    SNOOZE = "snooze"
    UNSNOOZE = "unsnooze"
    COMMENT = "comment"
    RESOLVE = "resolve"
    JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is to be done.

    Attributes:
        text: The comment, or why; of an assignment the assignee, empty for nobody.
        until: Of a snooze: its end. Of a resolution: until when the same stretch is not heard.
        outcome: Of a judgement; None takes it back.
    """

    kind: ActionKind
    text: str = ""
    until: datetime | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """An occurrence as an action finds it.

    Attributes:
        is_over: The condition holds no more.
        is_event: It merely happened; there is nothing to hold back and nothing to end.
    """

    id: OccurrenceId
    is_over: bool = False
    is_event: bool = False
    handling: Handling | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of what happened to an occurrence.

    Attributes:
        action: In the past tense: `acknowledged`, `snoozed`, …
        text: What else there is to say: a comment, until when, to whom.
    """

    occurrence_id: OccurrenceId
    at: datetime
    actor: str
    via: Via
    action: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What an action makes of an occurrence.

    Attributes:
        entry: None if it was so already: then nothing has to be stored.
    """

    handling: Handling
    entry: JournalEntry | None


class ActionRefusedError(Exception):
    """It cannot be done; `code` says why for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def carry_out(subject: Subject, action: Action, actor: Actor, now: datetime) -> Change:
    """Return what `action` makes of `subject`.

    Raises:
        ActionRefusedError: `over` (the occurrence has ended), `event` (there is nothing to hold
            back or to end), `invalid` (the action itself).
    """
    _check(subject, action)
    now = from_milliseconds(to_milliseconds(now))
    before = subject.handling or Handling(subject.id)
    after, word, text = _STEPS[action.kind](before, action, actor, now)
    if not word:
        return Change(before, None)
    entry = JournalEntry(subject.id, now, actor.name[:LONGEST_NAME], actor.via, word, text)
    return Change(after, entry)


def _check(subject: Subject, action: Action) -> None:
    kind = action.kind
    if len(action.text) > LONGEST_TEXT:
        raise ActionRefusedError("invalid", f"The text is longer than {LONGEST_TEXT} characters.")
    if kind in (ActionKind.COMMENT, ActionKind.JUDGE):
        return
    if subject.is_event and kind in (ActionKind.SNOOZE, ActionKind.UNSNOOZE, ActionKind.RESOLVE):
        raise ActionRefusedError(
            "event", "It happened once and is told once: there is nothing to snooze or resolve."
        )
    if subject.is_over and not subject.is_event:
        raise ActionRefusedError("over", "The alert has ended; nothing is left to be done.")


# What a step returns: the handling, the journal's word (empty: it was so already), the text.
_Step = tuple[Handling, str, str]


def _acknowledge(before: Handling, action: Action, actor: Actor, now: datetime) -> _Step:
    name = actor.name[:LONGEST_NAME]
    if before.acknowledged_at is not None and before.acknowledged_by == name:
        return before, "", ""
    after = replace(
        before,
        # Somebody who takes over does not make that nobody worked on it until then.
        acknowledged_at=before.acknowledged_at or now,
        acknowledged_by=name,
        snoozed_until=None,
    )
    return after, "acknowledged", action.text


def _unacknowledge(before: Handling, action: Action, _actor: Actor, _now: datetime) -> _Step:
    if before.acknowledged_at is None:
        return before, "", ""
    after = replace(before, acknowledged_at=None, acknowledged_by="")
    return after, "unacknowledged", action.text


def _assign(before: Handling, action: Action, _actor: Actor, _now: datetime) -> _Step:
    assignee = action.text.strip()
    if len(assignee) > LONGEST_NAME:
        raise ActionRefusedError("invalid", f"A name has at most {LONGEST_NAME} characters.")
    if assignee == before.assignee:
        return before, "", ""
    return replace(before, assignee=assignee), "assigned" if assignee else "unassigned", assignee


def _snooze(before: Handling, action: Action, _actor: Actor, now: datetime) -> _Step:
    if action.until is None or action.until <= now:
        raise ActionRefusedError("invalid", "A snooze needs an end that lies ahead.")
    if action.until - now > LONGEST_SNOOZE:
        raise ActionRefusedError(
            "invalid", f"A snooze lasts at most {LONGEST_SNOOZE.days} days; make a silence."
        )
    until = from_milliseconds(to_milliseconds(action.until))
    if before.snoozed_until == until:
        return before, "", ""
    after = replace(before, snoozed_until=until, acknowledged_at=None, acknowledged_by="")
    return after, "snoozed", _and_why(f"until {until:%Y-%m-%d %H:%M} UTC", action.text)


def _unsnooze(before: Handling, action: Action, _actor: Actor, now: datetime) -> _Step:
    if not before.is_snoozed(now):
        return before, "", ""
    return replace(before, snoozed_until=None), "unsnoozed", action.text


def _comment(before: Handling, action: Action, _actor: Actor, _now: datetime) -> _Step:
    text = action.text.strip()
    if not text:
        raise ActionRefusedError("invalid", "A comment says something.")
    return before, "commented", text


def _resolve(before: Handling, action: Action, actor: Actor, now: datetime) -> _Step:
    if before.resolved_at is not None:
        return before, "", ""
    until = None if action.until is None else from_milliseconds(to_milliseconds(action.until))
    after = replace(
        before, resolved_at=now, resolved_by=actor.name[:LONGEST_NAME], resolved_until=until
    )
    return after, "resolved", action.text


def _judge(before: Handling, action: Action, _actor: Actor, _now: datetime) -> _Step:
    if action.outcome is Outcome.MISSED:
        raise ActionRefusedError(
            "invalid", "An alert that fired was not missed; record what no rule caught by itself."
        )
    if action.outcome is before.outcome:
        return before, "", ""
    said = action.outcome.value if action.outcome is not None else "not said any more"
    return replace(before, outcome=action.outcome), "judged", _and_why(said, action.text)


def _and_why(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


_STEPS: Mapping[ActionKind, Callable[[Handling, Action, Actor, datetime], _Step]] = {
    ActionKind.ACKNOWLEDGE: _acknowledge,
    ActionKind.UNACKNOWLEDGE: _unacknowledge,
    ActionKind.ASSIGN: _assign,
    ActionKind.SNOOZE: _snooze,
    ActionKind.UNSNOOZE: _unsnooze,
    ActionKind.COMMENT: _comment,
    ActionKind.RESOLVE: _resolve,
    ActionKind.JUDGE: _judge,
}
