"""Decides what a row of results means: up, degraded, down, and when an outage begins and ends.

Pure: results go in, the state and what has changed come out. The state holds all that is needed
to continue after the monitor itself was killed.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.probes.probe import ProbeResult


class ProbeStatus(StrEnum):
    """What is believed of a target."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


class EpisodeKind(StrEnum):
    """What a target suffers for a while."""

    DOWN = "down"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a target counts as slow, and when trouble is told.

    Attributes:
        slow_after: A slower answer is slow.
        hold: How long a condition lasts before its episode opens.
        longest_gap: Between attempts; after a longer one the monitor was not watching.
    """

    slow_after: timedelta
    hold: timedelta
    longest_gap: timedelta


@dataclass(frozen=True, slots=True)
class Observation:
    """One result and when it was got."""

    at: datetime
    finished_at: datetime
    result: ProbeResult

    def judge(self, slow_after: timedelta) -> ProbeStatus:
        """Return what this result alone says."""
        if not self.result.is_success:
            return ProbeStatus.DOWN
        is_slow = self.result.duration_seconds > slow_after.total_seconds()
        return ProbeStatus.DEGRADED if is_slow else ProbeStatus.UP


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether something bad goes on; only a second good result in a row ends it.

    So a target that fails every other attempt is one that fails, and an outage does not end and
    begin again with each lucky answer.

    Attributes:
        since: The first bad attempt; None if all is well.
        opened_at: When it had lasted long enough to be an episode.
        recovering_since: The good attempt that awaits confirmation.
        cause: What the first bad attempt said.
    """

    since: datetime | None = None
    opened_at: datetime | None = None
    recovering_since: datetime | None = None
    cause: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether the next attempt at the usual time is soon enough."""
        return self.since is None


_ALL_WELL = Condition()


@dataclass(frozen=True, slots=True)
class ProbeState:
    """All that is remembered of a probe between attempts."""

    status: ProbeStatus = ProbeStatus.UNKNOWN
    status_since: datetime | None = None
    last_at: datetime | None = None
    failing: Condition = field(default_factory=Condition)
    slow: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class EpisodeOpened:
    """Trouble has lasted long enough to be told."""

    kind: EpisodeKind
    started_at: datetime
    opened_at: datetime
    cause: str


@dataclass(frozen=True, slots=True)
class EpisodeClosed:
    """An episode that was open has ended with the attempt at `ended_at`."""

    kind: EpisodeKind
    ended_at: datetime


Transition = EpisodeOpened | EpisodeClosed


def advance(
    state: ProbeState, observation: Observation, thresholds: Thresholds
) -> tuple[ProbeState, list[Transition]]:
    """Return the state after `observation`, and the episodes that it opens or closes."""
    judged = observation.judge(thresholds.slow_after)
    failing, slow = (
        _bridge_gap(condition, state.last_at, observation.at, thresholds.longest_gap)
        for condition in (state.failing, state.slow)
    )
    transitions: list[Transition] = []
    failing = _advance_condition(
        EpisodeKind.DOWN,
        failing,
        observation,
        bad_because=observation.result.message if judged is ProbeStatus.DOWN else None,
        hold=thresholds.hold,
        transitions=transitions,
    )
    slow = _advance_condition(
        EpisodeKind.SLOW,
        slow,
        observation,
        bad_because=_explain_slowness(observation, thresholds)
        if judged is ProbeStatus.DEGRADED
        else None,
        hold=thresholds.hold,
        transitions=transitions,
    )
    status = _decide_status(failing, slow)
    is_same = status is state.status
    return (
        ProbeState(
            status=status,
            status_since=state.status_since if is_same else _status_start(status, observation),
            last_at=observation.at,
            failing=failing,
            slow=slow,
        ),
        transitions,
    )


def _bridge_gap(
    condition: Condition, last_at: datetime | None, at: datetime, longest_gap: timedelta
) -> Condition:
    if condition.since is None or condition.opened_at is not None or last_at is None:
        return condition
    if at - last_at > longest_gap:
        # Nobody was watching: what had not become an episode cannot be claimed to have lasted.
        return _ALL_WELL
    if at < last_at:
        # The clock was set back: keep how long it has lasted.
        return replace(condition, since=condition.since + (at - last_at))
    return condition


def _advance_condition(
    kind: EpisodeKind,
    condition: Condition,
    observation: Observation,
    *,
    bad_because: str | None,
    hold: timedelta,
    transitions: list[Transition],
) -> Condition:
    if bad_because is not None:
        if condition.since is None:
            condition = Condition(since=observation.at, cause=bad_because)
        condition = replace(condition, recovering_since=None)
        return _open_if_due(kind, condition, observation.finished_at, hold, transitions)
    if condition.since is None:
        return condition
    if condition.recovering_since is None:
        return replace(condition, recovering_since=observation.at)
    if condition.opened_at is not None:
        transitions.append(EpisodeClosed(kind, condition.recovering_since))
    return _ALL_WELL


def _open_if_due(
    kind: EpisodeKind,
    condition: Condition,
    now: datetime,
    hold: timedelta,
    transitions: list[Transition],
) -> Condition:
    assert condition.since is not None
    if condition.opened_at is not None or now - condition.since < hold:
        return condition
    transitions.append(EpisodeOpened(kind, condition.since, now, condition.cause))
    return replace(condition, opened_at=now)


def _decide_status(failing: Condition, slow: Condition) -> ProbeStatus:
    if failing.opened_at is not None:
        return ProbeStatus.DOWN
    if failing.since is not None or slow.since is not None:
        return ProbeStatus.DEGRADED
    return ProbeStatus.UP


def _status_start(status: ProbeStatus, observation: Observation) -> datetime:
    return observation.finished_at if status is ProbeStatus.DOWN else observation.at


def _explain_slowness(observation: Observation, thresholds: Thresholds) -> str:
    seconds = observation.result.duration_seconds
    return f"answered in {seconds:.1f} s, slower than {format_duration(thresholds.slow_after)}"
