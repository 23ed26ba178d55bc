import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.remote_write_encode import (
    RemoteWriteEncoder,
    count_samples,
    split_message,
)
from resumatch_monitor.metrics.samples import (
    ABSENT,
    STALE,
    STALE_BITS,
    FloatArray,
    RowLayout,
    SampleBatch,
)
from tests.support.remote_write import Series, decode_write_request

TIMES = st.integers(-(1 << 62), 1 << 62) | st.integers(1_700_000_000_000, 1_800_000_000_000)
BITS = st.integers(0, (1 << 64) - 1) | st.just(STALE_BITS)
POINTS = st.lists(st.tuples(TIMES, BITS), min_size=1, max_size=5)
PAIRS = st.dictionaries(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=200))


def to_values(bits: list[int]) -> FloatArray:
    return np.array(bits, dtype=np.uint64).view(np.float64)


def make_batch(series: dict[Labels, list[tuple[int, int]]]) -> SampleBatch:
    points = [point for each in series.values() for point in each]
    counts = [0, *(len(each) for each in series.values())]
    return SampleBatch(
        labels=list(series),
        offsets=np.cumsum(np.array(counts, dtype=np.int64)),
        times=np.array([time for time, _ in points], dtype=np.int64),
        values=to_values([bits for _, bits in points]),
    )


def decode_all(encoder_groups: list[list[bytes]]) -> dict[Labels, list[tuple[int, int]]]:
    found: dict[Labels, list[tuple[int, int]]] = {}
    for group in encoder_groups:
        for body in group:
            for pairs, points in decode_write_request(body):
                found.setdefault(Labels(pairs), []).extend(points)
    return found


@given(
    st.dictionaries(PAIRS.map(Labels.of), POINTS, min_size=1, max_size=8),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_what_is_encoded_reads_back_bit_by_bit(
    series: dict[Labels, list[tuple[int, int]]], lanes: int, most: int
) -> None:
    encoder = RemoteWriteEncoder(lanes=lanes, samples_per_message=most)

    groups = encoder.encode_batch(make_batch(series))

    assert decode_all([[each.body for each in group] for group in groups]) == series
    for group in groups:
        assert len(group) == lanes
        assert sum(each.samples for each in group) <= most
        assert all(count_samples(each.body) == each.samples for each in group)


@given(
    st.lists(PAIRS.map(Labels.of), min_size=1, max_size=8, unique=True),
    st.data(),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_rows_read_back_without_what_is_absent(
    labels: list[Labels], data: st.DataObject, lanes: int, most: int
) -> None:
    encoder = RemoteWriteEncoder(lanes=lanes, samples_per_message=most)
    layout = RowLayout(labels)
    for _ in range(2):
        time = data.draw(TIMES)
        values = to_values([data.draw(BITS) for _ in labels])
        values[data.draw(st.integers(0, len(labels) - 1))] = ABSENT

        groups = encoder.encode_row("target", layout, time, values)

        expected = {
            each: [(time, int(bits))]
            for each, bits, value in zip(labels, values.view(np.uint64), values, strict=True)
            if np.float64(value).view(np.uint64) != np.float64(ABSENT).view(np.uint64)
        }
        assert decode_all([[each.body for each in group] for group in groups]) == expected


def test_labels_are_in_order_and_a_series_stays_in_its_lane() -> None:
    series = [Labels.of(__name__="m", zone="z", a=str(number)) for number in range(100)]
    encoder = RemoteWriteEncoder(lanes=4, samples_per_message=30)
    layout = RowLayout(series)

    row = encoder.encode_row("t", layout, 1_700_000_000_000, np.zeros(100))
    batch = encoder.encode_batch(make_batch({each: [(1, 0)] for each in reversed(series)}))

    def lanes_of(groups: list[list[bytes]]) -> dict[tuple[tuple[str, str], ...], int]:
        return {
            labels: lane
            for group in groups
            for lane, body in enumerate(group)
            for labels, _ in decode_write_request(body)
        }

    of_row = lanes_of([[each.body for each in group] for group in row])
    assert of_row == lanes_of([[each.body for each in group] for group in batch])
    assert set(of_row.values()) == {0, 1, 2, 3}
    assert all([name for name, _ in labels] == ["__name__", "a", "zone"] for labels in of_row)


def test_a_message_comes_apart_by_series_and_then_by_sample() -> None:
    one, two = Labels.of(__name__="one"), Labels.of(__name__="two")
    batch = make_batch({one: [(1, 5), (2, STALE_BITS)], two: [(1, 7)]})
    ((message,),) = RemoteWriteEncoder().encode_batch(batch)

    first, second = split_message(message.body)
    samples = split_message(first)

    assert decode_write_request(second) == [((("__name__", "two"),), [(1, 7)])]
    expected: list[Series] = [
        ((("__name__", "one"),), [(1, 5)]),
        ((("__name__", "one"),), [(2, STALE_BITS)]),
    ]
    assert [decode_write_request(each)[0] for each in samples] == expected
    assert split_message(second) == [second]
    assert [count_samples(each) for each in (message.body, first, second)] == [3, 2, 1]


@pytest.mark.parametrize("value", [STALE, float("nan"), float("-inf"), -0.0])
def test_every_nan_keeps_its_payload(value: float) -> None:
    layout = RowLayout([Labels.of(__name__="m")])

    ((message,),) = RemoteWriteEncoder().encode_row("t", layout, 5, np.array([value]))

    ((_, [(_, bits)]),) = decode_write_request(message.body)
    assert bits == int(np.float64(value).view(np.uint64))
