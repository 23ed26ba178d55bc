"""Which rules an event concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from resumatch_monitor.errortracking.alerting.config import (
    AlertWhen,
    IssueAlertRule,
    default_rules,
)
from resumatch_monitor.errortracking.grouping.globs import Glob
from resumatch_monitor.errortracking.search.parser import parse_event_filter
from resumatch_monitor.errortracking.search.predicate import matches
from resumatch_monitor.errortracking.store import AlertKind, DigestedEvent
from resumatch_monitor.kit.clock import to_milliseconds

_BUCKETS = 60
_MINUTE = 60_000
_URGENCY = {"critical": 2, "warning": 1, "info": 0}
_STARTS = {
    AlertKind.NEW: AlertWhen.NEW,
    AlertKind.REGRESSED: AlertWhen.REGRESSED,
    AlertKind.ESCALATED: AlertWhen.ESCALATING,
}
_COUNTS = {
    AlertWhen.EVENTS: AlertKind.EVENTS,
    AlertWhen.USERS: AlertKind.USERS,
    AlertWhen.PROJECT_EVENTS: AlertKind.PROJECT_EVENTS,
}


class EventFilter(Protocol):
    """Decides which events a rule is about."""

    def matches(self, event: DigestedEvent) -> bool:
        """Tell whether the rule is about `event`."""
        ...


class RuleFilter:
    """What a rule of the configuration demands of events."""

    def __init__(self, rule: IssueAlertRule) -> None:
        self._projects = frozenset(rule.projects)
        self._environments = frozenset(rule.environments)
        self._levels = frozenset(rule.levels)
        self._releases = [Glob(pattern) for pattern in rule.releases]
        self._tags = [(key, Glob(pattern)) for key, pattern in rule.tags.items()]
        self._handled = rule.handled
        self._culprit = None if rule.culprit is None else Glob(rule.culprit)
        self._title = None if rule.title is None else Glob(rule.title)
        self._query = parse_event_filter(rule.query) if rule.query.strip() else None

    def matches(self, event: DigestedEvent) -> bool:
        """Tell whether everything that is demanded is so."""
        return (
            _is_one_of(event.project_slug, self._projects)
            and _is_one_of(event.environment, self._environments)
            and _is_one_of(event.level, self._levels)
            and (self._handled is None or event.is_handled is self._handled)
            and self._matches_texts(event)
            and (self._query is None or matches(self._query, event))
        )

    def _matches_texts(self, event: DigestedEvent) -> bool:
        if self._releases and not any(glob.matches(event.release) for glob in self._releases):
            return False
        if self._culprit is not None and not self._culprit.matches(event.culprit):
            return False
        if self._title is not None and not self._title.matches(title_of(event)):
            return False
        return all(
            any(key == name and glob.matches(value) for name, value in event.tags)
            for key, glob in self._tags
        )


def title_of(event: DigestedEvent) -> str:
    """Return what an event's issue would be called."""
    return (
        f"{event.type}: {event.value}" if event.type and event.value else event.type or event.value
    )


def _is_one_of(value: str, wanted: frozenset[str]) -> bool:
    return not wanted or value in wanted


@dataclass(frozen=True, slots=True)
class StartRule:
    """Tells of an issue that begins.

    Attributes:
        is_lasting: Whether there is an end to be told.
        quiet: After so long without an event that is; None for only when people are done with it.
    """

    name: str
    kind: AlertWhen
    severity: str
    is_lasting: bool
    filter: EventFilter
    quiet: timedelta | None = None


@dataclass(frozen=True, slots=True)
class CountRule:
    """Tells of many events or users.

    Attributes:
        step: The length of a bucket in milliseconds.
    """

    name: str
    kind: AlertKind
    threshold: int
    window: timedelta
    cool_down: timedelta
    severity: str
    filter: EventFilter

    @property
    def step(self) -> int:
        """The length of a bucket in milliseconds: a minute, or a sixtieth of a longer window."""
        return max(_MINUTE, self.window_milliseconds // _BUCKETS)

    @property
    def window_milliseconds(self) -> int:
        """The window's length."""
        return int(self.window.total_seconds() * 1_000)

    @property
    def is_of_project(self) -> bool:
        """Whether it counts the events of all issues together."""
        return self.kind is AlertKind.PROJECT_EVENTS

    def bucket_of(self, event: DigestedEvent) -> int:
        """Return the start of the bucket in which an event came, in milliseconds."""
        at = to_milliseconds(event.received_at)
        return at - at % self.step


class IssueWatch:
    """All rules over issues."""

    def __init__(self, rules: Sequence[IssueAlertRule], *, severity: str) -> None:
        """Prepare rules.

        Args:
            rules: As they are configured.
            severity: Of those that name none.
        """
        self._starts = [
            StartRule(
                name=rule.name,
                kind=rule.when,
                severity=rule.severity or severity,
                is_lasting=rule.lasting is not False,
                filter=RuleFilter(rule),
                quiet=None if rule.lasting else rule.quiet,
            )
            for rule in rules
            if not rule.when.is_counting
        ]
        # Where several match, the most urgent one tells, and only it.
        self._starts.sort(key=lambda rule: -_URGENCY[rule.severity])
        self.counting = [
            CountRule(
                name=rule.name,
                kind=_COUNTS[rule.when],
                threshold=rule.threshold or 1,
                window=rule.window or timedelta(minutes=1),
                cool_down=rule.cool_down,
                severity=rule.severity or severity,
                filter=RuleFilter(rule),
            )
            for rule in rules
            if rule.when.is_counting
        ]

    @classmethod
    def default(cls) -> "IssueWatch":
        """Return the rules of those who have written none."""
        return cls(default_rules(), severity="warning")

    @property
    def quiet_times(self) -> Mapping[str, timedelta | None]:
        """After how long without an event alerts about issues that begin are over, by rule."""
        return {rule.name: rule.quiet for rule in self._starts}

    def on_start(self, kind: AlertKind, event: DigestedEvent) -> StartRule | None:
        """Return the rule that tells of an issue that begins with `event`."""
        when = _STARTS[kind]
        return next(
            (rule for rule in self._starts if rule.kind is when and rule.filter.matches(event)),
            None,
        )
