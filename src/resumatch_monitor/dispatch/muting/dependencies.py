"""Dependencies: one outage is one notification, which lists what it drags along."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.matchers import Selector
from resumatch_monitor.dispatch.muting.inhibition import (
    AlertsByKey,
    Key,
    describe,
    key_of,
    parse_selector,
)
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.policy.suppression_config import DependencyConfig

MOST_DEPENDENTS = 50
"""Alerts that are listed as dragged along by one."""

_MOST_ENDED = 1000
_LOOK_AGAIN_AFTER = timedelta(milliseconds=500)
_RANKS = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class _Dependency:
    """A dependency, the firing alerts that others depend on, and those others."""

    number: int
    name: str
    on: Selector
    affects: Selector
    equal: tuple[str, ...]
    linger: timedelta
    wait: timedelta
    roots: AlertsByKey = field(default_factory=AlertsByKey)
    dependents: AlertsByKey = field(default_factory=AlertsByKey)
    ended: dict[Key, dict[str, "_Ended"]] = field(default_factory=dict[Key, dict[str, "_Ended"]])

    def note_end(self, key: Key, root: Alert, at: datetime) -> None:
        """Remember what others depend on for as long as it lingers."""
        if len(self.ended) >= _MOST_ENDED:
            for each in list(self.ended):
                self._forget_old(each, at)
        self._forget_old(key, at)
        if len(self.ended) < _MOST_ENDED:
            self.ended.setdefault(key, {})[root.fingerprint] = _Ended(root, at)

    def forget_end(self, key: Key, root: Alert) -> None:
        """Take note that it fires again."""
        if key in self.ended:
            self.ended[key].pop(root.fingerprint, None)

    def find_root(self, key: Key, alert: Alert, now: datetime) -> Mute | None:
        """Return what holds `alert` back: a root that fires, or has only just ended."""
        for root in self.roots.get(key):
            if _rank(alert) >= _rank(root):
                text = f"depends on {self.name}: {describe(root)} fires"
                return Mute(MuteKind.DEPENDENT, root.fingerprint, text)
        for ended in self.ended.get(key, {}).values():
            if ended.is_recent(now, self.linger) and _rank(alert) >= _rank(ended.root):
                text = f"depends on {self.name}: {describe(ended.root)} has only just ended"
                until = ended.at + self.linger
                return Mute(MuteKind.DEPENDENT, ended.root.fingerprint, text, until)
        return None

    def waits(self, alert: Alert, now: datetime) -> bool:
        """Tell whether `alert` waits for a root that is pending."""
        # An event is over once it has happened: whatever holds it back must be certain.
        return not alert.is_event and timedelta(0) <= now - alert.starts_at < self.wait

    def _forget_old(self, key: Key, now: datetime) -> None:
        some = self.ended.get(key, {})
        for fingerprint, each in list(some.items()):
            if not each.is_recent(now, self.linger):
                del some[fingerprint]
        if not some:
            self.ended.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A root that does not fire any more."""

    root: Alert
    at: datetime

    def is_recent(self, now: datetime, linger: timedelta) -> bool:
        # Either way: a clock that was set back must not hold anything back for longer.
        return abs(now - self.at) < linger


class _PendingRoots:
    """What may soon fire that others depend on; looked up once for all that asks at a moment."""

    def __init__(
        self, dependencies: Sequence[_Dependency], list_pending: Callable[[], Sequence[Alert]]
    ) -> None:
        self._waited_for = [each for each in dependencies if each.wait]
        self._list_pending = list_pending
        self._roots: dict[int, AlertsByKey] = {}
        self._looked_at: datetime | None = None

    def find(self, dependency: _Dependency, alert: Alert, now: datetime) -> Mute | None:
        """Return for what `alert` waits: a root on which it would depend if that fired."""
        if not dependency.waits(alert, now):
            return None
        if self._looked_at is None or abs(now - self._looked_at) >= _LOOK_AGAIN_AFTER:
            self._looked_at = now
            self._look()
        roots = self._roots.get(dependency.number)
        for root in () if roots is None else roots.get(key_of(alert.labels, dependency.equal)):
            if _rank(alert) >= _rank(root):
                text = f"may depend on {dependency.name}: {describe(root)} is pending"
                until = alert.starts_at + dependency.wait
                return Mute(MuteKind.WAITING, root.fingerprint, text, until)
        return None

    def _look(self) -> None:
        self._roots = {}
        for alert in self._list_pending():
            for each in self._waited_for:
                if each.on.selects(alert.labels):
                    roots = self._roots.setdefault(each.number, AlertsByKey())
                    roots.add(key_of(alert.labels, each.equal), alert)


class Dependencies:
    """The `Muter` of alerts whose cause is told.

    What stands in a dependency's `on` is held back only by those that are listed before it. So
    nothing drags itself along, and two alerts never hold back each other. Nor does one hold back
    another that is graver: people may hear of the less grave one much later, or elsewhere.

    What has ended holds others back for a while longer: rules look back over minutes, and what an
    outage caused would be told as something new when it is over. What is pending holds them back
    for a while, too: otherwise the quickest of the effects would be told first, and then the cause.
    """

    def __init__(
        self,
        configs: Sequence[DependencyConfig],
        firing: FiringAlerts,
        *,
        list_pending: Callable[[], Sequence[Alert]] = tuple,
    ) -> None:
        """Begin with nothing that fires.

        Args:
            configs: From the ground up.
            firing: What fires.
            list_pending: Returns the alerts whose condition has not held for long enough.
        """
        self._dependencies = [
            _Dependency(
                number,
                config.name,
                parse_selector(config.on),
                parse_selector(config.affects),
                tuple(config.equal),
                config.linger,
                config.wait,
            )
            for number, config in enumerate(configs)
        ]
        self._pending = _PendingRoots(self._dependencies, list_pending)
        firing.watch(self)

    def add(self, alert: Alert) -> None:
        """Hear that `alert` fires."""
        is_root = False
        for each in self._dependencies:
            key = key_of(alert.labels, each.equal)
            if each.on.selects(alert.labels):
                is_root = True
                each.roots.add(key, alert)
                each.forget_end(key, alert)
            elif not is_root and each.affects.selects(alert.labels):
                each.dependents.add(key, alert)

    def remove(self, alert: Alert, *, ended_at: datetime | None) -> None:
        """Hear that `alert` does not fire any more."""
        for each in self._dependencies:
            key = key_of(alert.labels, each.equal)
            if each.roots.remove(key, alert) and ended_at is not None and each.linger:
                each.note_end(key, alert, ended_at)
            each.dependents.remove(key, alert)

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the alert that drags `alert` along."""
        for each in self._dependencies:
            if each.on.selects(alert.labels):
                return None
            if not each.affects.selects(alert.labels):
                continue
            mute = each.find_root(key_of(alert.labels, each.equal), alert, now)
            mute = mute or self._pending.find(each, alert, now)
            if mute is not None:
                return mute
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
