"""The monitor's own alerts about its rules: some cannot be evaluated, some have no data."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from typing_extensions import override

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSink, AlertSource
from resumatch_monitor.alerts.state import ActiveAlert, Observation
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BatchSink
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.alerting import AlertingRunner, build_alert
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.data import DataFinder, DataState
from resumatch_monitor.rules.model import AlertingRule, RuleKey
from resumatch_monitor.rules.policy import ErrorPolicy, NoDataPolicy
from resumatch_monitor.rules.render import AlertRenderer
from resumatch_monitor.rules.runner import (
    MOST_SERIES_PER_RULE,
    Evaluation,
    RuleRunner,
    RuleStatus,
)
from resumatch_monitor.rules.store import RuleStateStore, StoredAlert
from resumatch_monitor.rules.writer import SeriesWriter

logger = logging.getLogger(__name__)

FAILING = "RuleEvaluationFailing"
WITHOUT_DATA = "RuleWithoutData"

_HOLD_DURATION = timedelta(minutes=5)
_LONGEST_GAP = timedelta(minutes=5)
_LOOK_INTERVAL = timedelta(minutes=5)
_MOST_LOOKED_AT = 500
"""Rules whose series are looked for in one round."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_LONGEST_LOOK_SECONDS = 20.0
_MOST_ALERTS = 200
"""A store that is away fails every rule; more of the same helps nobody."""
_LONGEST_ERROR = 500

_Observe = Callable[[str, RuleStatus], Observation | None]


class WatchRunner(AlertingRunner):
    """An alert about rules, with the life cycle of any other alert."""

    def __init__(
        self,
        name: str,
        severity: str,
        observe: _Observe,
        list_rules: Callable[[], Iterable[tuple[str, RuleRunner]]],
        *,
        querier: Querier,
        writer: SeriesWriter,
        alerts: AlertSink,
        states: RuleStateStore,
        renderer: AlertRenderer,
    ) -> None:
        """Watch what `list_rules` returns: the rules with the label of their group."""
        rule = AlertingRule(
            name, expr="", hold_duration=_HOLD_DURATION, labels=((SEVERITY, severity),)
        )
        super().__init__(
            rule=rule,
            key=RuleKey(file_name="", group="", rule=name, digest=""),
            writer=writer,
            querier=querier,
            alerts=alerts,
            states=states,
            renderer=renderer,
        )
        self._observe_rule = observe
        self._list_rules = list_rules

    @override
    async def _observe(self, evaluation: Evaluation, waiting: Waiting) -> list[Observation]:
        seen: dict[Labels, Observation] = {}
        for group, runner in self._list_rules():
            if not runner.is_in_trouble:
                continue
            observation = self._observe_rule(group, runner.status)
            if observation is not None:
                labels = observation.labels.with_labels(
                    {ALERT_NAME: self.rule.name, **dict(self.rule.labels)}
                )
                seen.setdefault(
                    labels, Observation(labels, observation.annotations, observation.value)
                )
            if len(seen) == _MOST_ALERTS:
                break
        return list(seen.values())

    @override
    def _build(self, alert: ActiveAlert, ends_at: datetime | None = None) -> Alert:
        return build_alert(
            self._alerting_rule, alert, ends_at=ends_at, source=AlertSource.MONITOR, path="/rules"
        )


class RuleWatch:
    """Looks at all rules every so often and raises the alerts about them."""

    def __init__(
        self,
        list_rules: Callable[[], Iterable[tuple[str, RuleRunner]]],
        *,
        data: DataFinder | None,
        config: RulesConfig,
        querier: Querier,
        sink: BatchSink,
        alerts: AlertSink,
        states: RuleStateStore,
        renderer: AlertRenderer,
        clock: Clock,
    ) -> None:
        self._list_rules = list_rules
        self._data = data
        self._clock = clock
        self._config = config
        kinds = (
            (FAILING, "warning", observe_failing(config)),
            (WITHOUT_DATA, "info", observe_without_data(config)),
        )
        self._runners = [
            WatchRunner(
                name,
                severity,
                observe,
                list_rules,
                querier=querier,
                writer=SeriesWriter(sink),
                alerts=alerts,
                states=states,
                renderer=renderer,
            )
            for name, severity, observe in kinds
        ]

    def restore(self, stored: Sequence[StoredAlert]) -> list[StoredAlert]:
        """Go on with the alerts about rules from before a restart; return all the others."""
        for runner in self._runners:
            runner.restore([each for each in stored if each.key == runner.key])
        own = {runner.key for runner in self._runners}
        return [each for each in stored if each.key not in own]

    async def look(self, now: datetime, *, resolves_restored: bool) -> None:
        """Look for the series of rules that yield nothing, and tell of rules in trouble."""
        if self._data is not None:
            await self._look_for_data(self._data, now)
        evaluation = Evaluation(
            at=now,
            query_at=now,
            limit=MOST_SERIES_PER_RULE,
            longest_gap=_LONGEST_GAP,
            resolves_restored=resolves_restored,
            outage_tolerance=self._config.for_outage_tolerance,
            grace_period=self._config.for_grace_period,
        )
        for runner in self._runners:
            try:
                await runner.evaluate(evaluation, Waiting())
            except Exception:
                logger.exception("The alert %s about rules cannot be told", runner.rule.name)

    async def _look_for_data(self, data: DataFinder, now: datetime) -> None:
        due = (each for _, each in self._list_rules() if each.is_data_due(now, _LOOK_INTERVAL))
        ends_at = self._clock.monotonic() + _LONGEST_LOOK_SECONDS
        # Of very many, those come first that have waited longest.
        for rule in nsmallest(_MOST_LOOKED_AT, due, key=lambda each: each.looked_at or _NEVER):
            rule.note_data(await data.find(rule.rule.expr, now), now)
            if self._clock.monotonic() > ends_at:
                # The others are due at the next look as well.
                return


def observe_failing(config: RulesConfig) -> _Observe:
    """Return what finds the rules that cannot be evaluated."""

    def observe(group: str, status: RuleStatus) -> Observation | None:
        if config.on_error is not ErrorPolicy.ALERT or status.failing_since is None:
            return None
        error = (status.last_error or "not always, and not the last time")[:_LONGEST_ERROR]
        return _describe(
            group,
            status,
            summary=f"The rule {status.rule.name} cannot be evaluated",
            description=(
                f"Since {isoformat(status.failing_since)} its evaluations fail: {error}. Its alerts"
                " stay as they were meanwhile, so nobody hears of what it watches."
            ),
            runbook=(
                "The page Rules shows the rule, its place and the last error. A time-out or a"
                " limit: give it a smaller range, or record its inner expression."
            ),
        )

    return observe


def observe_without_data(config: RulesConfig) -> _Observe:
    """Return what finds the rules whose series are gone and that want it told."""

    def observe(group: str, status: RuleStatus) -> Observation | None:
        policy = status.rule.on_no_data or config.on_no_data
        if status.data is not DataState.VANISHED or policy is NoDataPolicy.IGNORE:
            return None
        since = "" if status.no_data_since is None else f" since {isoformat(status.no_data_since)}"
        return _describe(
            group,
            status,
            summary=f"The rule {status.rule.name} has no data",
            description=(
                f"None of the series that it reads is there{since}, although there were some"
                " before. It cannot fire."
                + (" Its alerts stay as they were." if policy is NoDataPolicy.KEEP else "")
            ),
            runbook=(
                "Does the target still answer (page Metrics, Targets)? Was the metric renamed? The"
                " explorer says of the expression why it has no result."
            ),
        )

    return observe


def _describe(group: str, status: RuleStatus, **annotations: str) -> Observation:
    labels = Labels.of(rule_group=group, rule=status.rule.name)
    texts: Mapping[str, str] = annotations
    return Observation(labels, texts, 1.0)
