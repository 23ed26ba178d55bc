"""`errors.alerts` and `errors.storm`: of which issues people are told."""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.errortracking.grouping.globs import Glob, GlobError
from resumatch_monitor.errortracking.search.parser import parse_event_filter
from resumatch_monitor.errortracking.search.query import QuerySyntaxError
from resumatch_monitor.kit.models import ConfigModel, Duration

_LONGEST_WINDOW = timedelta(days=1)
_MOST_USERS = 1_000
DEFAULT_QUIET = timedelta(minutes=10)
"""Shorter than the house's time of escalation: what happened once pages nobody."""


class AlertWhen(StrEnum):
    """What a rule waits for."""

    NEW = "new"
    REGRESSED = "regressed"
    ESCALATING = "escalating"
    EVENTS = "events"
    USERS = "users"
    PROJECT_EVENTS = "project_events"

    @property
    def is_counting(self) -> bool:
        """Whether it waits for a number of something within a window."""
        return self in (AlertWhen.EVENTS, AlertWhen.USERS, AlertWhen.PROJECT_EVENTS)


class IssueAlertRule(ConfigModel):
    """A rule over issues. All that is given has to match; globs know `*`, `?` and `[a-z]`."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]{0,49}$")
    """Lower-case letters, digits, `-` and `_`; counts are kept under it."""
    when: AlertWhen
    """`new`, `regressed`, `escalating`; `events` and `users` of one issue, `project_events`."""
    threshold: int | None = Field(default=None, gt=0, le=1_000_000)
    """How many events or users (at most 1,000) within the window."""
    window: Duration | None = None
    """A minute to a day."""
    cool_down: Duration = timedelta(0)
    """For how long after it was told the same is not told again."""
    severity: str | None = Field(default=None, pattern="^(critical|warning|info)$")
    """By default `errors.new_issue_severity`."""
    lasting: bool | None = None
    """Of an issue that begins: `true` to last until it is resolved or archived, however quiet it
    is; `false` to be told once, without an end. By default it also ends when `quiet` has passed."""
    quiet: Duration = DEFAULT_QUIET
    """After so long without an event the alert about an issue that begins is over."""
    projects: list[str] = Field(default_factory=list[str], description="Slugs; empty for all.")
    environments: list[str] = Field(default_factory=list[str], description="Empty for all.")
    levels: list[str] = Field(
        default_factory=list[str], description="`fatal`, `error`, …; empty for all."
    )
    releases: list[str] = Field(
        default_factory=list[str], description="Globs, of which one has to match."
    )
    tags: dict[str, str] = Field(
        default_factory=dict[str, str], description="A glob for the value of each tag."
    )
    handled: bool | None = None
    """Whether the application caught it."""
    culprit: str | None = None
    """A glob."""
    title: str | None = None
    """A glob for type and message."""
    query: str = Field(
        default="",
        max_length=1_000,
        description="What else an event has to be, as the list of issues is searched:"
        " `release:web@9* http.status:>499 !environment:staging`. Empty for nothing.",
    )

    @model_validator(mode="after")
    def _check_globs(self) -> Self:
        for pattern in (*self.releases, *self.tags.values(), self.culprit, self.title):
            try:
                Glob(pattern or "")
            except GlobError as error:
                raise ValueError(f"{pattern!r} is no glob: {error}") from error
        return self

    @field_validator("query")
    @classmethod
    def _check_query(cls, query: str) -> str:
        if query.strip():
            try:
                parse_event_filter(query)
            except QuerySyntaxError as error:
                raise ValueError(f"column {error.position + 1} of the query: {error}") from error
        return query

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.quiet < timedelta(minutes=1):
            raise ValueError("quiet is a minute at least")
        if not self.when.is_counting:
            if self.threshold is not None or self.window is not None or self.cool_down:
                raise ValueError("threshold, window and cool_down go with rules that count")
            return self
        if self.threshold is None or self.window is None:
            raise ValueError("a rule that counts needs threshold and window")
        if not timedelta(minutes=1) <= self.window <= _LONGEST_WINDOW:
            raise ValueError("the window is a minute at least, and a day at most")
        if self.when is AlertWhen.USERS and self.threshold > _MOST_USERS:
            raise ValueError(f"at most {_MOST_USERS} users are counted")
        return self


class StormConfig(ConfigModel):
    """When many issues that begin are told as one alert."""

    issues: int = Field(default=5, gt=1, le=1_000)
    """So many issues of a project and a severity that begin or come back within the window."""
    window: Duration = timedelta(minutes=10)
    """It is over when none has begun for so long."""

    @field_validator("window")
    @classmethod
    def _check_window(cls, window: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= window <= _LONGEST_WINDOW:
            raise ValueError("the window is a minute at least, and a day at most")
        return window


def default_rules() -> list[IssueAlertRule]:
    """Return the rules of those who have written none."""
    return [
        IssueAlertRule(name=when.value, when=when)
        for when in (AlertWhen.NEW, AlertWhen.REGRESSED, AlertWhen.ESCALATING)
    ]


def check_names(rules: list[IssueAlertRule]) -> list[IssueAlertRule]:
    """Return `rules`.

    Raises:
        ValueError: If two have one name.
    """
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two rules are called {name}")
    return rules
