"""Evaluates a group of rules at its interval, never twice at the same time."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from resumatch_monitor.kit.clock import Clock, from_milliseconds, to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.dependencies import find_stages
from resumatch_monitor.rules.model import RuleGroup
from resumatch_monitor.rules.runner import (
    MOST_SERIES_PER_RULE,
    Evaluation,
    RuleRunner,
    RuleStatus,
)
from resumatch_monitor.rules.telemetry import RuleTelemetry

logger = logging.getLogger(__name__)

_SHORTEST_GAP = timedelta(minutes=2)
_SHORTEST_SETTLING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """How a group is doing.

    Attributes:
        last_evaluation_at: The moment of the last evaluation, aligned; None before the first.
        evaluation_seconds: How long it took.
        next_evaluation_at: When the next one is due; None until all targets were asked once.
        iterations_missed: Evaluations left out since the start or the last change of the rules.
    """

    group: RuleGroup
    rules: tuple[RuleStatus, ...]
    last_evaluation_at: datetime | None
    evaluation_seconds: float
    next_evaluation_at: datetime | None = None
    iterations_missed: int = 0


class Readiness:
    """Whether everything that is watched was seen once since the start."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._since_monotonic = 0.0

    def announce(self, monotonic: float) -> None:
        """Say that it is so since `monotonic`."""
        self._since_monotonic = monotonic
        self._event.set()

    async def wait(self) -> None:
        """Wait until it is so."""
        await self._event.wait()

    def age_seconds(self, monotonic: float) -> float:
        """Return for how long it is so."""
        return monotonic - self._since_monotonic if self._event.is_set() else 0.0


class Slots:
    """How many rules may run at the same time beside the one that each group may always run."""

    def __init__(self, count: int) -> None:
        self._free = count

    def take(self, wanted: int) -> int:
        """Take as many of `wanted` as are free, and return how many that are."""
        taken = max(0, min(wanted, self._free))
        self._free -= taken
        return taken

    def give_back(self, taken: int) -> None:
        """Free what was taken."""
        self._free += taken


class GroupRunner:
    """Runs the rules of one group in order, at moments aligned to the interval."""

    def __init__(
        self,
        *,
        group: RuleGroup,
        runners: Sequence[RuleRunner],
        readiness: Readiness,
        clock: Clock,
        telemetry: RuleTelemetry,
        config: RulesConfig,
        slots: Slots,
    ) -> None:
        self.group = group
        self.runners = tuple(runners)
        self.label = f"{group.file_name};{group.name}"
        self.lock = asyncio.Lock()
        self._readiness = readiness
        self._clock = clock
        self._telemetry = telemetry
        self._config = config
        self._slots = slots
        self._stages = [
            [self.runners[position] for position in stage] for stage in find_stages(group.rules)
        ]
        self._interval_ms = group.interval // timedelta(milliseconds=1)
        # Groups of one interval are spread over it, always in the same way.
        self._phase_ms = int(Labels.of(group=self.label).fingerprint, 16) % self._interval_ms
        self._last_at: datetime | None = None
        self._seconds = 0.0
        self._turn_ms: int | None = None
        self._missed = 0

    @property
    def status(self) -> GroupStatus:
        """How the group is doing."""
        return GroupStatus(
            group=self.group,
            rules=tuple(runner.status for runner in self.runners),
            last_evaluation_at=self._last_at,
            evaluation_seconds=self._seconds,
            next_evaluation_at=None if self._turn_ms is None else from_milliseconds(self._turn_ms),
            iterations_missed=self._missed,
        )

    async def run(self) -> None:
        """Evaluate for ever, from the moment that everything is ready."""
        await self._readiness.wait()
        turn_ms = self._align_down(self._now_ms()) + self._interval_ms
        while True:
            turn_ms = await self._wait_for(turn_ms)
            began = self._clock.monotonic()
            async with self.lock:
                await self.evaluate(from_milliseconds(turn_ms))
            turn_ms = self._find_next(turn_ms, self._clock.monotonic() - began)

    async def evaluate(self, at: datetime) -> None:
        """Evaluate every rule once; a rule that fails does not stop the others.

        Rules that do not read each other run at the same time, as far as the limit allows.
        """
        began = self._clock.monotonic()
        evaluation = self._describe(at, began)
        for stage in self._stages:
            await self._evaluate_stage(stage, evaluation)
        self._last_at = at
        self._seconds = self._clock.monotonic() - began
        self._telemetry.last_evaluation.labels(self.label).set(at.timestamp())
        self._telemetry.group_seconds.labels(self.label).set(self._seconds)
        self._telemetry.iterations.labels(self.label).inc()
        samples = sum(runner.status.samples for runner in self.runners)
        self._telemetry.samples.labels(self.label).set(samples)

    async def _evaluate_stage(self, runners: Sequence[RuleRunner], evaluation: Evaluation) -> None:
        waiting = iter(runners)

        async def evaluate_some() -> None:
            for runner in waiting:
                await self._evaluate_rule(runner, evaluation)

        beside = self._slots.take(len(runners) - 1)
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(1 + beside):
                    tasks.create_task(evaluate_some())
        finally:
            self._slots.give_back(beside)

    async def _evaluate_rule(self, runner: RuleRunner, evaluation: Evaluation) -> None:
        began, waiting = self._clock.monotonic(), Waiting()
        error_text: str | None = None
        try:
            await runner.evaluate(evaluation, waiting)
        except QueryError as error:
            error_text = str(error)
            logger.warning("The rule %s cannot be evaluated: %s", runner.rule.name, error)
        except Exception as error:
            error_text = f"{type(error).__name__}: {error}"
            logger.exception("The rule %s failed", runner.rule.name)
        # Rules that are evaluated at the same time wait for each other: that time is not theirs.
        seconds = max(0.0, self._clock.monotonic() - began - waiting.seconds)
        self._telemetry.evaluation_seconds.observe(seconds)
        self._telemetry.evaluations.labels(self.label).inc()
        if error_text is not None:
            self._telemetry.failures.labels(self.label).inc()
        runner.note_outcome(evaluation.at, seconds, error_text)

    def _describe(self, at: datetime, monotonic: float) -> Evaluation:
        interval = self.group.interval
        # After a long pause, a rate needs two scrapes before it says anything: until then,
        # silence is no reason to resolve an alert from before the pause.
        settling_seconds = max(2 * interval.total_seconds(), _SHORTEST_SETTLING_SECONDS)
        return Evaluation(
            at=at,
            query_at=at - self.group.query_offset,
            limit=min(self.group.limit or MOST_SERIES_PER_RULE, MOST_SERIES_PER_RULE),
            longest_gap=max(2 * interval, _SHORTEST_GAP),
            resolves_restored=self._readiness.age_seconds(monotonic) >= settling_seconds,
            outage_tolerance=self._config.for_outage_tolerance,
            grace_period=self._config.for_grace_period,
        )

    async def _wait_for(self, turn_ms: int) -> int:
        """Sleep until `turn_ms`; return another turn if the wall clock was set meanwhile."""
        self._turn_ms = turn_ms
        await self._clock.sleep(max(0, turn_ms - self._now_ms()) / 1000)
        woken_ms = self._now_ms()
        is_set = abs(woken_ms - turn_ms) > self._interval_ms
        return self._align_down(woken_ms) if is_set else turn_ms

    def _find_next(self, turn_ms: int, took_seconds: float) -> int:
        """Return the turn after `turn_ms`: the latest one, at once, if some have passed."""
        next_ms = turn_ms + self._interval_ms
        latest_ms = self._align_down(self._now_ms())
        passed = (latest_ms - next_ms) // self._interval_ms
        # The wall clock may have been set meanwhile; that is no evaluation missed.
        missed = min(passed, int(took_seconds * 1000) // self._interval_ms)
        if missed > 0:
            self._missed += missed
            self._telemetry.iterations_missed.labels(self.label).inc(missed)
            self._telemetry.iterations.labels(self.label).inc(missed)
        # A clock that was set back must not keep the group waiting.
        return min(max(next_ms, latest_ms), latest_ms + self._interval_ms)

    def _now_ms(self) -> int:
        return to_milliseconds(self._clock.now())

    def _align_down(self, moment_ms: int) -> int:
        return moment_ms - (moment_ms - self._phase_ms) % self._interval_ms
