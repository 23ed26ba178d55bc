"""`alerting`: receivers, and the route that leads an alert to them."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.dispatch.interval_config import NamedIntervalConfig
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.notify.config import ReceiverConfig

DEFAULT_RECEIVER = "default"
"""The receiver that is there even if none is configured; it then has no integrations."""

GROUP_BY_ALL = "..."
"""In `group_by`: all labels, so that every alert is a group of its own."""

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

    def walk(self) -> Iterator["RouteConfig"]:
        """Yield this node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


def _default_route() -> RouteConfig:
    return RouteConfig(
        group_by=["alertname"],
        group_wait=timedelta(seconds=15),
        group_interval=timedelta(minutes=1),
        repeat_interval=timedelta(hours=4),
        routes=[
            RouteConfig(matchers=['severity="critical"'], group_wait=timedelta(seconds=0)),
        ],
    )


class AlertingConfig(ConfigModel):
    """Who is told about an alert, and how alerts are put together."""

    receivers: list[ReceiverConfig] = Field(default_factory=list[ReceiverConfig])
    """Who can be told."""
    route: RouteConfig = Field(default_factory=_default_route)
    """The root of the routing tree."""
    time_intervals: list[NamedIntervalConfig] = Field(default_factory=list[NamedIntervalConfig])
    """Recurring stretches of time, in Alertmanager's grammar."""
    retention: Duration = timedelta(days=90)
    """How long resolved alerts and sent notifications are kept."""

    @field_validator("time_intervals")
    @classmethod
    def _check_time_intervals(
        cls, intervals: list[NamedIntervalConfig]
    ) -> list[NamedIntervalConfig]:
        counts = Counter(interval.name for interval in intervals)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"there are two time intervals called {twice[0]!r}")
        return intervals

    @model_validator(mode="after")
    def _check_receivers(self) -> Self:
        counts = Counter(receiver.name for receiver in self.receivers)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise ValueError(f"there are two receivers called {twice[0]!r}")
        for route in self.route.walk():
            if route.receiver is not None and route.receiver not in {*counts, DEFAULT_RECEIVER}:
                raise ValueError(f"route names the receiver {route.receiver!r}, which is not there")
        return self

    @model_validator(mode="after")
    def _check_root(self) -> Self:
        if self.route.matchers or self.route.continue_:
            raise ValueError(
                "the outermost route takes every alert: give matchers and continue to its routes"
            )
        choose_root_receiver(self)
        return self


def choose_root_receiver(config: AlertingConfig) -> str:
    """Return the receiver of alerts that no other route claims.

    Raises:
        ValueError: If it is left open and there are several to choose from.
    """
    if config.route.receiver is not None:
        return config.route.receiver
    names = [receiver.name for receiver in config.receivers]
    if not names or DEFAULT_RECEIVER in names:
        return DEFAULT_RECEIVER
    if len(names) == 1:
        return names[0]
    raise ValueError(
        "several receivers and none called 'default': name one as alerting.route.receiver"
    )
