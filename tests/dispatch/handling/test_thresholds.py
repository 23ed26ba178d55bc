from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.dispatch.handling.handled import PastOccurrence
from resumatch_monitor.dispatch.handling.handling import Handling, Outcome
from resumatch_monitor.dispatch.handling.past import figure_out
from resumatch_monitor.dispatch.handling.thresholds import Suggestion, suggest_threshold
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from tests.dispatch.builders import START


def past(
    value: float | None, outcome: Outcome | None = None, *, after: float | None = None
) -> PastOccurrence:
    handling = Handling(OccurrenceId("0" * 16, START), outcome=outcome)
    acknowledged_at = None if after is None else START + timedelta(seconds=after)
    ends_at = START + timedelta(minutes=10)
    return PastOccurrence(START, ends_at, False, value, handling, acknowledged_at, "ada")


def judged(real: Sequence[float], noise: Sequence[float]) -> list[PastOccurrence]:
    return [
        *(past(value, Outcome.REAL) for value in real),
        *(past(value, Outcome.NOISE) for value in noise),
    ]


@pytest.mark.parametrize(
    ("expr", "real", "noise", "expected"),
    [
        ("a > 0.05", [0.2, 0.3], [0.06, 0.07], Suggestion(">", 0.05, 0.135, 2, 2, 2, 2)),
        # A noisy one among the real ones stays; none of the real ones is given up.
        ("a > 0.05", [0.2, 0.3], [0.06, 0.25], Suggestion(">", 0.05, 0.13, 2, 2, 2, 1)),
        ("a < 100", [10, 20], [80, 90], Suggestion("<", 100, 50, 2, 2, 2, 2)),
        ("100 > a", [10, 20], [80, 90], Suggestion("<", 100, 50, 2, 2, 2, 2)),
        ("sum(a) / sum(b) > 5 and sum(c) > 0", [9], [6, 6, 7], Suggestion(">", 5, 8, 1, 3, 1, 3)),
        ("a < -5", [-20], [-6, -7, -8], Suggestion("<", -5, -14, 1, 3, 1, 3)),
        # Nothing was ever real: beyond everything seen.
        ("a > 5", [], [6, 7, 8, 10], Suggestion(">", 5, 11, 0, 4, 0, 4)),
        # The noise is graver than what was real: no line tells them apart.
        ("a > 5", [6, 7], [8, 9], Suggestion(">", 5, None, 2, 2, 2, 0)),
        ("a > 5", [6, 7, 8], [9], None),
        ("a > 5", [9], [6, 6], None),
        ("a == 0", [0, 0], [0, 0], None),
        ("a > b", [6, 7], [8, 9], None),
        ("a", [6, 7], [8, 9], None),
        ("a > bool 5", [6, 7], [8, 9], None),
        ("a > 5 or b > 7", [6, 7], [8, 9], None),
        ("a > (", [6, 7], [8, 9], None),
    ],
)
def test_the_line_that_would_have_been_right(
    expr: str, real: Sequence[float], noise: Sequence[float], expected: Suggestion | None
) -> None:
    assert suggest_threshold(expr, judged(real, noise)) == expected


VALUES = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), max_size=6)


@given(VALUES, VALUES, st.sampled_from(["a > 1", "a >= 1", "a < 1", "a <= 1"]))
def test_no_suggestion_gives_up_what_was_real(
    real: list[float], noise: list[float], expr: str
) -> None:
    found = suggest_threshold(expr, judged(real, noise))

    if found is not None:
        assert found.real_kept == len(real)
        assert (found.suggested is None) == (found.noise_avoided == 0)


def test_the_past_in_figures() -> None:
    occurrences = [
        past(1, Outcome.NOISE, after=60),
        past(2, Outcome.REAL, after=300),
        past(3),
        PastOccurrence(START, None, False, None),
        # Clocks differ: an acknowledgement before the start is one at the start.
        past(4, after=-5),
    ]

    figures = figure_out(occurrences)

    assert figures.as_dict() == {
        "occurrences": 5,
        "acknowledged": 3,
        "mtta_seconds": 120.0,
        "median_tta_seconds": 60.0,
        "mttr_seconds": 600.0,
        "median_ttr_seconds": 600.0,
        "real": 1,
        "noise": 1,
        "unjudged": 3,
        "noise_ratio": 0.5,
    }


def test_an_alert_without_a_past_has_no_figures() -> None:
    figures = figure_out([])

    assert (figures.mtta_seconds, figures.mttr_seconds, figures.noise_ratio) == (None, None, None)
