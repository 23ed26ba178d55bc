"""Evaluates alerting rules: from what an expression yields to alerts on their way to people."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import quote

from typing_extensions import override

from resumatch_monitor.alerts.alert import Alert, AlertSink, AlertSource
from resumatch_monitor.alerts.state import (
    ActiveAlert,
    Observation,
    RuleState,
    Step,
    Timing,
    advance,
)
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.data import DataFinder, DataState
from resumatch_monitor.rules.model import (
    ALERTS_METRIC,
    FOR_STATE_METRIC,
    AlertingRule,
    RuleKey,
)
from resumatch_monitor.rules.render import AlertRenderer
from resumatch_monitor.rules.runner import Evaluation, RuleRunner
from resumatch_monitor.rules.store import RuleStateStore, StoredAlert
from resumatch_monitor.rules.writer import SeriesWriter

STATE_LABEL = "alertstate"

REPEAT_INTERVAL = timedelta(minutes=5)
"""A firing alert is put again this often, as a heartbeat."""
REFRESH_INTERVAL = timedelta(minutes=1)
"""A firing alert whose text or value changed is put again, at most this often."""
SAVE_INTERVAL = timedelta(seconds=30)
"""How old the stored note that a rule was evaluated may become while it has alerts."""
_NOTABLE_CHANGE = 0.05
_MOST_ENDED = 100
# A storm of thousands of alerts must not hold up everything else on the event loop.
_YIELD_AFTER = 100


@dataclass(frozen=True, slots=True)
class _Told:
    """What dispatch was last told about a firing alert."""

    at: datetime
    value: float
    annotations: Mapping[str, str]

    def is_outdated(self, alert: ActiveAlert, now: datetime) -> bool:
        age = abs(now - self.at)
        if age >= REPEAT_INTERVAL:
            return True
        has_changed = self.annotations != alert.annotations or (
            abs(alert.value - self.value) > _NOTABLE_CHANGE * abs(self.value)
        )
        return has_changed and age >= REFRESH_INTERVAL


class AlertingRunner(RuleRunner):
    """Follows the alerts of one rule.

    A state is stored before dispatch hears of it, and the end of an alert is forgotten only after
    dispatch has heard of it. So whatever is killed or fails in between is told again, which
    changes nothing there, and never left out.
    """

    def __init__(
        self,
        *,
        rule: AlertingRule,
        key: RuleKey,
        writer: SeriesWriter,
        querier: Querier,
        alerts: AlertSink,
        states: RuleStateStore,
        renderer: AlertRenderer,
        data: DataFinder | None = None,
    ) -> None:
        """Follow `rule`; with `data`, its alerts stay as they are while there is nothing to see."""
        super().__init__(rule=rule, key=key, writer=writer, querier=querier)
        self._alerting_rule = rule
        self._sink = alerts
        self._states = states
        self._renderer = renderer
        self._data_finder = data
        self._active: Mapping[Labels, ActiveAlert] = {}
        self._untold_ends: tuple[ActiveAlert, ...] = ()
        self._told: dict[Labels, _Told] = {}
        self._ended: deque[str] = deque(maxlen=_MOST_ENDED)
        self._series: dict[tuple[Labels, RuleState], tuple[Labels, Labels]] = {}
        self._previous_at: datetime | None = None
        self._saved_at: datetime | None = None

    @property
    @override
    def alerts(self) -> tuple[ActiveAlert, ...]:
        return tuple(self._active.values())

    def restore(self, stored: Iterable[StoredAlert]) -> None:
        """Go on with alerts from before a restart."""
        items = list(stored)
        self._untold_ends = tuple(each.alert for each in items if each.alert.resolved_at)
        self._active = {
            each.alert.labels: replace(each.alert, is_restored=True)
            for each in items
            if each.alert.resolved_at is None
        }
        self._previous_at = max((item.seen_at for item in items), default=None)
        self.writer.resume(self._render_series())

    @override
    def take_over(self, other: RuleRunner) -> None:
        super().take_over(other)
        if isinstance(other, AlertingRunner):
            self._active = other._active
            self._untold_ends = other._untold_ends
            self._told = other._told
            self._ended = other._ended
            self._previous_at = other._previous_at
            self._saved_at = other._saved_at

    @override
    def knows(self, fingerprint: str) -> bool:
        return super().knows(fingerprint) or fingerprint in self._ended

    @override
    def release(self, seen_at: datetime) -> list[StoredAlert]:
        left = (*self._active.values(), *self._untold_ends)
        return [StoredAlert(self.key, alert, seen_at) for alert in left]

    @override
    async def evaluate(self, evaluation: Evaluation, waiting: Waiting) -> None:
        try:
            await self._tell_ends()
            observations = await self._observe(evaluation, waiting)
            if await self._lacks_data(observations, evaluation):
                step = Step(self._active, (), (), (), ())
            else:
                step = advance(self._active, observations, self._find_timing(evaluation))
            ends = tuple(replace(alert, resolved_at=evaluation.at) for alert in step.resolved)
            await self._save(step, ends, evaluation.at)
            self._active, self._untold_ends = step.active, ends
            await self._tell_ends()
            await self._tell_firing(evaluation.at)
        finally:
            # Evaluations that fail count as time held: the alert must not be late for them.
            self._previous_at = evaluation.at
        await self.writer.write(self._render_series(), to_milliseconds(evaluation.query_at))

    async def _lacks_data(
        self, observations: Sequence[Observation], evaluation: Evaluation
    ) -> bool:
        """Tell whether alerts have lost the ground to stand on, and are to stay for that."""
        if self._data_finder is None or observations or not self._active:
            return False
        state = await self._data_finder.find(self.rule.expr, evaluation.query_at)
        self.note_data(state, evaluation.at)
        return state is not DataState.PRESENT

    async def _observe(self, evaluation: Evaluation, waiting: Waiting) -> list[Observation]:
        seen: dict[Labels, Observation] = {}
        for number, (series, value) in enumerate(await self._query(evaluation, waiting)):
            if number % _YIELD_AFTER == _YIELD_AFTER - 1:
                await asyncio.sleep(0)
            observation = await self._renderer.observe(
                self._alerting_rule, series, value, evaluation.query_at, waiting
            )
            if observation.labels in seen:
                raise ExecutionError(
                    f"the rule's labels make two alerts the same: {observation.labels!r}"
                )
            seen[observation.labels] = observation
        return list(seen.values())

    def _render_series(self) -> dict[Labels, float]:
        """Return `ALERTS` and `ALERTS_FOR_STATE` of the active alerts."""
        known = self._series
        self._series = {}
        rendered: dict[Labels, float] = {}
        for alert in self._active.values():
            place = (alert.labels, alert.state)
            pair = known.get(place) or _name_series(alert)
            self._series[place] = pair
            rendered[pair[0]] = 1.0
            rendered[pair[1]] = float(int(alert.active_at.timestamp()))
        return rendered

    def _find_timing(self, evaluation: Evaluation) -> Timing:
        return Timing(
            now=evaluation.at,
            previous_at=self._previous_at,
            hold_duration=self._alerting_rule.hold_duration,
            keep_firing_for=self._alerting_rule.keep_firing_for,
            longest_gap=evaluation.longest_gap,
            resolves_restored=evaluation.resolves_restored,
            outage_tolerance=evaluation.outage_tolerance,
            grace_period=evaluation.grace_period,
        )

    async def _tell_ends(self) -> None:
        if not self._untold_ends:
            return
        await self._sink.put([self._build(alert, alert.resolved_at) for alert in self._untold_ends])
        at = max(alert.resolved_at for alert in self._untold_ends if alert.resolved_at)
        await self._states.save(self.key, changed=[], removed=self._untold_ends, seen_at=at)
        for alert in self._untold_ends:
            self._told.pop(alert.labels, None)
            self._ended.append(alert.labels.fingerprint)
        self._untold_ends = ()

    async def _tell_firing(self, now: datetime) -> None:
        due = [
            alert
            for labels, alert in self._active.items()
            if alert.state is RuleState.FIRING
            and (labels not in self._told or self._told[labels].is_outdated(alert, now))
        ]
        if due:
            await self._sink.put([self._build(alert) for alert in due])
        for alert in due:
            self._told[alert.labels] = _Told(now, alert.value, alert.annotations)

    def _build(self, alert: ActiveAlert, ends_at: datetime | None = None) -> Alert:
        return build_alert(self._alerting_rule, alert, ends_at=ends_at)

    async def _save(self, step: Step, ends: Sequence[ActiveAlert], now: datetime) -> None:
        changed = [
            alert
            for labels, alert in step.active.items()
            if _has_moved(self._active.get(labels), alert)
        ]
        is_due = bool(step.active) and (
            self._saved_at is None or abs(now - self._saved_at) >= SAVE_INTERVAL
        )
        if changed or ends or step.dropped or is_due:
            await self._states.save(
                self.key, changed=[*changed, *ends], removed=step.dropped, seen_at=now
            )
            self._saved_at = now


def build_alert(
    rule: AlertingRule,
    alert: ActiveAlert,
    *,
    ends_at: datetime | None = None,
    added_annotations: Mapping[str, str] | None = None,
    source: AlertSource = AlertSource.RULE,
    path: str | None = None,
) -> Alert:
    """Return `alert` as dispatch takes it; firing without `ends_at`."""
    return Alert(
        labels=alert.labels,
        annotations={**alert.annotations, **(added_annotations or {})},
        starts_at=alert.active_at,
        ends_at=None if ends_at is None else max(ends_at, alert.active_at),
        source=source,
        generator_path=_render_path(rule.expr) if path is None else path,
        value=alert.value,
    )


@lru_cache(maxsize=1024)
def _render_path(expr: str) -> str:
    """Return the page of the monitor that shows `expr`."""
    return f"/explore?expr={quote(expr, safe='')}" if expr else "/alerts"


def _name_series(alert: ActiveAlert) -> tuple[Labels, Labels]:
    state = {METRIC_NAME: ALERTS_METRIC, STATE_LABEL: alert.state.value}
    return (
        alert.labels.with_labels(state),
        alert.labels.with_labels({METRIC_NAME: FOR_STATE_METRIC}),
    )


def _has_moved(before: ActiveAlert | None, after: ActiveAlert) -> bool:
    return before is None or (before.state, before.active_at, before.missing_since) != (
        after.state,
        after.active_at,
        after.missing_since,
    )
