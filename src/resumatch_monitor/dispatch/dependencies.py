"""Dependencies: one outage is one notification, which lists what it drags along."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.firing import FiringAlerts
from resumatch_monitor.dispatch.inhibition import AlertsByKey, describe, key_of, parse_selector
from resumatch_monitor.dispatch.matchers import Selector
from resumatch_monitor.dispatch.muting import Mute, MuteKind
from resumatch_monitor.dispatch.suppression_config import DependencyConfig

MOST_DEPENDENTS = 50
"""Alerts that are listed as dragged along by one."""

_RANKS = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class _Dependency:
    """A dependency, the firing alerts that others depend on, and those others."""

    name: str
    on: Selector
    affects: Selector
    equal: tuple[str, ...]
    roots: AlertsByKey = field(default_factory=AlertsByKey)
    dependents: AlertsByKey = field(default_factory=AlertsByKey)


class Dependencies:
    """The `Muter` of alerts whose cause is told.

    What stands in a dependency's `on` is held back only by those that are listed before it. So
    nothing drags itself along, and two alerts never hold back each other. Nor does one hold back
    another that is graver: people may hear of the less grave one much later, or elsewhere.
    """

    def __init__(self, configs: Sequence[DependencyConfig], firing: FiringAlerts) -> None:
        self._dependencies = [
            _Dependency(
                config.name,
                parse_selector(config.on),
                parse_selector(config.affects),
                tuple(config.equal),
            )
            for config in configs
        ]
        firing.watch(self)

    def add(self, alert: Alert) -> None:
        """Hear that `alert` fires."""
        is_root = False
        for each in self._dependencies:
            key = key_of(alert.labels, each.equal)
            if each.on.selects(alert.labels):
                is_root = True
                each.roots.add(key, alert)
            elif not is_root and each.affects.selects(alert.labels):
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
            if each.on.selects(alert.labels):
                return None
            if not each.affects.selects(alert.labels):
                continue
            for root in each.roots.get(key_of(alert.labels, each.equal)):
                if _rank(alert) < _rank(root):
                    continue
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
                if not each.on.selects(root.labels):
                    continue
                for dependent in each.dependents.get(key_of(root.labels, each.equal)):
                    if dependent.fingerprint in found or _rank(dependent) < _rank(root):
                        continue
                    if len(found) > MOST_DEPENDENTS:
                        return tuple(found.values())[1:]
                    found[dependent.fingerprint] = dependent
                    waiting.append(dependent)
        return tuple(found.values())[1:]


def _rank(alert: Alert) -> int:
    return _RANKS.get(alert.severity, 1)
