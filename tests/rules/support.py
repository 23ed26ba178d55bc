"""What the rules' tests put around a rule manager."""

import itertools
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.alerts.state import ActiveAlert
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import Queryable, SampleBatch, is_stale
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.value import InstantValue, InstantVector, Matrix, QueryError
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.data import DataFinder
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.model import (
    AlertingRule,
    RecordingRule,
    Rule,
    RuleFileError,
    RuleGroup,
    RuleKey,
)
from resumatch_monitor.rules.store import StoredAlert
from tests.support.clock import FakeClock

INTERVAL = timedelta(seconds=15)

Answer = Mapping[Labels, float] | Exception


class ScriptedQuerier:
    """Answers each expression with what the test says."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, datetime]] = []
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.waited_seconds = 0.0

    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantVector:
        if waiting is not None:
            waiting.seconds += self.waited_seconds
        self.asked.append((query, at))
        if self.before_answer is not None:
            await self.before_answer()
        answer = self.answers.get(query, {})
        if isinstance(answer, Exception):
            raise answer
        return InstantVector(0, list(answer), np.array(list(answer.values()), np.float64))

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        raise NotImplementedError


class MemorySink:
    """Keeps every sample; `last` is None where a series ended."""

    def __init__(self) -> None:
        self.samples: list[tuple[Labels, int, float]] = []
        self.failure: Exception | None = None

    async def append_batch(self, batch: SampleBatch) -> None:
        if self.failure is not None:
            raise self.failure
        bounds: list[int] = batch.offsets.tolist()
        for labels, (begin, end) in zip(batch.labels, itertools.pairwise(bounds), strict=True):
            times: list[int] = batch.times[begin:end].tolist()
            for time, value in zip(times, batch.values[begin:end], strict=True):
                self.samples.append((labels, time, float(value)))

    def last(self, labels: Labels) -> float | None:
        values = [value for each, _, value in self.samples if each == labels]
        if not values or is_stale(np.array([values[-1]]))[0]:
            return None
        return values[-1]


class MemoryAlerts:
    """An alert sink that keeps the rule of the real one: the same again changes nothing."""

    def __init__(self) -> None:
        self.puts: list[Alert] = []
        self.firing: dict[str, Alert] = {}
        self.messages: list[tuple[str, str]] = []
        self.failure: Exception | None = None

    async def put(self, alerts: Sequence[Alert]) -> None:
        if self.failure is not None:
            raise self.failure
        for alert in alerts:
            self.puts.append(alert)
            was_firing = alert.fingerprint in self.firing
            if alert.ends_at is None:
                self.firing[alert.fingerprint] = alert
                if not was_firing:
                    self.messages.append(("firing", alert.name))
            elif was_firing:
                del self.firing[alert.fingerprint]
                self.messages.append(("resolved", alert.name))


class MemoryStates:
    """A state store in memory; what it holds survives a "restart" of the manager."""

    def __init__(self) -> None:
        self.rows: dict[tuple[RuleKey, Labels], StoredAlert] = {}
        self.failure: Exception | None = None
        self.save_count = 0

    async def load(self) -> list[StoredAlert]:
        return list(self.rows.values())

    async def save(
        self,
        key: RuleKey,
        *,
        changed: Sequence[ActiveAlert],
        removed: Sequence[ActiveAlert],
        seen_at: datetime,
    ) -> None:
        if self.failure is not None:
            raise self.failure
        self.save_count += 1
        for alert in removed:
            self.rows.pop((key, alert.labels), None)
        for alert in changed:
            self.rows[key, alert.labels] = StoredAlert(key, alert, seen_at)
        for place, row in self.rows.items():
            if row.key == key:
                self.rows[place] = StoredAlert(key, row.alert, seen_at)


class EngineQuerier:
    """Evaluates with the real engine, at once and on the same thread."""

    def __init__(self, store: Queryable) -> None:
        self._store = store

    async def instant(
        self, query: str, at: datetime, *, waiting: Waiting | None = None
    ) -> InstantValue:
        options = Options()
        return evaluate_instant(self._store, query, to_milliseconds(at), options=options).value

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        return evaluate_range(
            self._store,
            query,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=step_ms,
            options=Options(),
        ).value


class World:
    """Everything around a manager; `start` builds one, as a process does when it starts.

    With a `store`, the real engine evaluates over it; without one, `querier` answers by script.
    """

    def __init__(self, clock: FakeClock, *, store: Queryable | None = None) -> None:
        self.clock = clock
        self.querier = ScriptedQuerier()
        self._engine = None if store is None else EngineQuerier(store)
        self.sink = MemorySink()
        self.alerts = MemoryAlerts()
        self.states = MemoryStates()
        self.telemetry = Telemetry()
        self.manager: RuleManager | None = None
        self.wait_until_ready: Callable[[], Awaitable[None]] = _return_at_once

    async def start(
        self,
        *groups: RuleGroup,
        errors: Sequence[RuleFileError] = (),
        config: RulesConfig | None = None,
        looks_for_data: bool = False,
    ) -> RuleManager:
        self.telemetry = Telemetry()
        self.manager = RuleManager(
            groups,
            errors,
            querier=self._engine or self.querier,
            sink=self.sink,
            alerts=self.alerts,
            states=self.states,
            clock=self.clock,
            telemetry=self.telemetry,
            wait_until_ready=self.wait_until_ready,
            config=config or RulesConfig(max_concurrent_evals=4),
            data=DataFinder(self._engine or self.querier) if looks_for_data else None,
        )
        await self.manager.start()
        return self.manager

    async def stop(self) -> None:
        if self.manager is not None:
            await self.manager.stop()
            self.manager = None

    async def evaluate(self, times: int = 1) -> None:
        await self.clock.advance(times * INTERVAL.total_seconds())

    def metric(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name, labels)


async def _return_at_once() -> None:
    return


def make_rule(
    name: str = "Broken",
    *,
    expr: str = "broken > 0",
    hold_seconds: float = 0,
    keep_firing_seconds: float = 0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> AlertingRule:
    return AlertingRule(
        name=name,
        expr=expr,
        hold_duration=timedelta(seconds=hold_seconds),
        keep_firing_for=timedelta(seconds=keep_firing_seconds),
        labels=tuple((labels or {"severity": "critical"}).items()),
        annotations=tuple((annotations or {}).items()),
    )


def make_group(
    *rules: Rule, name: str = "group", file: str = "rules.yml", limit: int = 0
) -> RuleGroup:
    return RuleGroup(name=name, file=file, interval=INTERVAL, rules=rules, limit=limit)


def make_recording_rule(name: str = "job:broken:sum", expr: str = "sum(broken)") -> RecordingRule:
    return RecordingRule(name=name, expr=expr)


def refuse_nonsense(expr: str) -> None:
    """Stand for the parser where a test is about the file's form."""
    if "nonsense" in expr:
        raise QueryError("unexpected nonsense")


def one(**labels: str) -> dict[Labels, float]:
    return {Labels.of(labels): 1.0}


def is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)
