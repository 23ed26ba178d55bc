"""Tries a rule on the stored data."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from resumatch_monitor.kit.clock import Clock, from_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import InstantVector, QueryError, ScalarValue
from resumatch_monitor.promql.waiting import Waiting
from resumatch_monitor.rules.model import AlertingRule, RecordingRule
from resumatch_monitor.rules.preview.advice import (
    advise_data,
    advise_firing,
    advise_rule,
    advise_values,
)
from resumatch_monitor.rules.preview.chart import draw
from resumatch_monitor.rules.preview.firing import Grid, PresenceLog, Stretch, follow
from resumatch_monitor.rules.preview.model import (
    Preview,
    PreviewedAlert,
    PreviewExample,
    PreviewWarning,
    RecordingPreview,
    WarningKind,
)
from resumatch_monitor.rules.preview.recording import try_recording
from resumatch_monitor.rules.preview.sampling import Sampler
from resumatch_monitor.rules.preview.threshold import find_threshold
from resumatch_monitor.rules.render import AlertRenderer

_FIRING_SECONDS = 15.0
_MOST_WAITING = 4
"""One is tried at a time, so that it leaves threads to all other queries."""


class BusyError(Exception):
    """Others try rules already; later there is time for this one."""


class RulePreviewer:
    """Says what a rule would have done; bounded in time, in memory, and in how many at once."""

    def __init__(self, *, queries: QueryRunner, renderer: AlertRenderer, clock: Clock) -> None:
        self._queries = queries
        self._renderer = renderer
        self._clock = clock
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def preview(
        self, rule: AlertingRule, *, interval: timedelta, start_ms: int, end_ms: int
    ) -> Preview:
        """Evaluate `rule` at its interval over a range of stored data.

        Raises:
            QueryError: If it cannot be evaluated.
            BusyError: If too many are being tried.
        """
        async with self._take_turn():
            trial = _Trial(self._queries, self._renderer, self._clock, rule, interval)
            return await trial.run(start_ms, end_ms)

    async def preview_recording(
        self, rule: RecordingRule, *, interval: timedelta, start_ms: int, end_ms: int
    ) -> RecordingPreview:
        """Return what `rule` would have recorded over a range of stored data.

        Raises:
            QueryError: If it cannot be evaluated.
            BusyError: If too many are being tried.
        """
        async with self._take_turn():
            grid = _build_grid(interval, start_ms, end_ms)
            return await try_recording(self._queries, self._clock, rule, grid)

    @asynccontextmanager
    async def _take_turn(self) -> AsyncGenerator[None]:
        if self._waiting >= _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting -= 1


def _build_grid(interval: timedelta, start_ms: int, end_ms: int) -> Grid:
    interval_ms = interval // timedelta(milliseconds=1)
    return Grid(end_ms - (end_ms - start_ms) // interval_ms * interval_ms, end_ms, interval_ms)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One preview."""

    queries: QueryRunner
    renderer: AlertRenderer
    clock: Clock
    rule: AlertingRule
    interval: timedelta

    async def run(self, start_ms: int, end_ms: int) -> Preview:
        node = parse(self.rule.expr, features=FEATURES)
        grid = _build_grid(self.interval, start_ms, end_ms)
        interval_ms = grid.step_ms
        log, grid, is_cut = await self._find_presence(node, grid)
        # What is followed takes a while, and nobody else should wait for it.
        alerts = await asyncio.to_thread(self._follow, log, grid)
        threshold = find_threshold(node)
        drawn = await draw(
            self.queries,
            self.clock,
            grid,
            expr=self.rule.expr if threshold is None else threshold.expr,
            threshold=threshold,
        )
        warnings = [
            *advise_rule(self.rule, self.interval),
            *await advise_data(
                self.queries, self.rule, node, start_ms=grid.start_ms, end_ms=grid.end_ms
            ),
            *advise_firing(
                alerts,
                drawn.chart,
                timedelta(milliseconds=grid.end_ms - grid.start_ms),
                left_out=log.left_out,
            ),
            *advise_values(node, drawn.chart, drawn.nan, drawn.infinite),
        ]
        example, failures = await self._render_example(alerts, grid)
        return Preview(
            from_ms=grid.start_ms,
            to_ms=grid.end_ms,
            step_ms=grid.step_ms,
            interval_ms=interval_ms,
            is_cut=is_cut or log.is_full,
            alerts=alerts,
            left_out=log.left_out,
            chart=drawn.chart,
            warnings=[*warnings, *failures],
            example=example,
        )

    async def _find_presence(self, node: ast.Expr, grid: Grid) -> tuple[PresenceLog, Grid, bool]:
        sampler = Sampler(self.queries, self.clock, expr=self.rule.expr, node=node)
        plan = await sampler.plan(grid)
        deadline = self.clock.monotonic() + _FIRING_SECONDS
        each = await sampler.measure(grid.end_ms)
        coarse = sampler.spread(plan.grid, each, _FIRING_SECONDS / 2)
        log = PresenceLog(plan.grid.step_ms)
        reached = await sampler.sample(
            plan,
            log.add,
            deadline=deadline,
            stop_if_longer=None if coarse is None else _FIRING_SECONDS,
        )
        if reached is None and coarse is not None:
            plan = coarse
            log = PresenceLog(plan.grid.step_ms)
            reached = await sampler.sample(plan, log.add, deadline=deadline)
        first = plan.grid.start_ms if reached is None else reached
        looked_at = Grid(first, plan.grid.end_ms, plan.grid.step_ms)
        return log, looked_at, first > plan.grid.start_ms

    def _follow(self, log: PresenceLog, grid: Grid) -> list[PreviewedAlert]:
        found: dict[Labels, list[Stretch]] = {}
        for labels, runs in log.runs().items():
            stretches = follow(
                runs,
                grid,
                hold_duration=self.rule.hold_duration,
                keep_firing_for=self.rule.keep_firing_for,
            )
            found.setdefault(labels.with_labels({METRIC_NAME: ""}), []).extend(stretches)
        end = from_milliseconds(grid.end_ms)
        alerts = [
            PreviewedAlert(
                labels,
                sorted(stretches, key=lambda each: each.active_at),
                sum(
                    ((each.ended_at or end) - each.fired_at for each in stretches if each.fired_at),
                    timedelta(0),
                ),
            )
            for labels, stretches in found.items()
        ]
        return sorted(alerts, key=lambda each: (-each.firing, -each.firing_count, each.labels))

    async def _render_example(
        self, alerts: list[PreviewedAlert], grid: Grid
    ) -> tuple[PreviewExample | None, list[PreviewWarning]]:
        """Return what the alert that fired last would have said, and what is wrong with that."""
        fired = [
            (each.fired_at, alert.labels)
            for alert in alerts
            for each in alert.stretches
            if each.fired_at is not None
        ]
        if not fired:
            return None, []
        at, wanted = max(fired, key=lambda pair: pair[0])
        try:
            value = await self.queries.instant(self.rule.expr, at)
        except QueryError:
            return None, []
        if isinstance(value, ScalarValue):
            pairs = [(Labels(), value.value)]
        elif isinstance(value, InstantVector):
            pairs = list(zip(value.labels, map(float, value.values.tolist()), strict=True))
        else:
            return None, []
        for labels, number in pairs:
            if labels.with_labels({METRIC_NAME: ""}) == wanted:
                seen = await self.renderer.observe(self.rule, labels, number, at, Waiting())
                texts = {**seen.labels, **seen.annotations}
                failures = [
                    PreviewWarning(WarningKind.TEMPLATE, f"{name}: {text}", name)
                    for name, text in texts.items()
                    if text.startswith("<error expanding template")
                ]
                at_ms = round(at.timestamp() * 1000)
                return PreviewExample(dict(seen.labels), seen.annotations, at_ms), failures
        return None, []
