"""Columns as they were, whatever they are kept as."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from resumatch_monitor.metrics.samples import ABSENT_BITS, STALE_BITS, is_absent
from resumatch_monitor.storage.tsdb.columns import ClosedColumns

EDGES = [0.0, -0.0, 2.0**31 - 1, 2.0**31, -(2.0**31), -(2.0**31) - 1, 0.5, float("inf")]
BITS = (
    st.one_of(
        st.integers(-5, 2**33).map(float),
        st.sampled_from(EDGES),
    ).map(lambda value: int(np.float64(value).view(np.uint64)))
    | st.sampled_from([ABSENT_BITS, STALE_BITS])
    | st.integers(0, 2**64 - 1)
)
MATRICES = st_numpy.arrays(
    dtype=np.uint64, shape=st.tuples(st.integers(1, 5), st.integers(1, 8)), elements=BITS
)


def read(closed: ClosedColumns, columns: list[int], first: int, last: int) -> Any:
    out = np.empty((len(columns), last - first))
    closed.read(np.array(columns, dtype=np.int32), first, last, out)
    return out.view(np.uint64)


@given(MATRICES, st.data())
def test_reading_gives_back_every_bit(bits: Any, data: st.DataObject) -> None:
    rows = bits.view(np.float64)
    columns = data.draw(st.lists(st.integers(0, rows.shape[1] - 1), min_size=1))
    first = data.draw(st.integers(0, rows.shape[0]))
    last = data.draw(st.integers(first, rows.shape[0]))

    found = read(ClosedColumns.of(rows), columns, first, last)

    assert found.tolist() == bits.T[columns, first:last].tolist()


@given(MATRICES, st.data())
def test_what_is_removed_is_absent_and_nothing_else(bits: Any, data: st.DataObject) -> None:
    count, width = bits.shape
    columns = sorted(data.draw(st.sets(st.integers(0, width - 1))))
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    closed = ClosedColumns.of(bits.view(np.float64))

    fewer = closed.without(np.array(columns, dtype=np.int32), first, last)

    expected = bits.T.copy()
    expected[columns, first:last] = ABSENT_BITS
    assert read(fewer, list(range(width)), 0, count).tolist() == expected.tolist()
    assert read(closed, list(range(width)), 0, count).tolist() == bits.T.tolist()


def test_what_counts_takes_half_the_memory() -> None:
    rows = np.arange(240.0).reshape(120, 2)
    rows[:, 1] += 0.25

    closed = ClosedColumns.of(rows)

    assert closed.whole.nbytes == 120 * 4
    assert closed.floating.nbytes == 120 * 8
    assert not is_absent(closed.floating).any()
