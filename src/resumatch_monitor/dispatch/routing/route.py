"""The routing tree: which receivers hear of an alert, and with which others together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.matchers import match_all
from resumatch_monitor.dispatch.policy.route_config import GROUP_BY_ALL
from resumatch_monitor.metrics.labels import Labels, Matcher, escape_label_value

_DEFAULT_GROUP_WAIT = timedelta(seconds=15)


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


@dataclass(frozen=True, slots=True, order=True)
class GroupId:
    """Names a group of alerts; the same after every restart with the same routes.

    Attributes:
        receiver: Whom the group is told to.
        key: Alertmanager's `groupKey`: the way through the tree and the group's labels.
    """

    receiver: str
    key: str


@dataclass(frozen=True, slots=True)
class EscalationStep:
    """Whom else to tell of an alert that nobody acknowledges.

    Attributes:
        after: Since it was first told.
        channels: Kinds of the receiver's integrations; empty for all.
        is_last: Nobody is left after these.
    """

    after: timedelta
    receiver: str
    channels: tuple[str, ...]
    number: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Escalation:
    """The steps, in the order of their time."""

    name: str
    steps: tuple[EscalationStep, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree with everything inherited filled in.

    Attributes:
        channels: Kinds of the receiver's integrations; empty for all.
        digest: `daily` or `weekly` for what is not told at once, else empty.
        mute_times: Names of time intervals during which nothing new is told.
        active_times: Names of time intervals outside of which nothing new is told.
        path: Alertmanager's way through the tree.
        mark: Tells the groups of this node from those of a sibling whose way reads the same.
    """

    receiver: str
    matchers: tuple[Matcher, ...]
    group_by: tuple[str, ...]
    timing: Timing
    is_continued: bool
    routes: tuple["Route", ...]
    path: str
    channels: tuple[str, ...] = ()
    digest: str = ""
    escalation: Escalation | None = None
    mute_times: tuple[str, ...] = ()
    active_times: tuple[str, ...] = ()
    mark: str = ""

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
        return GroupId(self.receiver, f"{self.path}:{{{inner}}}{self.mark}")

    def walk(self) -> Iterator["Route"]:
        """Yield this node and all below it."""
        yield self
        for child in self.routes:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Target:
    """Where an alert is told: at a route, or at a step of the route's escalation.

    Attributes:
        base_id: The group that tells it at once; the group itself unless this is a step.
    """

    group_id: GroupId
    base_id: GroupId
    route: Route
    step: EscalationStep | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Kinds of the receiver's integrations; empty for all."""
        return self.route.channels if self.step is None else self.step.channels

    @property
    def timing(self) -> Timing:
        """When the group speaks; what is escalated has waited long enough."""
        timing = self.route.timing
        return timing if self.step is None else replace(timing, group_wait=timedelta(0))


def find_groups(root: Route, labels: Labels) -> dict[GroupId, Route]:
    """Return the groups that tell an alert at once, each once."""
    groups: dict[GroupId, Route] = {}
    for route in root.find(labels):
        if not route.digest:
            groups.setdefault(route.group_id(labels), route)
    return groups


def find_digests(root: Route, labels: Labels) -> list[Route]:
    """Return the nodes that list an alert in a digest."""
    return [route for route in root.find(labels) if route.digest]


def find_targets(root: Route, labels: Labels) -> dict[GroupId, Target]:
    """Return the groups of an alert, those of the steps of escalations among them."""
    targets: dict[GroupId, Target] = {}
    for base_id, route in find_groups(root, labels).items():
        targets[base_id] = Target(base_id, base_id, route)
        for step in route.escalation.steps if route.escalation else ():
            key = f"{base_id.key}^{step.number}"
            # Two routes may escalate to the same receiver, each on its own clock.
            step_id = GroupId(step.receiver, key)
            if base_id.receiver != step.receiver:
                step_id = GroupId(step.receiver, f"{key}:{base_id.receiver}")
            targets.setdefault(step_id, Target(step_id, base_id, route, step))
    return targets
