"""The alerts that fire at this moment, in memory, found fast by their labels."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from resumatch_monitor.alerts.alert import ALERT_NAME, Alert
from resumatch_monitor.dispatch.matchers import Selector
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.metrics.labels import Matcher, MatchOp


class FiringWatcher(Protocol):
    """Hears of every change, and keeps an index of its own."""

    def add(self, alert: Alert) -> None:
        """Hear that `alert` fires, or that it fires on with another text or value."""
        ...

    def remove(self, alert: Alert, *, ended_at: datetime | None) -> None:
        """Hear that `alert` does not fire any more.

        Args:
            alert: As it was added.
            ended_at: When it ended; None if all are forgotten before they are loaded anew.
        """
        ...


class FiringAlerts:
    """What the dispatcher knows to fire; events are not in it, they have merely happened.

    A query with a matcher `label="value"` looks only at the alerts that have that value, for the
    labels that `index` names.
    """

    def __init__(self, index: Iterable[str] = (ALERT_NAME,)) -> None:
        self._alerts: dict[str, Alert] = {}
        self._index: dict[str, dict[str, dict[str, Alert]]] = {name: {} for name in index}
        self._watchers: list[FiringWatcher] = []

    def watch(self, watcher: FiringWatcher) -> None:
        """Tell `watcher` of every change from now on; nothing fires yet."""
        self._watchers.append(watcher)

    def __len__(self) -> int:
        return len(self._alerts)

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts.values())

    def get(self, fingerprint: str) -> Alert | None:
        """Return the alert if it fires."""
        return self._alerts.get(fingerprint)

    def update(self, occurrences: Sequence[Occurrence]) -> None:
        """Take in the latest states of some alerts, in order."""
        for occurrence in occurrences:
            if occurrence.alert.is_event:
                continue
            if occurrence.is_firing:
                # In its old place: what it holds back names the one that came first.
                self._add(occurrence.alert)
            else:
                self._remove(occurrence.alert.fingerprint, ended_at=occurrence.alert.ends_at)

    def clear(self) -> None:
        """Forget all of them, before they are loaded anew."""
        for fingerprint in list(self._alerts):
            self._remove(fingerprint)

    def find(self, matchers: Sequence[Matcher]) -> Iterator[Alert]:
        """Yield the alerts that all `matchers` select; an absent label is an empty one."""
        selector = Selector(matchers)
        return (each for each in self._candidates(matchers) if selector.selects(each.labels))

    def _candidates(self, matchers: Sequence[Matcher]) -> Collection[Alert]:
        found: Collection[Alert] = self._alerts.values()
        for matcher in matchers:
            values = self._index.get(matcher.name)
            if values is None or matcher.op is not MatchOp.EQUAL or not matcher.value:
                continue
            some = values.get(matcher.value, {}).values()
            if len(some) < len(found):
                found = some
        return found

    def _add(self, alert: Alert) -> None:
        self._alerts[alert.fingerprint] = alert
        for name, values in self._index.items():
            if value := alert.labels.value(name):
                values.setdefault(value, {})[alert.fingerprint] = alert
        for watcher in self._watchers:
            watcher.add(alert)

    def _remove(self, fingerprint: str, *, ended_at: datetime | None = None) -> None:
        alert = self._alerts.pop(fingerprint, None)
        if alert is None:
            return
        for name, values in self._index.items():
            value = alert.labels.value(name)
            if value and value in values:
                values[value].pop(fingerprint, None)
                if not values[value]:
                    del values[value]
        for watcher in self._watchers:
            watcher.remove(alert, ended_at=ended_at)
