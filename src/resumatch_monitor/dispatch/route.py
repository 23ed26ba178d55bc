"""The routing tree: which receivers hear of an alert, and with which others together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.config import (
    GROUP_BY_ALL,
    AlertingConfig,
    RouteConfig,
    choose_root_receiver,
)
from resumatch_monitor.dispatch.matchers import match_all, parse_matchers, render_matchers
from resumatch_monitor.metrics.labels import Labels, Matcher, escape_label_value

_DEFAULT_GROUP_BY = ("alertname",)
_DEFAULT_GROUP_WAIT = timedelta(seconds=15)
_DEFAULT_GROUP_INTERVAL = timedelta(minutes=1)
_DEFAULT_REPEAT_INTERVAL = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Timing:
    """When a group speaks.

    Attributes:
        group_wait: From a group's first alert to its first notification; None is the policy of
            the house: nothing for critical alerts, a little for the others.
        group_interval: Between the moments at which changes are told.
        repeat_interval: After which a group that still fires is told again.
    """

    group_wait: timedelta | None
    group_interval: timedelta
    repeat_interval: timedelta

    def wait_for(self, alert: Alert) -> timedelta:
        """Return how long `alert` may wait for company before it is told."""
        if self.group_wait is not None:
            return self.group_wait
        return timedelta(0) if alert.severity == "critical" else _DEFAULT_GROUP_WAIT


@dataclass(frozen=True, slots=True)
class GroupId:
    """Names a group of alerts; the same after every restart with the same routes.

    Attributes:
        receiver: Whom the group is told to.
        key: Alertmanager's `groupKey`: the way through the tree and the group's labels.
    """

    receiver: str
    key: str


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree with everything inherited filled in."""

    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    timing: Timing
    is_continued: bool
    routes: tuple["Route", ...]
    path: str

    def find(self, labels: Labels) -> list["Route"]:
        """Return the nodes that `labels` end at: depth first, at least one if this one matches."""
        if not match_all(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.routes:
            matches = child.find(labels)
            found.extend(matches)
            if matches and not child.is_continued:
                break
        return found or [self]

    def group_labels(self, labels: Labels) -> Labels:
        """Return the part of `labels` that decides about the group."""
        return labels if GROUP_BY_ALL in self.group_by else labels.only(self.group_by)

    def group_id(self, labels: Labels) -> GroupId:
        """Return the group that an alert with `labels` belongs to."""
        inner = ", ".join(
            f'{name}="{escape_label_value(value)}"'
            for name, value in self.group_labels(labels).pairs
        )
        return GroupId(self.receiver, f"{self.path}:{{{inner}}}")

    def walk(self) -> Iterator["Route"]:
        """Yield this node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


def find_groups(root: Route, labels: Labels) -> dict[GroupId, Route]:
    """Return the groups that an alert with `labels` belongs to, each once."""
    groups: dict[GroupId, Route] = {}
    for route in root.find(labels):
        groups.setdefault(route.group_id(labels), route)
    return groups


def build_route(config: AlertingConfig) -> Route:
    """Build the tree that `config` describes."""
    root = Route(
        receiver=choose_root_receiver(config),
        matchers=(),
        group_by=_DEFAULT_GROUP_BY,
        timing=Timing(None, _DEFAULT_GROUP_INTERVAL, _DEFAULT_REPEAT_INTERVAL),
        is_continued=False,
        routes=(),
        path="",
    )
    return _build_node(config.route, root, "")


def _build_node(config: RouteConfig, parent: Route, prefix: str) -> Route:
    matchers = tuple(matcher for text in config.matchers for matcher in parse_matchers(text))
    path = prefix + render_matchers(matchers)
    inherited = parent.timing
    node = Route(
        receiver=config.receiver or parent.receiver,
        matchers=matchers,
        group_by=parent.group_by if config.group_by is None else tuple(config.group_by),
        timing=Timing(
            _first(config.group_wait, inherited.group_wait),
            config.group_interval or inherited.group_interval,
            config.repeat_interval or inherited.repeat_interval,
        ),
        is_continued=config.continue_,
        routes=(),
        path=path,
    )
    children = tuple(_build_node(child, node, f"{path}/") for child in config.routes)
    return replace(node, routes=children)


def _first(own: timedelta | None, inherited: timedelta | None) -> timedelta | None:
    return inherited if own is None else own
