"""Follows the alerts of a rule over records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import AlertSink
from resumatch_monitor.alerts.state import (
    ActiveAlert,
    RuleState,
    Step,
    Timing,
    advance,
)
from resumatch_monitor.logs.alerting.counting import observe
from resumatch_monitor.logs.alerting.rule import LogRule
from resumatch_monitor.logs.alerting.store import LogRuleStates, StoredLogAlert
from resumatch_monitor.logs.store import LogReader
from resumatch_monitor.metrics.labels import Labels

_REPEAT = timedelta(minutes=5)
"""A firing alert is put again this often, as a heartbeat."""
_REFRESH = timedelta(minutes=1)
"""A firing alert whose text changed is put again, at most this often."""
_SAVE = timedelta(seconds=30)
_SHORTEST_GAP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Told:
    """What dispatch was last told about a firing alert."""

    at: datetime
    annotations: Mapping[str, str]

    def is_outdated(self, alert: ActiveAlert, now: datetime) -> bool:
        age = abs(now - self.at)
        return age >= _REPEAT or (age >= _REFRESH and self.annotations != alert.annotations)


class LogRuleRunner:
    """Evaluates one rule.

    A state is stored before dispatch hears of it, and the end of an alert is forgotten only after
    dispatch has heard of it. So whatever is killed or fails in between is told again, which
    changes nothing there, and never left out.
    """

    def __init__(
        self, rule: LogRule, *, reader: LogReader, states: LogRuleStates, alerts: AlertSink
    ) -> None:
        self.rule = rule
        self.evaluated_at: datetime | None = None
        self.problem = ""
        self._reader = reader
        self._states = states
        self._sink = alerts
        self._active: Mapping[Labels, ActiveAlert] = {}
        self._untold_ends: tuple[ActiveAlert, ...] = ()
        self._told: dict[Labels, _Told] = {}
        self._previous_at: datetime | None = None
        self._saved_at: datetime | None = None

    @property
    def alerts(self) -> tuple[ActiveAlert, ...]:
        """Those that are pending or firing."""
        return tuple(self._active.values())

    def restore(self, stored: Iterable[StoredLogAlert]) -> None:
        """Go on with alerts from before a restart."""
        items = list(stored)
        self._untold_ends = tuple(each.alert for each in items if each.alert.resolved_at)
        self._active = {
            each.alert.labels: replace(each.alert, is_restored=True)
            for each in items
            if each.alert.resolved_at is None
        }
        self._previous_at = max((each.seen_at for each in items), default=None)

    async def evaluate(self, now: datetime, *, until: datetime | None = None) -> None:
        """Count, decide, store, tell.

        Args:
            now: The moment.
            until: Where the window ends: until when all that arrived can be found. What has
                arrived since, nobody can count yet.

        Raises:
            UncertainCountError: If it is not known whether the condition holds; the alerts stay
                as they are.
            StorageUnavailableError: If something cannot be stored; it is tried again next time.
        """
        try:
            await self._tell_ends()
            observations = await observe(
                self.rule, self._reader, now if until is None else min(now, until)
            )
            step = advance(self._active, observations, self._find_timing(now))
            ends = tuple(replace(alert, resolved_at=now) for alert in step.resolved)
            await self._save(step, ends, now)
            self._active, self._untold_ends = step.active, ends
            await self._tell_ends()
            await self._tell_firing(now)
        finally:
            # Evaluations that fail count as time held: the alert must not be late for them.
            self._previous_at = now
        self.evaluated_at = now

    def _find_timing(self, now: datetime) -> Timing:
        config = self.rule.config
        return Timing(
            now=now,
            previous_at=self._previous_at,
            hold_duration=config.for_,
            keep_firing_for=config.keep_firing_for,
            longest_gap=max(2 * config.every, _SHORTEST_GAP),
        )

    async def _tell_ends(self) -> None:
        if not self._untold_ends:
            return
        await self._sink.put(
            [self.rule.build_alert(alert, alert.resolved_at) for alert in self._untold_ends]
        )
        at = max(alert.resolved_at for alert in self._untold_ends if alert.resolved_at)
        await self._states.save(self.rule.name, changed=[], removed=self._untold_ends, seen_at=at)
        for alert in self._untold_ends:
            self._told.pop(alert.labels, None)
        self._untold_ends = ()

    async def _tell_firing(self, now: datetime) -> None:
        due = [
            alert
            for labels, alert in self._active.items()
            if alert.state is RuleState.FIRING
            and (labels not in self._told or self._told[labels].is_outdated(alert, now))
        ]
        if due:
            await self._sink.put([self.rule.build_alert(alert) for alert in due])
        for alert in due:
            self._told[alert.labels] = _Told(now, alert.annotations)

    async def _save(self, step: Step, ends: Sequence[ActiveAlert], now: datetime) -> None:
        changed = [
            alert
            for labels, alert in step.active.items()
            if _has_moved(self._active.get(labels), alert)
        ]
        is_due = bool(step.active) and (
            self._saved_at is None or abs(now - self._saved_at) >= _SAVE
        )
        if changed or ends or step.dropped or is_due:
            await self._states.save(
                self.rule.name, changed=[*changed, *ends], removed=step.dropped, seen_at=now
            )
            self._saved_at = now


def _has_moved(before: ActiveAlert | None, after: ActiveAlert) -> bool:
    return before is None or (before.state, before.active_at, before.missing_since) != (
        after.state,
        after.active_at,
        after.missing_since,
    )
