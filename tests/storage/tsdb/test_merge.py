import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.storage.tsdb.merge import intersect_sorted

IDS = st.lists(st.integers(0, 40), unique=True, max_size=12).map(sorted)


@given(held=IDS, wanted=IDS, offset=st.sampled_from([0, 20, 100]))
def test_finds_what_is_wanted_and_where_it_is(
    held: list[int], wanted: list[int], offset: int
) -> None:
    wanted = [each + offset for each in wanted]

    found, positions = intersect_sorted(
        np.array(held, dtype=np.int32), np.array(wanted, dtype=np.int32)
    )

    assert found.tolist() == [each for each in wanted if each in held]
    assert positions.tolist() == [held.index(each) for each in found.tolist()]
