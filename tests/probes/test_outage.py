from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.probes.outage import (
    EpisodeClosed,
    EpisodeKind,
    EpisodeOpened,
    Observation,
    ProbeState,
    ProbeStatus,
    Thresholds,
    Transition,
    advance,
)
from tests.probes.recording import at, observe, slow

MINUTE = Thresholds(
    slow_after=timedelta(seconds=5),
    hold=timedelta(minutes=1),
    longest_gap=timedelta(seconds=135),
)


def follow(
    observations: Sequence[Observation], state: ProbeState | None = None
) -> tuple[ProbeState, list[Transition]]:
    state = state or ProbeState()
    happened: list[Transition] = []
    for observation in observations:
        state, transitions = advance(state, observation, MINUTE)
        happened += transitions
    return state, happened


def row(pattern: str, *, step: float = 10.0, start: float = 0.0) -> list[Observation]:
    """One attempt a letter: g good, b bad, s slow."""
    observations = [
        observe(start + position * step, ok=letter != "b")
        for position, letter in enumerate(pattern)
    ]
    return [
        slow(each) if letter == "s" else each
        for each, letter in zip(observations, pattern, strict=True)
    ]


@pytest.mark.parametrize(
    ("pattern", "status", "opened", "closed"),
    [
        ("", ProbeStatus.UNKNOWN, None, None),
        ("g", ProbeStatus.UP, None, None),
        ("b", ProbeStatus.DEGRADED, None, None),
        ("gbg", ProbeStatus.DEGRADED, None, None),
        ("gbgg", ProbeStatus.UP, None, None),
        ("bbbbbb", ProbeStatus.DEGRADED, None, None),
        ("bbbbbbb", ProbeStatus.DOWN, 0, None),
        ("gbbbbbbbb", ProbeStatus.DOWN, 10, None),
        ("bbbbbbbg", ProbeStatus.DOWN, 0, None),
        ("bbbbbbbgg", ProbeStatus.UP, 0, 70),
        ("bbbbbbbgbbgg", ProbeStatus.UP, 0, 100),
        ("bgbgbgb", ProbeStatus.DOWN, 0, None),
        ("bgbggbbbbbbb", ProbeStatus.DOWN, 50, None),
    ],
)
def test_follows_a_row_of_results(
    pattern: str, status: ProbeStatus, opened: int | None, closed: int | None
) -> None:
    state, happened = follow(row(pattern))

    starts = [each.started_at for each in happened if isinstance(each, EpisodeOpened)]
    ends = [each.ended_at for each in happened if isinstance(each, EpisodeClosed)]
    assert state.status is status
    assert starts == ([] if opened is None else [at(opened)])
    assert ends == ([] if closed is None else [at(closed)])


def test_opens_with_the_first_cause_when_the_hold_is_over() -> None:
    observations = [observe(0, ok=False, message="connection refused")]
    observations += [observe(each, ok=False, message="502") for each in range(10, 61, 10)]

    _, happened = follow(observations)

    assert happened == [
        EpisodeOpened(EpisodeKind.DOWN, at(0), at(60.1), cause="connection refused")
    ]


def test_slow_answers_degrade_at_once_and_are_told_after_the_hold() -> None:
    first, _ = follow(row("s"))
    later, happened = follow(row("sssssss"))
    well, ended = follow(row("gg", start=70), later)

    assert first.status is later.status is ProbeStatus.DEGRADED
    assert [each.kind for each in happened] == [EpisodeKind.SLOW]
    assert well.status is ProbeStatus.UP
    assert ended == [EpisodeClosed(EpisodeKind.SLOW, at(70))]


def test_a_slow_target_that_goes_down_is_no_longer_called_slow() -> None:
    _, happened = follow(row("sssssss" + "bbbbbbb"))

    assert [(type(each), each.kind) for each in happened] == [
        (EpisodeOpened, EpisodeKind.SLOW),
        (EpisodeClosed, EpisodeKind.SLOW),
        (EpisodeOpened, EpisodeKind.DOWN),
    ]


def test_an_open_outage_goes_on_over_a_gap_of_the_monitor() -> None:
    down, _ = follow(row("bbbbbbb"))

    state, happened = follow(row("bb", start=7200), down)

    assert happened == []
    assert state.status is ProbeStatus.DOWN
    assert state.failing.since == at(0)


def test_a_failure_that_was_not_yet_an_outage_is_forgotten_over_a_gap() -> None:
    failing, _ = follow(row("bb"))

    state, happened = follow(row("b", start=7200), failing)

    assert happened == []
    assert state.failing.since == at(7200)


def test_a_failure_is_remembered_over_a_quick_restart() -> None:
    failing, _ = follow(row("bb"))

    _, happened = follow(row("b", start=60), failing)

    assert [each.started_at for each in happened if isinstance(each, EpisodeOpened)] == [at(0)]


def test_a_clock_that_is_set_back_keeps_how_long_it_has_failed() -> None:
    failing, _ = follow(row("bbbb"))

    state, happened = follow(row("bbbb", start=-3600), failing)
    _, happened_later = follow(row("b", start=-3600 + 40), state)

    assert [*happened, *happened_later] != []
    assert state.last_at == at(-3600 + 30)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("gbs"), st.floats(1, 100, allow_nan=False)), max_size=80
    )
)
def test_agrees_with_a_naive_reading_of_the_whole_row(
    steps: list[tuple[str, float]],
) -> None:
    moment = 0.0
    observations: list[Observation] = []
    for letter, step in steps:
        observations += row(letter, start=round(moment, 3))
        moment += step

    _, happened = follow(observations)

    outages = [each for each in happened if each.kind is EpisodeKind.DOWN]
    assert outages == read_naively(observations)


def read_naively(observations: Sequence[Observation]) -> list[Transition]:
    """Cut the row into runs that end with two good results, then judge each run."""
    expected: list[Transition] = []
    rest = list(observations)
    while rest:
        if rest[0].result.is_success:
            rest.pop(0)
            continue
        length = next(
            (
                position
                for position in range(1, len(rest) - 1)
                if rest[position].result.is_success and rest[position + 1].result.is_success
            ),
            None,
        )
        run = rest if length is None else rest[:length]
        late = (
            each
            for each in run
            if not each.result.is_success and each.finished_at - run[0].at >= MINUTE.hold
        )
        opener = next(late, None)
        if opener is not None:
            cause = run[0].result.message
            expected.append(EpisodeOpened(EpisodeKind.DOWN, run[0].at, opener.finished_at, cause))
            if length is not None:
                expected.append(EpisodeClosed(EpisodeKind.DOWN, rest[length].at))
        rest = [] if length is None else rest[length + 2 :]
    return expected
