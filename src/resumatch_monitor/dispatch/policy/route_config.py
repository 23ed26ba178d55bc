"""`alerting.route`: a node of the routing tree, as it is written."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.kit.models import ConfigModel, Duration

GROUP_BY_ALL = "..."
"""In `group_by`: all labels, so that every alert is a group of its own."""

NO_ESCALATION = "none"
"""As the name of an escalation: none, although the route above has one."""

_SHORTEST_GROUP_INTERVAL = timedelta(seconds=1)


class RouteConfig(ConfigModel):
    """A node of the routing tree; a child inherits what it does not set."""

    receiver: str | None = None
    """Who is told."""
    matchers: list[str] = Field(
        default_factory=list[str], description='For example severity="critical".'
    )
    group_by: list[str] | None = None
    """Labels whose values make a group: one notification a group; `...` for all labels."""
    group_wait: Duration | None = None
    """How long a new group waits for more before it is told."""
    group_interval: Duration | None = None
    """How long a told group waits before changes are told."""
    repeat_interval: Duration | None = None
    """How long until a group that still fires is told again."""
    mute_time_intervals: list[str] = Field(default_factory=list[str])
    """Names of `time_intervals` during which nothing new is told; not inherited."""
    active_time_intervals: list[str] = Field(default_factory=list[str])
    """Names of `time_intervals` outside of which nothing new is told; not inherited."""
    channels: list[str] | None = None
    """Kinds of the receiver's integrations, for example `email`; empty for all of them."""
    digest: Literal["daily", "weekly", "none"] | None = None
    """Not told at once, but listed in a digest of the receiver."""
    escalation: str | None = None
    """The name of one of `escalations`; `none` for none."""
    continue_: bool = Field(default=False, alias="continue")
    """Whether the routes after this one are tried as well."""
    routes: list["RouteConfig"] = Field(default_factory=list["RouteConfig"])
    """Tried in order; the first that matches takes the alert."""

    @field_validator("matchers")
    @classmethod
    def _check_matchers(cls, matchers: list[str]) -> list[str]:
        for text in matchers:
            parse_matchers(text)
        return matchers

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError("group_by names a label twice")
        if names is not None and GROUP_BY_ALL in names and len(names) > 1:
            raise ValueError(f"{GROUP_BY_ALL!r} means all labels and stands alone in group_by")
        return names

    @field_validator("group_interval", "repeat_interval")
    @classmethod
    def _check_interval(cls, interval: timedelta | None) -> timedelta | None:
        if interval is not None and interval < _SHORTEST_GROUP_INTERVAL:
            raise ValueError("must be at least 1s")
        return interval
