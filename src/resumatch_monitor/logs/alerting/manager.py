"""Evaluates all rules over records, each at its own pace."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from prometheus_client import Counter

from resumatch_monitor.alerts.alert import Alert, AlertSink, AlertSource
from resumatch_monitor.kit.cadence import find_next_slot, find_phase
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.logs.alerting.config import LogRuleConfig
from resumatch_monitor.logs.alerting.counting import UncertainCountError
from resumatch_monitor.logs.alerting.rule import build_rule
from resumatch_monitor.logs.alerting.runner import LogRuleRunner
from resumatch_monitor.logs.alerting.store import LogRuleStates, StoredLogAlert
from resumatch_monitor.logs.store import LogReader

logger = logging.getLogger(__name__)

_MOST_AT_ONCE = 2
_LONGEST_JUMP_SECONDS = 30.0


class _Watch:
    """Tells for how long there has been nothing that keeps records from being where they belong.

    While the monitor was down senders waited; when the machine slept or the clock was set, the
    last minutes by the clock are minutes in which nobody can have sent anything.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._drift = self._measure()

    def find_length(self) -> timedelta:
        """Return for how long, up to now."""
        drift = self._measure()
        if abs(drift - self._drift) > _LONGEST_JUMP_SECONDS:
            self._began = self._clock.monotonic()
        # A clock that is slow by a little all the time never jumps.
        self._drift = drift
        return timedelta(seconds=self._clock.monotonic() - self._began)

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class LogRules:
    """The rules of the configuration."""

    def __init__(
        self,
        configs: Sequence[LogRuleConfig],
        *,
        reader: LogReader,
        states: LogRuleStates,
        alerts: AlertSink,
        telemetry: Telemetry,
        clock: Clock,
        found_until: Callable[[], datetime | None] | None = None,
    ) -> None:
        """Build the rules.

        Args:
            configs: What they are.
            reader: Where records are counted.
            states: Where states are kept.
            alerts: Gets the alerts.
            telemetry: Gets the figures.
            clock: When rules are evaluated.
            found_until: Returns until when all that arrived can be found, None if that is not
                known; without it, what arrived is found at once.
        """
        self.runners = [
            LogRuleRunner(build_rule(config), reader=reader, states=states, alerts=alerts)
            for config in configs
        ]
        self._states = states
        self._sink = alerts
        self._clock = clock
        self._found_until = found_until or clock.now
        self._watch = _Watch(clock)
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._evaluations = Counter(
            "resumatch_monitor_logs_rule_evaluations_total",
            "Evaluations of rules over log records, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("done", "failed"):
            self._evaluations.labels(outcome)

    async def run(self) -> None:
        """Go on with what was stored, then evaluate until cancelled."""
        await self.restore()
        self._watch = _Watch(self._clock)
        async with asyncio.TaskGroup() as group:
            for runner in self.runners:
                group.create_task(self._follow(runner))

    async def restore(self) -> None:
        """Give rules the alerts from before a restart, and end those of rules that are gone."""
        by_rule: dict[str, list[StoredLogAlert]] = {}
        for stored in await self._states.load():
            by_rule.setdefault(stored.rule, []).append(stored)
        for runner in self.runners:
            runner.restore(by_rule.pop(runner.rule.name, []))
        for rule, orphans in by_rule.items():
            await self._end(rule, orphans)

    async def evaluate(self, runner: LogRuleRunner, now: datetime) -> None:
        """Evaluate a rule; what goes wrong is told once and tried again next time."""
        try:
            async with self._slots:
                await runner.evaluate(now, until=self._find_end())
        except (UncertainCountError, StorageUnavailableError, OSError) as error:
            self._note(runner, str(error) or type(error).__name__)
        except Exception as error:
            # One rule must not end all the others.
            logger.exception("The log rule %r failed", runner.rule.name)
            self._note(runner, type(error).__name__)
        else:
            self._evaluations.labels("done").inc()
            runner.problem = ""

    def _find_end(self) -> datetime:
        until = self._found_until()
        if until is None:
            raise UncertainCountError("what waits since before the start is not found yet")
        return until

    async def _follow(self, runner: LogRuleRunner) -> None:
        config = runner.rule.config
        interval = config.every.total_seconds()
        offset = find_phase(runner.rule.name) * interval
        while True:
            now = self._clock.now().timestamp()
            following = find_next_slot(now, interval_seconds=interval, offset_seconds=offset)
            await self._clock.sleep(following - now)
            moment = self._clock.now()
            if config.below is None or self._sees_window(config.window, moment):
                await self.evaluate(runner, moment)

    def _sees_window(self, window: timedelta, now: datetime) -> bool:
        """Tell whether it means something that nothing is in the window that can be seen."""
        length = self._watch.find_length()
        until = self._found_until()
        # Without an end to look up to, the evaluation says so.
        return until is None or length - (now - until) >= window

    async def _end(self, rule: str, orphans: Sequence[StoredLogAlert]) -> None:
        now = self._clock.now()
        ends = [
            replace(_as_alert(each), ends_at=max(now, each.alert.active_at))
            for each in orphans
            if each.alert.fired_at is not None
        ]
        if ends:
            await self._sink.put(ends)
        await self._states.save(
            rule, changed=[], removed=[each.alert for each in orphans], seen_at=now
        )

    def _note(self, runner: LogRuleRunner, problem: str) -> None:
        self._evaluations.labels("failed").inc()
        if runner.problem != problem:
            logger.warning("The log rule %r cannot be evaluated: %s", runner.rule.name, problem)
        runner.problem = problem


def _as_alert(stored: StoredLogAlert) -> Alert:
    alert = stored.alert
    return Alert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.active_at,
        source=AlertSource.LOG,
        generator_path="/logs",
        value=alert.value,
    )
