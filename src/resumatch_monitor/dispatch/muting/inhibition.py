"""Inhibition, as in Alertmanager: while one alert fires, others are not told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert
from resumatch_monitor.dispatch.matchers import Selector, parse_matchers
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.policy.suppression_config import InhibitRuleConfig
from resumatch_monitor.metrics.labels import Labels, render_labels

_MOST_NAMED = 100

Key = tuple[str, ...]


def key_of(labels: Labels, equal: Sequence[str]) -> Key:
    """Return the values that must be the same on both sides; an absent label is an empty one."""
    values = labels.mapping
    return tuple([values.get(name, "") for name in equal])


class AlertsByKey:
    """Alerts by the labels that must be equal, then by fingerprint."""

    def __init__(self) -> None:
        self._alerts: dict[Key, dict[str, Alert]] = {}

    def add(self, key: Key, alert: Alert) -> None:
        """Take in an alert."""
        self._alerts.setdefault(key, {})[alert.fingerprint] = alert

    def remove(self, key: Key, alert: Alert) -> bool:
        """Forget an alert; return whether it was there."""
        some = self._alerts.get(key)
        if some is None or some.pop(alert.fingerprint, None) is None:
            return False
        if not some:
            del self._alerts[key]
        return True

    def get(self, key: Key) -> Iterable[Alert]:
        """Return the alerts of `key`, the one that came first first."""
        return self._alerts.get(key, {}).values()


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule and the firing alerts that its source matches.

    Alerts that both sides match inhibit no other such alert: they would inhibit themselves.
    """

    sources: Selector
    targets: Selector
    equal: tuple[str, ...]
    one_sided: AlertsByKey = field(default_factory=AlertsByKey)
    two_sided: AlertsByKey = field(default_factory=AlertsByKey)

    def add(self, alert: Alert) -> None:
        if self.sources.selects(alert.labels):
            is_target = self.targets.selects(alert.labels)
            side = self.two_sided if is_target else self.one_sided
            side.add(key_of(alert.labels, self.equal), alert)

    def remove(self, alert: Alert) -> None:
        key = key_of(alert.labels, self.equal)
        self.one_sided.remove(key, alert)
        self.two_sided.remove(key, alert)

    def find(self, labels: Labels) -> Iterable[Alert]:
        if not self.targets.selects(labels):
            return
        key = key_of(labels, self.equal)
        yield from self.one_sided.get(key)
        if not self.sources.selects(labels):
            yield from self.two_sided.get(key)


class Inhibition:
    """The `Muter` of alerts that a firing one inhibits. It costs the same however many fire."""

    def __init__(self, configs: Sequence[InhibitRuleConfig], firing: FiringAlerts) -> None:
        self._rules = [
            _Rule(
                parse_selector(config.source_matchers),
                parse_selector(config.target_matchers),
                tuple(config.equal),
            )
            for config in configs
        ]
        firing.watch(self)

    def add(self, alert: Alert) -> None:
        """Hear that `alert` fires."""
        for rule in self._rules:
            rule.add(alert)

    def remove(self, alert: Alert, *, ended_at: datetime | None) -> None:
        """Hear that `alert` does not fire any more."""
        for rule in self._rules:
            rule.remove(alert)

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the alert that inhibits `alert`, the one that fires longest first."""
        for rule in self._rules:
            for source in rule.find(alert.labels):
                text = f"inhibited while {describe(source)} fires"
                return Mute(MuteKind.INHIBITED, source.fingerprint, text)
        return None

    def inhibitors_of(self, labels: Labels) -> list[str]:
        """Return the fingerprints of the alerts that inhibit one with `labels`, not too many."""
        found: dict[str, None] = {}
        for rule in self._rules:
            for source in rule.find(labels):
                found[source.fingerprint] = None
                if len(found) >= _MOST_NAMED:
                    return list(found)
        return list(found)


def describe(alert: Alert) -> str:
    """Name an alert for people: its name and what tells it from others of that name."""
    others = alert.labels.without((ALERT_NAME, SEVERITY))
    return f"{alert.name} {render_labels(others)}" if others else alert.name


def parse_selector(texts: Iterable[str]) -> Selector:
    """Return what selects alerts that all matchers in `texts` match."""
    return Selector([matcher for text in texts for matcher in parse_matchers(text)])
