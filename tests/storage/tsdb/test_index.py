"""Looking series up by their labels, and the labels of series."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.storage.tsdb.index import SeriesIndex, distinct

WORDS = st.sampled_from(["", "a", "b", "c", "d"])
LABEL_SETS = st.lists(
    st.dictionaries(st.sampled_from(["x", "y", "z"]), WORDS, max_size=3), min_size=1, max_size=20
)


@given(
    st_numpy.arrays(
        dtype=st.sampled_from([np.int32, np.int64]),
        shape=st.integers(0, 50),
        elements=st.integers(-5, 5),
    )
)
def test_distinct_is_sorted_and_has_each_once(values: np.ndarray[Any, Any]) -> None:
    found = distinct(values)

    assert found.dtype == values.dtype
    assert found.tolist() == sorted(set(values.tolist()))


@given(LABEL_SETS, st.data())
def test_finds_the_labels_of_some_series(sets: list[dict[str, str]], data: st.DataObject) -> None:
    index = SeriesIndex()
    known = {index.add(Labels.of(each)): Labels.of(each) for each in sets}
    ids = np.array(sorted(data.draw(st.sets(st.sampled_from(sorted(known))))), dtype=np.int32)
    chosen = [known[number] for number in ids.tolist()]

    assert sorted(index.names_among(ids)) == sorted({name for each in chosen for name in each})
    for name in ("x", "y", "z", "nosuch"):
        expected = {each[name] for each in chosen if name in each}
        assert index.values_among(name, ids) == expected


@pytest.mark.parametrize("count", [1, 3, 5000])
def test_many_values_and_few_series_or_the_other_way_round(count: int) -> None:
    index = SeriesIndex()
    for number in range(5000):
        index.add(Labels.of(job=f"j{number % 3}", path=f"/{number}"))
    ids = np.arange(count, dtype=np.int32)

    assert sorted(index.names_among(ids)) == ["job", "path"]
    assert index.values_among("job", ids) == {f"j{number}" for number in range(min(count, 3))}
    assert len(index.values_among("path", ids)) == count


def test_series_share_the_labels_that_they_have_in_common() -> None:
    index = SeriesIndex()
    first, second = Labels.of({"x": "a", "y": "b"}), Labels.of({"x": "a", "y": "c"})
    numbers = [index.add(first), index.add(second)]

    assert first.pairs == (("x", "a"), ("y", "b"))
    assert second.pairs[0] is first.pairs[0]

    fewer = index.keep_only(np.array(numbers[1:], dtype=np.int32))
    third = Labels.of({"x": "a", "z": "d"})
    fewer.add(third)

    assert third.pairs[0] is second.pairs[0]
