"""Evaluates a rule in the shadow until it fires: rule, `for` and texts are the real ones."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from typing_extensions import override

from resumatch_monitor.alerts.alert import Alert, AlertSink
from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BatchSink, Queryable, SampleBatch
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.unparse import unparse
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    ScalarValue,
)
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.drill.arithmetic import UnsolvableError
from resumatch_monitor.rules.drill.mentions import find_mentioned_labels
from resumatch_monitor.rules.drill.model import DRILL_LABEL, Firing, MadeUp, Target
from resumatch_monitor.rules.drill.selectors import find_label_names, find_selectors
from resumatch_monitor.rules.drill.shadow import ShadowSeries, ShadowStore, build_series
from resumatch_monitor.rules.drill.wishes import Solver, Wish
from resumatch_monitor.rules.isolated import ForgetfulStates, StandingClock, wait_for_ever
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.model import AlertingRule, RuleGroup

_ATTEMPTS = 3
_MOST_EVALUATIONS = 20_000
_MOST_ALERTS = 10
_MOST_SERIES = 20
_SPARE_EVALUATIONS = 2
_FINEST_STEP_MS = 1_000
_MOST_STEPS = 20_000
_EXAMPLE = "drill"


class ShadowRunner:
    """Lets rules fire on data that is made up, beside the data that is there."""

    def __init__(
        self,
        real: Queryable,
        *,
        clock: Clock,
        external_labels: Mapping[str, str],
        external_url: str,
        subquery_step: timedelta,
    ) -> None:
        self._real = real
        self._clock = clock
        self._external_labels = external_labels
        self._external_url = external_url
        self._options = Options(
            subquery_step_ms=max(1, subquery_step // timedelta(milliseconds=1)), features=FEATURES
        )

    async def fire(self, target: Target, *, is_real_time: bool = False) -> Firing:
        """Evaluate a rule until it fires.

        Args:
            target: The rule and its group, whose interval, limit and offset apply.
            is_real_time: Whether to let the time pass instead of going on to the next evaluation.
        """
        begins_at = self._clock.now()
        shadow = await asyncio.to_thread(self._make_up, target, begins_at)
        rule = target.rule
        group = RuleGroup(
            name=target.group.name,
            file=target.group.file,
            interval=target.group.interval,
            rules=(rule,),
            limit=target.group.limit,
            query_offset=target.group.query_offset,
        )
        series: list[MadeUp] = []
        querier: Querier
        if shadow is None:
            querier = _Replaced(rule, _Querier(self._real, self._options))
        else:
            store, made_up = shadow
            querier = _Querier(store, self._options)
            series = [MadeUp(each.labels, each.describe()) for each in made_up[:_MOST_SERIES]]
        return await self._evaluate(
            group, rule, querier, series, is_replaced=shadow is None, is_real_time=is_real_time
        )

    async def _evaluate(
        self,
        group: RuleGroup,
        rule: AlertingRule,
        querier: Querier,
        series: Sequence[MadeUp],
        *,
        is_replaced: bool,
        is_real_time: bool,
    ) -> Firing:
        begins_at = self._clock.now()
        clock, alerts = StandingClock(begins_at), _Catcher()
        manager = RuleManager(
            [group],
            (),
            querier=querier,
            sink=_Nowhere(),
            alerts=alerts,
            states=ForgetfulStates(),
            clock=clock,
            telemetry=Telemetry(),
            wait_until_ready=wait_for_ever,
            external_labels=self._external_labels,
            external_url=self._external_url,
        )
        await manager.start()
        try:
            (runner,) = manager.group_runners
            most = min(
                rule.hold_duration // group.interval + 1 + _SPARE_EVALUATIONS, _MOST_EVALUATIONS
            )
            for number in range(most):
                passed = number * group.interval
                if is_real_time and number:
                    await self._clock.sleep(group.interval.total_seconds())
                clock.at = begins_at + passed
                await runner.evaluate(clock.at)
                (status,) = runner.status.rules
                if status.last_error is not None:
                    return Firing((), None, number + 1, is_replaced, series, status.last_error)
                if alerts.firing:
                    return Firing(alerts.firing, passed, number + 1, is_replaced, series)
        finally:
            await manager.stop()
        return Firing((), None, most, is_replaced, series, "the condition did not stay true")

    def _make_up(
        self, target: Target, begins_at: datetime
    ) -> tuple[ShadowStore, list[ShadowSeries]] | None:
        """Return a shadow in which the rule's expression holds; None if none is found."""
        rule, group = target.rule, target.group
        try:
            node = parse(rule.expr, features=FEATURES)
        except QueryError:
            return None
        interval_ms = group.interval // timedelta(milliseconds=1)
        begins_ms = to_milliseconds(begins_at - group.query_offset)
        ends_ms = begins_ms + (rule.hold_duration // timedelta(milliseconds=1)) + 3 * interval_ms
        selectors = find_selectors(node)
        names = find_label_names(node) | find_mentioned_labels(rule)
        extra = {name: _EXAMPLE for name in sorted(names) if name != "le"}
        evaluate = self._build_constant(begins_ms)
        for attempt in range(_ATTEMPTS):
            try:
                wishes = Solver(evaluate, attempt).hold(node)
                step_ms = _choose_step(wishes, interval_ms)
                series = build_series(
                    wishes, extra_labels=extra, begins_ms=begins_ms, step_ms=step_ms
                )
            except (UnsolvableError, ValueError):
                continue
            hidden = [each.matchers for each in selectors]
            store = ShadowStore(self._real, series, hidden, step_ms=step_ms)
            if self._holds(store, rule.expr, begins_ms, ends_ms):
                return store, series
        return None

    def _holds(self, store: ShadowStore, expr: str, begins_ms: int, ends_ms: int) -> bool:
        """Tell whether an expression yields something from the beginning to the end."""
        try:
            return all(
                _has_result(evaluate_instant(store, expr, at_ms, options=self._options).value)
                for at_ms in (begins_ms, (begins_ms + ends_ms) // 2, ends_ms)
            )
        except QueryError:
            return False

    def _build_constant(self, at_ms: int) -> Callable[[ast.Expr], float | None]:
        def evaluate(node: ast.Expr) -> float | None:
            try:
                text = unparse(node)
                value = evaluate_instant(self._real, text, at_ms, options=self._options).value
            except QueryError:
                return None
            if isinstance(value, ScalarValue):
                return value.value
            if isinstance(value, InstantVector) and len(value.labels) == 1:
                return float(value.values[0])
            return None

        return evaluate


class _Querier(Querier):
    """Evaluates in a thread, over the shadow."""

    def __init__(self, store: Queryable, options: Options) -> None:
        self._store = store
        self._options = options

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        at_ms = to_milliseconds(at)
        answer = await asyncio.to_thread(
            evaluate_instant, self._store, query, at_ms, options=self._options
        )
        return answer.value

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        answer = await asyncio.to_thread(
            evaluate_range,
            self._store,
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            options=self._options,
        )
        return answer.value


class _Replaced(Querier):
    """Says of the rule's expression that it holds; everything else is asked in earnest."""

    def __init__(self, rule: AlertingRule, others: Querier) -> None:
        self._rule = rule
        self._others = others
        names = sorted(find_mentioned_labels(rule))
        self._labels = Labels.of(dict.fromkeys(names, _EXAMPLE))

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        if query == self._rule.expr:
            return InstantVector(to_milliseconds(at), [self._labels], np.array([1.0]))
        return await self._others.instant(query, at, waiting=waiting)

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return await self._others.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)


class _Catcher(AlertSink):
    """Keeps the first alerts that fire, marked as a drill."""

    def __init__(self) -> None:
        self.firing: list[Alert] = []

    @override
    async def put(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts[: _MOST_ALERTS - len(self.firing)]:
            self.firing.append(mark(alert))


class _Nowhere(BatchSink):
    """Keeps no samples: what a drill would record never was."""

    @override
    async def append_batch(self, batch: SampleBatch) -> None:
        return None


def mark(alert: Alert) -> Alert:
    """Return `alert` as that of a drill."""
    return Alert(
        labels=alert.labels.with_labels({DRILL_LABEL: "true"}),
        annotations=alert.annotations,
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        source=alert.source,
        generator_path=alert.generator_path,
        value=alert.value,
    )


def _has_result(value: InstantValue) -> bool:
    return isinstance(value, ScalarValue) or (
        isinstance(value, InstantVector) and len(value.labels) > 0
    )


def _choose_step(wishes: Sequence[Wish], interval_ms: int) -> int:
    """Return how far the samples lie apart: at least four in the shortest range."""
    ranges = [each.range_ms for each in wishes if each.range_ms]
    finest = min([interval_ms, *(each // 4 for each in ranges)])
    # Of a week, a sample a second would be too many.
    return max(_FINEST_STEP_MS, finest, max(ranges, default=0) // _MOST_STEPS)
