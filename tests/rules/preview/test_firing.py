from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.alerts.state import ActiveAlert, Observation, Timing, advance
from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT
from resumatch_monitor.promql.value import Matrix
from resumatch_monitor.rules.preview.firing import Grid, PresenceLog, Stretch, follow

STEP_MS = 15_000
START_MS = 1_767_614_400_000
LABELS = Labels.of(instance="a")


def at(step: int) -> int:
    return START_MS + step * STEP_MS


def log_of(series: str, *, pieces: int = 1) -> PresenceLog:
    """Note a series that is there where `series` has an x, in pieces, the newest first."""
    log = PresenceLog(STEP_MS)
    parts = np.array_split(np.arange(len(series)), pieces)
    for part in reversed([each for each in parts if len(each)]):
        values = np.array([[1.0 if series[step] == "x" else ABSENT for step in part.tolist()]])
        times = np.array([at(step) for step in part.tolist()], dtype=np.int64)
        there = [LABELS] if (values == 1.0).any() else []
        log.add(Matrix(times, there, values[: len(there)]))
    return log


def sparse(series: str, hold: int, keep: int, *, pieces: int = 1) -> list[Stretch]:
    runs = log_of(series, pieces=pieces).runs().get(LABELS, [])
    return follow(
        runs,
        Grid(START_MS, at(len(series) - 1), STEP_MS),
        hold_duration=timedelta(seconds=hold),
        keep_firing_for=timedelta(seconds=keep),
    )


def dense(series: str, hold: int, keep: int) -> list[Stretch]:
    """Ask the state machine at every step, as an evaluation in earnest does."""
    found: list[Stretch] = []
    active: dict[Labels, ActiveAlert] = {}
    for step, letter in enumerate(series):
        now = from_milliseconds(at(step))
        timing = Timing(
            now=now,
            previous_at=now - timedelta(milliseconds=STEP_MS),
            hold_duration=timedelta(seconds=hold),
            keep_firing_for=timedelta(seconds=keep),
            longest_gap=timedelta(minutes=2),
        )
        seen = [Observation(LABELS, {}, 1.0)] if letter == "x" else []
        change = advance(active, seen, timing)
        active = dict(change.active)
        for alert in (*change.became_pending, *change.fired):
            if not found or found[-1].active_at != alert.active_at:
                found.append(Stretch(alert.active_at))
        if change.fired:
            found[-1] = Stretch(found[-1].active_at, now)
        if change.resolved or change.dropped:
            found[-1] = Stretch(found[-1].active_at, found[-1].fired_at, now)
    return found


@given(
    st.text(alphabet="x.", min_size=1, max_size=60),
    st.sampled_from([0, 1, 15, 20, 45, 60, 200]),
    st.sampled_from([0, 1, 15, 20, 45, 200]),
    st.integers(1, 5),
)
def test_says_what_an_evaluation_at_every_step_says(
    series: str, hold: int, keep: int, pieces: int
) -> None:
    assert sparse(series, hold, keep, pieces=pieces) == dense(series, hold, keep)


@pytest.mark.parametrize(
    ("series", "hold", "expected"),
    [
        ("....", 0, []),
        (".xx.", 0, [(1, 1, 3)]),
        (".xx.", 30, [(1, None, 3)]),
        (".xxx", 30, [(1, 3, None)]),
        ("x.xx", 15, [(0, None, 1), (2, 3, None)]),
    ],
)
def test_tells_pending_from_firing(
    series: str, hold: int, expected: list[tuple[int, int | None, int | None]]
) -> None:
    def moment(step: int | None) -> object:
        return None if step is None else from_milliseconds(at(step))

    found = [(each.active_at, each.fired_at, each.ended_at) for each in sparse(series, hold, 0)]

    assert found == [(moment(a), moment(f), moment(e)) for a, f, e in expected]


def test_follows_some_and_counts_the_others() -> None:
    log = PresenceLog(STEP_MS)
    labels = [Labels.of(instance=str(number)) for number in range(800)]

    log.add(Matrix(np.array([at(0)]), labels, np.ones((800, 1))))

    assert (len(log.runs()), log.left_out, log.most_at_once) == (500, 300, 800)


def test_a_value_that_is_no_number_is_there() -> None:
    log = PresenceLog(STEP_MS)

    log.add(Matrix(np.array([at(0), at(1)]), [LABELS], np.array([[np.nan, ABSENT]])))

    assert log.runs() == {LABELS: [(at(0), at(0))]}
