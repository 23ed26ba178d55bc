"""Which digests the routing tree asks for."""

from collections.abc import Mapping, Sequence
from datetime import time

from resumatch_monitor.dispatch.digest.calendar import Calendar
from resumatch_monitor.dispatch.digest.digester import DigestPlan
from resumatch_monitor.dispatch.policy.policy_config import DigestsConfig
from resumatch_monitor.dispatch.routing.route import Route, find_digests
from resumatch_monitor.kit.zones import find_zone
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.notifier import Integration

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKLY = "weekly"


def build_plans(
    root: Route,
    *,
    config: DigestsConfig,
    integrations: Sequence[Integration],
    locations: Mapping[str, str],
) -> list[DigestPlan]:
    """Return a plan for each receiver, schedule and choice of channels that has a reader.

    Args:
        root: The routing tree.
        config: When digests are made.
        integrations: All there are.
        locations: The time zones of the receivers that have their own.
    """
    plans: dict[str, DigestPlan] = {}
    for route in root.walk():
        if not route.digest:
            continue
        readers = [each for each in integrations if _reaches(route, each)]
        name = _name(route)
        if readers and name not in plans:
            location = locations.get(route.receiver) or config.location
            plans[name] = DigestPlan(
                name=name,
                receiver=route.receiver,
                word=route.digest,
                calendar=_build_calendar(route.digest, config, location),
                takes=_Taker(root, name),
                integrations=readers,
            )
    return list(plans.values())


class _Taker:
    """Whether the tree leads an alert to the digest of a name."""

    def __init__(self, root: Route, name: str) -> None:
        self._root = root
        self._name = name

    def __call__(self, labels: Labels) -> bool:
        return any(_name(route) == self._name for route in find_digests(self._root, labels))


def _name(route: Route) -> str:
    return "/".join((route.receiver, route.digest, *route.channels))


def _reaches(route: Route, integration: Integration) -> bool:
    return integration.id.receiver == route.receiver and (
        not route.channels or integration.id.kind in route.channels
    )


def _build_calendar(word: str, config: DigestsConfig, location: str) -> Calendar:
    weekday = _WEEKDAYS.index(config.weekly_on) if word == _WEEKLY else None
    return Calendar(time.fromisoformat(config.daily_at), find_zone(location), weekday)
