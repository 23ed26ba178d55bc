"""Dependencies: one outage is one notification, which lists what it drags along."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.firing import FiringAlerts
from resumatch_monitor.dispatch.inhibition import AlertsByKey, describe, key_of
from resumatch_monitor.dispatch.matchers import match_all, parse_matchers
from resumatch_monitor.dispatch.muting import Mute, MuteKind
from resumatch_monitor.dispatch.suppression_config import DependencyConfig
from resumatch_monitor.metrics.labels import Matcher

MOST_DEPENDENTS = 50
"""Alerts that are listed as dragged along by one."""


@dataclass(frozen=True, slots=True)
class _Dependency:
    """A dependency, the firing alerts that others depend on, and those others."""

    name: str
    on: tuple[Matcher, ...]
    affects: tuple[Matcher, ...]
    equal: tuple[str, ...]
    roots: AlertsByKey = field(default_factory=AlertsByKey)
    dependents: AlertsByKey = field(default_factory=AlertsByKey)


class Dependencies:
    """The `Muter` of alerts whose cause is told.

    What stands in a dependency's `on` is held back only by those that are listed before it. So
    nothing drags itself along, and two alerts never hold back each other.
    """

    def __init__(self, configs: Sequence[DependencyConfig], firing: FiringAlerts) -> None:
        self._dependencies = [
            _Dependency(config.name, _parse(config.on), _parse(config.affects), tuple(config.equal))
            for config in configs
        ]
        firing.watch(self)

    def add(self, alert: Alert) -> None:
        """Hear that `alert` fires."""
        is_root = False
        for each in self._dependencies:
            key = key_of(alert.labels, each.equal)
            if match_all(each.on, alert.labels):
                is_root = True
                each.roots.add(key, alert)
            elif not is_root and match_all(each.affects, alert.labels):
                each.dependents.add(key, alert)

    def remove(self, alert: Alert) -> None:
        """Hear that `alert` does not fire any more."""
        for each in self._dependencies:
            key = key_of(alert.labels, each.equal)
            each.roots.remove(key, alert)
            each.dependents.remove(key, alert)

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the alert that drags `alert` along."""
        for each in self._dependencies:
            if match_all(each.on, alert.labels):
                return None
            if not match_all(each.affects, alert.labels):
                continue
            for root in each.roots.get(key_of(alert.labels, each.equal)):
                text = f"depends on {each.name}: {describe(root)} fires"
                return Mute(MuteKind.DEPENDENT, root.fingerprint, text)
        return None

    def dependents_of(self, alert: Alert) -> tuple[Alert, ...]:
        """Return what `alert` drags along, what that drags along too; `MOST_DEPENDENTS` at most."""
        found: dict[str, Alert] = {alert.fingerprint: alert}
        waiting = [alert]
        while waiting:
            root = waiting.pop(0)
            for each in self._dependencies:
                if not match_all(each.on, root.labels):
                    continue
                for dependent in each.dependents.get(key_of(root.labels, each.equal)):
                    if dependent.fingerprint in found:
                        continue
                    if len(found) > MOST_DEPENDENTS:
                        return tuple(found.values())[1:]
                    found[dependent.fingerprint] = dependent
                    waiting.append(dependent)
        return tuple(found.values())[1:]


def _parse(texts: Sequence[str]) -> tuple[Matcher, ...]:
    return tuple(matcher for text in texts for matcher in parse_matchers(text))
