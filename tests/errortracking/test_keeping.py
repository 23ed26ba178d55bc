from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.errortracking.keeping import Candidate, KeptFor, choose_surplus

_EVENTS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(list(KeptFor))), max_size=120
).map(
    lambda rows: [
        Candidate(number, at, kept_for)
        for number, (at, kept_for) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]
)


def make(count: int, told: dict[int, KeptFor] | None = None) -> list[Candidate]:
    return [
        Candidate(number, number * 1_000, (told or {}).get(number, KeptFor.NOTHING))
        for number in range(count)
    ]


def kept(events: list[Candidate], limit: int) -> list[int]:
    dropped = set(choose_surplus(events, limit))
    return [each.id for each in events if each.id not in dropped]


def test_nothing_is_dropped_while_there_is_room() -> None:
    assert choose_surplus(make(100), 100) == []


def test_the_first_and_the_latest_half_stay() -> None:
    stayed = kept(make(1_000), 100)

    assert len(stayed) == 90
    assert stayed[0] == 0
    assert set(range(955, 1_000)) <= set(stayed)


def test_the_first_of_each_release_and_a_regression_stay_before_rare_tags() -> None:
    told = {
        **dict.fromkeys(range(100, 900), KeptFor.TAG),
        120: KeptFor.RELEASE,
        300: KeptFor.RELEASE,
        500: KeptFor.REGRESSION,
    }

    assert {120, 300, 500} <= set(kept(make(1_000, told), 100))


def test_what_stays_of_the_rest_lies_evenly_over_time() -> None:
    middle = [number for number in kept(make(1_000), 100) if 0 < number < 955]

    gaps = [after - before for before, after in pairwise(middle)]
    assert len(middle) > 40
    assert max(gaps) < 2 * 955 / len(middle)


@given(events=_EVENTS, limit=st.integers(1, 60))
def test_what_stays_fits_and_nothing_is_named_that_is_not_there(
    events: list[Candidate], limit: int
) -> None:
    dropped = choose_surplus(events, limit)

    assert len(dropped) == len(set(dropped))
    assert set(dropped) <= {each.id for each in events}
    assert len(events) - len(dropped) <= limit
    if events:
        assert events[-1].id not in dropped
        assert limit == 1 or events[0].id not in dropped
