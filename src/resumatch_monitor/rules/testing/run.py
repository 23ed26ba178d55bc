"""Runs the tests of a file: the rules are evaluated by the engine that runs in earnest."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from typing_extensions import override

from resumatch_monitor.alerts.alert import Alert, AlertSink
from resumatch_monitor.alerts.state import RuleState
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import Queryable
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.runner import Querier
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    ScalarValue,
)
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.group import GroupRunner
from resumatch_monitor.rules.isolated import ForgetfulStates, StandingClock, wait_for_ever
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.model import RuleGroup
from resumatch_monitor.rules.testing.document import (
    AlertTest,
    ExpectedAlert,
    ExpectedSample,
    ExprTest,
    RuleTest,
    RuleTestDocument,
)
from resumatch_monitor.rules.testing.report import (
    Failure,
    describe_alerts,
    describe_error,
    describe_evaluation_error,
    describe_samples,
)
from resumatch_monitor.rules.testing.store import SeriesStore


@dataclass(frozen=True, slots=True)
class RuleTestOutcome:
    """How one test went; without failures it has passed."""

    test: RuleTest
    failures: Sequence[Failure]


def run_tests(
    document: RuleTestDocument, groups: Sequence[RuleGroup], tests: Sequence[RuleTest]
) -> list[RuleTestOutcome]:
    """Run `tests`, which are some of the document's, each with a store of its own."""
    order = {name: position for position, name in enumerate(document.group_order)}
    ordered = sorted(groups, key=lambda group: order.get(group.name, 0))
    # The tests' own interval is how often all groups are evaluated.
    paced = [replace(group, interval=document.evaluation_interval) for group in ordered]
    return [RuleTestOutcome(test, asyncio.run(_Run(document, test).run(paced))) for test in tests]


class _Run:
    """One test on its way."""

    def __init__(self, document: RuleTestDocument, test: RuleTest) -> None:
        self._test = test
        self._interval = document.evaluation_interval
        self._is_fuzzy = document.is_fuzzy
        self._clock = StandingClock(test.start_at)
        self._store = SeriesStore(
            test.series,
            start_ms=to_milliseconds(test.start_at),
            interval_ms=test.interval // timedelta(milliseconds=1),
        )
        self._querier = _Querier(self._store, self._interval)
        self._failures: list[Failure] = []

    async def run(self, groups: Sequence[RuleGroup]) -> list[Failure]:
        manager = RuleManager(
            groups,
            (),
            querier=self._querier,
            sink=self._store,
            alerts=_Nobody(),
            states=ForgetfulStates(),
            clock=self._clock,
            telemetry=Telemetry(),
            wait_until_ready=wait_for_ever,
            external_labels=self._test.external_labels,
            external_url=self._test.external_url,
        )
        await manager.start()
        try:
            if await self._evaluate_all(manager.group_runners):
                await self._check_expressions()
        finally:
            await manager.stop()
        return self._failures

    async def _evaluate_all(self, runners: Sequence[GroupRunner]) -> bool:
        """Evaluate to the end; return False if a rule cannot be evaluated."""
        passed = timedelta(0)
        while passed <= self._test.duration:
            at = self._test.start_at + passed
            self._clock.at, self._store.now_ms = at, to_milliseconds(at)
            for runner in runners:
                await runner.evaluate(at)
            if not self._check_health(runners, passed):
                return False
            for each in self._test.alert_tests:
                if passed <= each.eval_time < passed + self._interval:
                    self._check_alerts(each, runners)
            passed += self._interval
        return True

    def _check_health(self, runners: Sequence[GroupRunner], passed: timedelta) -> bool:
        errors = [
            describe_evaluation_error(self._test, status.rule.name, passed, status.last_error)
            for runner in runners
            for status in runner.status.rules
            if status.last_error is not None
        ]
        self._failures.extend(errors)
        return not errors

    def _check_alerts(self, wanted: AlertTest, runners: Sequence[GroupRunner]) -> None:
        found = [
            ExpectedAlert(alert.labels, Labels.of(alert.annotations))
            for runner in runners
            for status in runner.status.rules
            if status.rule.name == wanted.alert_name
            for alert in status.alerts
            if alert.state is RuleState.FIRING
        ]
        found.sort(key=_alert_order)
        expected = sorted(wanted.expected, key=_alert_order)
        if found != expected:
            self._failures.append(describe_alerts(self._test, wanted, expected, found))

    async def _check_expressions(self) -> None:
        for wanted in self._test.expr_tests:
            try:
                value = await self._querier.instant(
                    wanted.expr, self._test.start_at + wanted.eval_time
                )
                found = _to_samples(value)
            except QueryError as error:
                self._failures.append(describe_error(self._test, wanted, str(error)))
                continue
            self._check_samples(wanted, found)

    def _check_samples(self, wanted: ExprTest, found: list[ExpectedSample]) -> None:
        found.sort(key=lambda sample: sample.labels)
        expected = sorted(wanted.expected, key=lambda sample: sample.labels)
        are_equal = len(found) == len(expected) and all(
            left.labels == right.labels and self._is_same(left.value, right.value)
            for left, right in zip(expected, found, strict=True)
        )
        if not are_equal:
            self._failures.append(describe_samples(self._test, wanted, expected, found))

    def _is_same(self, left: float, right: float) -> bool:
        if left == right or (math.isnan(left) and math.isnan(right)):
            return True
        return self._is_fuzzy and right in (
            math.nextafter(left, -math.inf),
            math.nextafter(left, math.inf),
        )


def _alert_order(alert: ExpectedAlert) -> tuple[object, object]:
    return alert.labels.pairs, alert.annotations.pairs


def _to_samples(value: InstantValue) -> list[ExpectedSample]:
    if isinstance(value, ScalarValue):
        return [ExpectedSample(Labels(), value.value)]
    if not isinstance(value, InstantVector):
        raise QueryError("rule result is not a vector or scalar")
    numbers: list[float] = value.values.tolist()
    return list(map(ExpectedSample, value.labels, numbers))


class _Querier(Querier):
    """Evaluates at once, on the same thread."""

    def __init__(self, store: Queryable, subquery_step: timedelta) -> None:
        self._store = store
        self._options = Options(subquery_step_ms=subquery_step // timedelta(milliseconds=1))

    @override
    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        at_ms = to_milliseconds(at)
        return evaluate_instant(self._store, query, at_ms, options=self._options).value

    @override
    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return evaluate_range(
            self._store,
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            options=self._options,
        ).value


class _Nobody(AlertSink):
    """Is told of alerts; the test looks at the rules themselves."""

    @override
    async def put(self, alerts: Sequence[Alert]) -> None:
        return None
