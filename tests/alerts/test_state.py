from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.alerts.state import (
    ActiveAlert,
    Observation,
    RuleState,
    Step,
    Timing,
    advance,
    find_rule_state,
)
from resumatch_monitor.metrics.labels import Labels

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
LABELS = Labels.of(alertname="Broken")


class Machine:
    """Runs the pure function over time."""

    def __init__(self, *, hold: float = 0, keep: float = 0) -> None:
        self.active: dict[Labels, ActiveAlert] = {}
        self.hold = timedelta(seconds=hold)
        self.keep = timedelta(seconds=keep)
        self.previous_at: datetime | None = None

    def step(self, seconds: float, *present: Labels, resolves_restored: bool = True) -> Step:
        now = START + timedelta(seconds=seconds)
        timing = Timing(
            now=now,
            previous_at=self.previous_at,
            hold_duration=self.hold,
            keep_firing_for=self.keep,
            longest_gap=timedelta(seconds=120),
            resolves_restored=resolves_restored,
        )
        step = advance(self.active, [Observation(each, {}, seconds) for each in present], timing)
        self.active = dict(step.active)
        self.previous_at = now
        return step

    @property
    def state(self) -> str:
        return find_rule_state(self.active.values()).value


# One letter an evaluation every 15 s: x the series is there, . it is not; what state follows.
@pytest.mark.parametrize(
    ("hold", "keep", "series", "states"),
    [
        (0, 0, "x.x", "FiF"),
        (30, 0, "xxx", "ppF"),
        (30, 0, "xx.xxx", "ppippF"),
        (60, 0, "xxxxxx", "ppppFF"),
        (0, 30, "x...", "FFFi"),
        (0, 30, "x..x...", "FFFFFFi"),
        (15, 15, "xx..x", "pFFip"),
    ],
)
def test_goes_from_inactive_to_pending_to_firing(
    hold: float, keep: float, series: str, states: str
) -> None:
    machine = Machine(hold=hold, keep=keep)
    seen = ""

    for index, letter in enumerate(series):
        machine.step(index * 15, *([LABELS] if letter == "x" else []))
        seen += {"inactive": "i", "pending": "p", "firing": "F"}[machine.state]

    assert seen == states


def test_reports_each_transition_once() -> None:
    machine = Machine(hold=15)

    steps = [machine.step(0, LABELS), machine.step(15, LABELS), machine.step(30, LABELS)]
    end = machine.step(45)

    assert [len(step.became_pending) for step in steps] == [1, 0, 0]
    assert [len(step.fired) for step in steps] == [0, 1, 0]
    assert [each.active_at for each in end.resolved] == [START]
    assert not machine.step(60).is_transition


def test_a_pending_alert_that_ends_is_dropped_and_not_resolved() -> None:
    machine = Machine(hold=60)
    machine.step(0, LABELS)

    step = machine.step(15)

    assert step.dropped
    assert not step.resolved


def test_label_sets_have_lives_of_their_own() -> None:
    machine = Machine(hold=15)
    other = Labels.of(alertname="Broken", instance="b")
    machine.step(0, LABELS)

    step = machine.step(15, LABELS, other)

    assert [each.labels for each in step.fired] == [LABELS]
    assert [each.labels for each in step.became_pending] == [other]


def test_a_pause_does_not_count_as_held() -> None:
    machine = Machine(hold=300)
    machine.step(0, LABELS)
    machine.step(60, LABELS)

    after_pause = machine.step(3660, LABELS)
    machine.step(3780, LABELS)
    in_the_end = machine.step(3900, LABELS)

    assert not after_pause.fired
    assert in_the_end.fired


def test_a_clock_that_is_set_back_keeps_what_was_held() -> None:
    machine = Machine(hold=60)
    machine.step(3600, LABELS)
    machine.step(3630, LABELS)

    machine.step(30, LABELS)
    step = machine.step(60, LABELS)

    assert step.fired


def test_an_alert_from_before_a_restart_is_not_resolved_before_that_is_allowed() -> None:
    machine = Machine()
    machine.step(0, LABELS)
    machine.active = {
        LABELS: ActiveAlert(LABELS, RuleState.FIRING, START, 1.0, {}, START, is_restored=True)
    }

    machine.step(15, resolves_restored=False)
    kept = machine.state
    step = machine.step(30)

    assert kept == "firing"
    assert step.resolved


@given(
    hold=st.sampled_from([0, 15, 30, 60]),
    keep=st.sampled_from([0, 15, 45]),
    series=st.lists(st.booleans(), max_size=40),
)
def test_every_alert_that_fires_is_resolved_at_most_once(
    hold: float, keep: float, series: list[bool]
) -> None:
    machine = Machine(hold=hold, keep=keep)
    is_firing = False

    for index, is_there in enumerate([*series, *[False] * 5]):
        step = machine.step(index * 15, *([LABELS] if is_there else []))
        assert len(step.fired) + len(step.resolved) <= 1
        if step.fired:
            assert not is_firing
            is_firing = True
            held = step.fired[0]
            assert held.fired_at is not None
            assert held.fired_at - held.active_at >= timedelta(seconds=hold)
        if step.resolved:
            assert is_firing
            is_firing = False

    assert not is_firing
    assert machine.state == "inactive"


def restore(machine: Machine) -> None:
    machine.active = {
        labels: replace(alert, is_restored=True) for labels, alert in machine.active.items()
    }


def test_a_pending_alert_starts_over_after_an_outage_beyond_the_tolerance() -> None:
    machine = Machine(hold=60)
    machine.step(0, LABELS)
    machine.step(45, LABELS)
    restore(machine)

    machine.step(45 + 3601, LABELS)

    assert machine.active[LABELS].active_at == START + timedelta(seconds=45 + 3601)


def test_a_pending_alert_goes_on_after_a_shorter_outage() -> None:
    machine = Machine(hold=60)
    machine.step(0, LABELS)
    machine.step(45, LABELS)
    restore(machine)

    machine.step(45 + 3600, LABELS)
    step = machine.step(45 + 3600 + 15, LABELS)

    assert step.fired


@pytest.mark.parametrize(
    ("held", "remaining"),
    [
        pytest.param(1740, 600, id="less than the grace period is left: it waits for that"),
        pytest.param(300, 1500, id="more is left: it goes on where it stopped"),
    ],
)
def test_a_restored_alert_has_a_period_of_grace(held: int, remaining: int) -> None:
    machine = Machine(hold=1800)
    for seconds in range(0, held + 1, 60):
        machine.step(seconds, LABELS)
    restore(machine)
    back = held + 1800

    machine.step(back, LABELS)
    states = {
        waited: bool(machine.step(back + waited, LABELS).fired)
        for waited in range(60, remaining + 1, 60)
    }

    assert [waited for waited, has_fired in states.items() if has_fired] == [remaining]


def test_a_short_restart_costs_a_pending_alert_nothing() -> None:
    machine = Machine(hold=1800)
    for seconds in range(0, 1741, 60):
        machine.step(seconds, LABELS)
    restore(machine)

    assert machine.step(1800, LABELS).fired


def test_a_restored_pending_alert_is_not_dropped_before_all_is_settled() -> None:
    machine = Machine(hold=60)
    machine.step(0, LABELS)
    machine.step(30, LABELS)
    restore(machine)

    blind = machine.step(630, resolves_restored=False)
    machine.step(645, LABELS)
    step = machine.step(660, LABELS)

    assert not blind.dropped
    assert step.fired
