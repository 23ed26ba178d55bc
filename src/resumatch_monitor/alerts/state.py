"""What becomes of the alerts of a rule from one evaluation to the next; pure decisions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from resumatch_monitor.metrics.labels import Labels


class RuleState(StrEnum):
    """How far an alert of a rule has come."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Observation:
    """A series that an alerting rule's expression yields.

    Attributes:
        labels: The alert's, with the rule's own.
        annotations: Expanded.
        value: The series'.
    """

    labels: Labels
    annotations: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that is pending or firing.

    Attributes:
        labels: Its identity within the rule.
        state: Pending or firing.
        active_at: Since when the series is there.
        fired_at: When it began to fire; None while it is pending.
        missing_since: Since when the series is gone while `keep_firing_for` keeps it firing.
        value: The last one seen.
        annotations: The last ones seen.
        is_restored: Whether it comes from before a restart and was not seen since.
        resolved_at: When it ended; set only until dispatch has heard of that.
    """

    labels: Labels
    state: RuleState
    active_at: datetime
    value: float
    annotations: Mapping[str, str]
    fired_at: datetime | None = None
    missing_since: datetime | None = None
    is_restored: bool = False
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """The moments and durations that decide.

    Attributes:
        now: The evaluation's moment.
        previous_at: The moment of the evaluation before, None at the first.
        hold_duration: The rule's `for`.
        keep_firing_for: The rule's.
        longest_gap: A longer time between two evaluations does not count as having been held.
        resolves_restored: Whether alerts from before a restart may be resolved yet.
        outage_tolerance: After a longer time a pending alert starts over.
        grace_period: After a restart, a pending alert whose `for` is at least as long waits at
            least so long before it fires.
    """

    now: datetime
    previous_at: datetime | None
    hold_duration: timedelta
    keep_firing_for: timedelta
    longest_gap: timedelta
    resolves_restored: bool = True
    outage_tolerance: timedelta = timedelta(hours=1)
    grace_period: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Step:
    """What an evaluation changes.

    Attributes:
        active: All alerts that are pending or firing after it.
        became_pending: Those that were not there before and are pending.
        fired: Those that were not firing before.
        resolved: Those that were firing before, as they last were.
        dropped: Those that were pending before and are gone.
    """

    active: Mapping[Labels, ActiveAlert]
    became_pending: tuple[ActiveAlert, ...]
    fired: tuple[ActiveAlert, ...]
    resolved: tuple[ActiveAlert, ...]
    dropped: tuple[ActiveAlert, ...]

    @property
    def is_transition(self) -> bool:
        """Whether any alert changed its state."""
        return bool(self.became_pending or self.fired or self.resolved or self.dropped)


def advance(
    active: Mapping[Labels, ActiveAlert], observations: Iterable[Observation], timing: Timing
) -> Step:
    """Return what becomes of `active` when the expression yields `observations`.

    The time between two evaluations counts towards `for` only if it is an ordinary one: a pause
    (the monitor was down, the machine slept) or a jump of the clock moves `active_at` along.
    As in Prometheus, a pending alert starts over after a pause beyond the tolerance for outages,
    and one from before a restart does not fire before its grace period has passed.
    """
    shift = _find_shift(timing)
    seen = {each.labels: each for each in observations}
    after: dict[Labels, ActiveAlert] = {}
    for labels, observation in seen.items():
        before = active.get(labels)
        after[labels] = _observe(before, observation, timing, shift)
    resolved: list[ActiveAlert] = []
    dropped: list[ActiveAlert] = []
    for labels, before in active.items():
        if labels in seen:
            continue
        kept = _keep_unseen(before, timing, shift)
        if kept is not None:
            after[labels] = kept
        else:
            (resolved if before.state is RuleState.FIRING else dropped).append(before)
    changed = [alert for labels, alert in after.items() if _state_of(active, labels) != alert.state]
    return Step(
        active=after,
        became_pending=tuple(each for each in changed if each.state is RuleState.PENDING),
        fired=tuple(each for each in changed if each.state is RuleState.FIRING),
        resolved=tuple(resolved),
        dropped=tuple(dropped),
    )


def find_rule_state(active: Iterable[ActiveAlert]) -> RuleState:
    """Return the furthest state among a rule's alerts."""
    states = {alert.state for alert in active}
    if RuleState.FIRING in states:
        return RuleState.FIRING
    return RuleState.PENDING if states else RuleState.INACTIVE


def _observe(
    before: ActiveAlert | None, observation: Observation, timing: Timing, shift: timedelta
) -> ActiveAlert:
    if before is not None and before.state is RuleState.FIRING:
        return replace(
            before,
            value=observation.value,
            annotations=observation.annotations,
            missing_since=None,
            is_restored=False,
        )
    active_at = timing.now if before is None else _find_active_at(before, timing, shift)
    fires = timing.now - active_at >= timing.hold_duration
    return ActiveAlert(
        labels=observation.labels,
        state=RuleState.FIRING if fires else RuleState.PENDING,
        active_at=active_at,
        value=observation.value,
        annotations=observation.annotations,
        fired_at=timing.now if fires else None,
    )


def _find_active_at(before: ActiveAlert, timing: Timing, shift: timedelta) -> datetime:
    """Return since when a pending alert counts as active, given the pause before this moment."""
    if shift > timing.outage_tolerance:
        return timing.now
    active_at = min(before.active_at + shift, timing.now)
    if shift and before.is_restored and timing.hold_duration >= timing.grace_period:
        earliest = timing.now + timing.grace_period - timing.hold_duration
        return min(max(active_at, earliest), timing.now)
    return active_at


def _keep_unseen(before: ActiveAlert, timing: Timing, shift: timedelta) -> ActiveAlert | None:
    if before.is_restored and not timing.resolves_restored:
        if before.state is RuleState.FIRING:
            return before
        # A rate needs two scrapes after a restart before it says anything.
        return replace(before, active_at=_find_active_at(before, timing, shift))
    if before.state is not RuleState.FIRING:
        return None
    missing_since = (
        timing.now
        if before.missing_since is None
        else min(before.missing_since + shift, timing.now)
    )
    if timing.now - missing_since >= timing.keep_firing_for:
        return None
    return replace(before, missing_since=missing_since)


def _find_shift(timing: Timing) -> timedelta:
    if timing.previous_at is None:
        return timedelta(0)
    gap = timing.now - timing.previous_at
    return gap if gap < timedelta(0) or gap > timing.longest_gap else timedelta(0)


def _state_of(active: Mapping[Labels, ActiveAlert], labels: Labels) -> RuleState:
    before = active.get(labels)
    return RuleState.INACTIVE if before is None else before.state
