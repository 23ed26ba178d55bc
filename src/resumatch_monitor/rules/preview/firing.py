"""When a rule's alerts would have fired, from when its series were there; pure decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from resumatch_monitor.alerts.state import (
    ActiveAlert,
    Observation,
    RuleState,
    Step,
    Timing,
    advance,
)
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.promql.value import Matrix

MOST_FOLLOWED = 500
"""Label sets that are followed one by one; others are counted."""
_MOST_COUNTED = 50_000
_MOST_RUNS = 50_000
_FEWEST_GAP = timedelta(minutes=2)

Run = tuple[int, int]
"""The first and the last moment, in milliseconds, of a stretch of steps without a gap."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The evaluations: `start_ms`, `start_ms + step_ms`, … up to `end_ms`."""

    start_ms: int
    end_ms: int
    step_ms: int

    @property
    def count(self) -> int:
        """How many there are."""
        return (self.end_ms - self.start_ms) // self.step_ms + 1

    def first_from(self, moment_ms: int) -> int:
        """Return the first evaluation that is not before `moment_ms`."""
        return self.start_ms + -(-(moment_ms - self.start_ms) // self.step_ms) * self.step_ms


@dataclass(frozen=True, slots=True)
class Stretch:
    """An alert's life: pending, then perhaps firing, then perhaps over.

    Attributes:
        active_at: When its series came.
        fired_at: None if it ended before its `for` had passed, or is pending.
        ended_at: None if it was not over at the end.
    """

    active_at: datetime
    fired_at: datetime | None = None
    ended_at: datetime | None = None


class PresenceLog:
    """When each series of an expression was there, gathered from matrices in any order."""

    def __init__(self, step_ms: int) -> None:
        self._step_ms = step_ms
        self._runs: dict[Labels, list[Run]] = {}
        self._others: set[Labels] = set()
        self._run_count = 0
        self.most_at_once = 0

    @property
    def is_full(self) -> bool:
        """Whether there were more stretches than are kept."""
        return self._run_count >= _MOST_RUNS

    @property
    def left_out(self) -> int:
        """How many label sets are not followed."""
        return len(self._others)

    def add(self, matrix: Matrix) -> None:
        """Note the series of a matrix whose steps are those of the log."""
        present = ~is_absent(matrix.values)
        if present.size:
            self.most_at_once = max(self.most_at_once, int(present.sum(axis=0).max()))
        times: list[int] = matrix.timestamps.tolist()
        for labels, row in zip(matrix.labels, present, strict=True):
            if labels not in self._runs and (len(self._runs) >= MOST_FOLLOWED or self.is_full):
                if len(self._others) < _MOST_COUNTED:
                    self._others.add(labels)
                continue
            edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False]))))
            pairs: list[list[int]] = edges.reshape(-1, 2).tolist()
            found = [
                (times[begin], times[end - 1])
                for begin, end in pairs[: _MOST_RUNS - self._run_count]
            ]
            self._run_count += len(found)
            self._runs.setdefault(labels, []).extend(found)

    def runs(self) -> dict[Labels, list[Run]]:
        """Return the stretches of each label set, in order; those that meet are one."""
        return {labels: self._join(runs) for labels, runs in self._runs.items()}

    def _join(self, runs: Iterable[Run]) -> list[Run]:
        joined: list[Run] = []
        for first, last in sorted(runs):
            if joined and first - joined[-1][1] == self._step_ms:
                joined[-1] = (joined[-1][0], last)
            else:
                joined.append((first, last))
        return joined


def follow(
    runs: Sequence[Run], grid: Grid, *, hold_duration: timedelta, keep_firing_for: timedelta
) -> list[Stretch]:
    """Return what becomes of one alert whose series is there in `runs`.

    It is the very state machine that evaluates in earnest, asked only at the evaluations at which
    something can change: a series comes or goes, `for` or `keep_firing_for` has passed.
    """
    follower = _Follower(grid, hold_duration, keep_firing_for)
    for first, last in runs:
        follower.let_pass(first)
        follower.see(first)
        follower.hold(last)
        follower.seen_until = last
    follower.let_pass(grid.end_ms + grid.step_ms)
    return follower.stretches


class _Follower:
    """Walks through the evaluations of one alert."""

    def __init__(self, grid: Grid, hold_duration: timedelta, keep_firing_for: timedelta) -> None:
        self._grid = grid
        step = timedelta(milliseconds=grid.step_ms)
        now = from_milliseconds(grid.start_ms)
        self._timing = Timing(
            now=now,
            previous_at=now - step,
            hold_duration=hold_duration,
            keep_firing_for=keep_firing_for,
            longest_gap=max(2 * step, _FEWEST_GAP),
        )
        self._step = step
        self._active: ActiveAlert | None = None
        self.seen_until = grid.start_ms - grid.step_ms
        self.stretches: list[Stretch] = []

    def see(self, at_ms: int) -> None:
        self._evaluate(at_ms, is_there=True)

    def hold(self, last_ms: int) -> None:
        """Let `for` pass while the series is there."""
        if self._active is not None and self._active.state is RuleState.PENDING:
            fires_at = self._active.active_at + self._timing.hold_duration
            fires_ms = self._grid.first_from(to_milliseconds(fires_at))
            if fires_ms <= last_ms:
                self._evaluate(fires_ms, is_there=True)

    def let_pass(self, before_ms: int) -> None:
        """Go on without the series up to the evaluation before `before_ms`."""
        first_ms = self.seen_until + self._grid.step_ms
        if self._active is None or first_ms >= before_ms:
            return
        self._evaluate(first_ms, is_there=False)
        if self._is_active():
            ends_at = from_milliseconds(first_ms) + self._timing.keep_firing_for
            ends_ms = self._grid.first_from(to_milliseconds(ends_at))
            if ends_ms < before_ms:
                self._evaluate(ends_ms, is_there=False)

    def _is_active(self) -> bool:
        return self._active is not None

    def _evaluate(self, at_ms: int, *, is_there: bool) -> None:
        now = from_milliseconds(at_ms)
        timing = replace(self._timing, now=now, previous_at=now - self._step)
        before = {} if self._active is None else {_NOBODY: self._active}
        step = advance(before, [Observation(_NOBODY, {}, 1.0)] if is_there else [], timing)
        self._active = step.active.get(_NOBODY)
        self._note(step, now)

    def _note(self, step: Step, now: datetime) -> None:
        for alert in step.became_pending:
            self.stretches.append(Stretch(alert.active_at))
        for alert in step.fired:
            if not self.stretches or self.stretches[-1].active_at != alert.active_at:
                self.stretches.append(Stretch(alert.active_at))
            self.stretches[-1] = replace(self.stretches[-1], fired_at=now)
        if step.resolved or step.dropped:
            self.stretches[-1] = replace(self.stretches[-1], ended_at=now)


_NOBODY = Labels()
