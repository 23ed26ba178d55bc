import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.remote_write import (
    MalformedWriteError,
    RemoteWriteParser,
    WriteRequest,
)
from resumatch_monitor.metrics.samples import STALE
from tests.support import prompb
from tests.support.prompb import add_series, write_request

NOW = 1_767_614_400_000
API = {"__name__": "requests_total", "job": "api", "instance": "a:1"}
WEB = {"__name__": "requests_total", "job": "web", "instance": "b:1"}

Found = dict[Labels, list[tuple[int, int]]]
"""The times and bits of the samples by series, sorted."""


def make_parser(**over: Any) -> RemoteWriteParser:
    return RemoteWriteParser(LabelLimits(**over))


def samples_of(request: WriteRequest) -> Found:
    batch = request.batch
    bits = batch.values.view(np.uint64).tolist()
    times = batch.times.tolist()
    bounds = batch.offsets.tolist()
    assert len(bounds) == len(batch.labels) + 1
    assert bounds[0] == 0
    assert bounds[-1] == len(times) == len(bits)
    assert len(set(batch.labels)) == len(batch.labels)
    return {
        labels: sorted(zip(times[first:last], bits[first:last], strict=True))
        for labels, first, last in zip(batch.labels, bounds, bounds[1:], strict=False)
    }


def bits_of(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def expect(*series: tuple[Mapping[str, str], Iterable[tuple[int, float]]]) -> Found:
    return {
        Labels.of(labels): sorted((time, bits_of(value)) for time, value in samples)
        for labels, samples in series
    }


def test_reads_the_same_series_again_and_again() -> None:
    parser = make_parser()

    for turn in range(4):
        body = write_request((API, [(NOW + turn, 1.5 * turn)]), (WEB, [(NOW + turn, -turn)]))
        found = samples_of(parser.parse(body))
        assert found == expect((API, [(NOW + turn, 1.5 * turn)]), (WEB, [(NOW + turn, -turn)]))


def test_gives_the_same_labels_object_for_the_same_series() -> None:
    parser = make_parser()
    first = parser.parse(write_request((API, [(NOW, 1.0)]))).batch.labels[0]

    again = parser.parse(write_request((API, [(NOW + 1, 2.0)]))).batch.labels[0]
    reordered = prompb.WriteRequest()
    add_series(reordered, reversed(API.items()), [(NOW + 2, 3.0)], is_sorted=False)
    other_bytes = parser.parse(reordered.SerializeToString()).batch.labels[0]

    assert again is first
    assert other_bytes is first


def test_forgets_series_that_come_no_longer() -> None:
    parser = RemoteWriteParser(LabelLimits(), remembered_series=10)

    for number in range(100):
        series = {"__name__": "churn", "n": str(number)}
        for each in (series, API):
            assert samples_of(parser.parse(write_request((each, [(NOW, 1.0)])))) == expect(
                (each, [(NOW, 1.0)])
            )


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, STALE, 1e-270, 5e-324, 1.7e308],
)
@pytest.mark.parametrize("time", [NOW, 0, -1, 1, 2**63 - 1, -(2**63), 2**35 - 1, 2**42, 127, 128])
def test_keeps_every_bit_of_values_and_times(value: float, time: int) -> None:
    parser = make_parser()
    parser.parse(write_request((API, [(NOW, 3.0)])))

    found = samples_of(parser.parse(write_request((API, [(time, value)]), (WEB, [(NOW, 1.0)]))))

    # Protobuf leaves out a zero, also a negative one, which is then a positive one.
    kept = 0.0 if value == 0 and bits_of(value) == 0 else value
    assert found == expect((API, [(time, kept)]), (WEB, [(NOW, 1.0)]))


def test_reads_many_samples_of_a_series() -> None:
    samples = [(NOW + 15_000 * turn, float(turn)) for turn in range(1000)]
    sparse = [(turn, 0.0) for turn in range(5)]
    parser = make_parser()

    for _ in range(2):
        found = samples_of(parser.parse(write_request((API, samples), (WEB, sparse))))
        assert found == expect((API, samples), (WEB, sparse))


def test_joins_what_a_request_says_twice_of_a_series() -> None:
    parser = make_parser()
    twice = write_request(
        (API, [(NOW, 1.0)]),
        (WEB, [(NOW, 2.0), (NOW + 1, 3.0)]),
        (API, [(NOW + 1, 4.0)]),
        (WEB, [(NOW - 1, 5.0)]),
    )

    for _ in range(2):
        assert samples_of(parser.parse(twice)) == expect(
            (API, [(NOW, 1.0), (NOW + 1, 4.0)]),
            (WEB, [(NOW, 2.0), (NOW + 1, 3.0), (NOW - 1, 5.0)]),
        )


@pytest.mark.parametrize("length", [1, 100, 106, 107, 120, 127, 128, 129, 255, 256, 4096])
def test_reads_labels_of_any_length(length: int) -> None:
    parser = make_parser()
    name = "n" * min(length, 512)
    labels = {**API, "value": "x" * length, name: "é" * (length // 2) or "é"}

    for turn in range(3):
        body = write_request((labels, [(NOW + turn, 1.0)]))
        assert samples_of(parser.parse(body)) == expect((labels, [(NOW + turn, 1.0)]))


def test_series_share_their_texts() -> None:
    body = write_request((API, [(NOW, 1.0)]), (WEB, [(NOW, 1.0)]))

    one, other = make_parser().parse(body).batch.labels

    assert one["__name__"] is other["__name__"]


def test_reads_metadata() -> None:
    request = prompb.WriteRequest()
    request.metadata.add(type=1, metric_family_name="requests", help="All of them.", unit="")
    request.metadata.add(type=7, metric_family_name="states")
    request.metadata.add(type=99, metric_family_name="later", unit="seconds")

    found = make_parser().parse(request.SerializeToString()).metadata

    assert {name: (each.type, each.help, each.unit) for name, each in found.items()} == {
        "requests": ("counter", "All of them.", ""),
        "states": ("stateset", "", ""),
        "later": ("unknown", "", "seconds"),
    }


def test_reads_exemplars_of_a_series_without_samples() -> None:
    request = prompb.WriteRequest()
    series = add_series(request, API)
    exemplar = series.exemplars.add(value=0.25, timestamp=NOW)
    exemplar.labels.add(name="trace_id", value="abc")

    found = make_parser().parse(request.SerializeToString())

    assert samples_of(found) == {}
    [exemplars] = found.exemplars
    assert exemplars.series == Labels.of(API)
    [one] = exemplars.exemplars
    assert (one.labels, one.value, one.timestamp_ms) == ((("trace_id", "abc"),), 0.25, NOW)


def test_refuses_native_histograms_and_takes_the_rest() -> None:
    request = prompb.WriteRequest()
    add_series(request, API).histograms.add(sum=3.0, timestamp=NOW)
    add_series(request, WEB, [(NOW, 1.0)])

    found = make_parser().parse(request.SerializeToString())

    assert samples_of(found) == expect((WEB, [(NOW, 1.0)]))
    assert found.problems.count == 1
    assert "native histograms are not supported" in str(found.problems)
    assert 'requests_total{instance="a:1",job="api"}' in str(found.problems)


LONG = "x" * 20_000


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([("job", "api")], '{job="api"} has no label __name__'),
        ([("__name__", ""), ("job", "api")], "has no label __name__"),
        ([("__name__", "up"), ("a", "1"), ("a", "2")], "has label 'a' twice"),
        ([("__name__", "up"), ("", "1")], "has a label without a name"),
        ([("__name__", "up"), ("a", LONG)], "the value of label 'a' has 20000 bytes"),
        ([("__name__", "up"), (LONG, "a")], "has a label name of 20000 bytes, more than 1024"),
        ([("__name__", "up"), *((f"l{n}", "1") for n in range(70))], "has more than 64 labels"),
        ([], "has no label __name__"),
    ],
)
def test_refuses_labels_that_are_wrong_and_takes_the_rest(
    labels: list[tuple[str, str]], complaint: str
) -> None:
    body = write_request((labels, [(NOW, 1.0)]), (API, [(NOW, 2.0)]))
    parser = make_parser()

    for _ in range(2):
        found = parser.parse(body)
        assert samples_of(found) == expect((API, [(NOW, 2.0)]))
        assert found.problems.count == 1
        assert complaint in str(found.problems)
        assert len(str(found.problems)) < 500


def test_refuses_labels_that_are_not_utf8() -> None:
    body = write_request((API, [(NOW, 2.0)]), (WEB, [(NOW, 1.0)])).replace(b"web", b"\xff\xfeb")

    found = make_parser().parse(body)

    assert samples_of(found) == expect((API, [(NOW, 2.0)]))
    assert "is not UTF-8" in str(found.problems)


def test_takes_labels_in_any_order_and_names_in_utf8_as_prometheus_does() -> None:
    request = prompb.WriteRequest()
    pairs = [("b", "1"), ("__name__", "température.moyenne"), ("a-b", "2"), ("empty", "")]
    add_series(request, pairs, [(NOW, 1.0)], is_sorted=False)

    found = make_parser().parse(request.SerializeToString())

    expected = {"__name__": "température.moyenne", "a-b": "2", "b": "1"}
    assert samples_of(found) == expect((expected, [(NOW, 1.0)]))
    assert not found.problems.count


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x00\x00",
        b"\x0b\x0a\x00",
        b"\x0c",
        b"\x07",
        b"\x0a\x04\x0a\x05ab",
        b"\x0a\x03\x12\x01\x09",
        b"\x80\x80\x80\x80\x80\x01",
        b"not a request at all",
    ],
)
def test_says_that_a_body_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedWriteError, match="not a WriteRequest"):
        make_parser().parse(body)


def test_bounds_how_much_one_request_may_hold() -> None:
    with pytest.raises(MalformedWriteError, match="more than 100000 new or unusual series"):
        make_parser().parse(b"\x0a\x00" * 100_001)
    tail = write_request((API, [(NOW, 1.0)]))[-18:]
    labels = (b"\x0a\x12\x0a\x08__name__\x12\x06%06d" % n for n in range(100_001))
    many = b"".join(b"\x0a\x26" + each + tail for each in labels)
    with pytest.raises(MalformedWriteError, match="more than 100000 new or unusual series"):
        make_parser().parse(many)
    with pytest.raises(MalformedWriteError, match="more than 100000 metadata"):
        make_parser().parse(b"\x1a\x00" * 100_001)


def test_takes_an_empty_request() -> None:
    found = make_parser().parse(b"")

    assert samples_of(found) == {}
    assert not found.problems.count


def test_skips_fields_that_it_does_not_know() -> None:
    unknown = b"\x7b\x08\x01\x7c" + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x70\x01"
    series = write_request((API, [(NOW, 2.0)]))
    inner = series[2:] + unknown
    body = unknown[4:] + b"\x0a" + bytes([len(inner)]) + inner + b"\x8a\x00" + series[1:] + unknown

    assert samples_of(make_parser().parse(body)) == expect((API, [(NOW, 2.0), (NOW, 2.0)]))


# What hypothesis makes of a request: few names, so that series meet again.
names = st.sampled_from(["__name__", "a", "b", "job", "é", "le"])
texts = st.text(st.characters(codec="utf-8"), max_size=8)
pairs = st.dictionaries(names, texts, max_size=5).map(lambda found: sorted(found.items()))
times = st.one_of(st.integers(NOW, NOW + 100_000), st.integers(-(2**63), 2**63 - 1), st.just(0))
values = st.one_of(st.floats(width=64), st.sampled_from([0.0, STALE, 1e-270, 1.0]))
sample_lists = st.lists(st.tuples(times, values), max_size=4)
requests = st.lists(st.tuples(pairs, sample_lists), max_size=6)


def expect_by_protobuf(body: bytes) -> Found:
    """Return what a request holds by protobuf's own parser, without the series that are refused."""
    request = prompb.WriteRequest()
    request.ParseFromString(body)
    found: Found = {}
    for series in request.timeseries:
        pairs = [(each.name, each.value) for each in series.labels]
        names = [name for name, _ in pairs]
        labels = Labels(pairs)
        is_bad = "" in names or len(set(names)) < len(names) or not labels.metric_name
        if is_bad or not series.samples:
            continue
        found.setdefault(labels, []).extend(
            (each.timestamp, bits_of(each.value)) for each in series.samples
        )
    return {labels: sorted(samples) for labels, samples in found.items()}


@given(st.lists(requests, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_reads_what_protobuf_reads(
    several: list[list[tuple[list[tuple[str, str]], list[tuple[int, float]]]]],
) -> None:
    parser = make_parser()

    for each in several:
        body = write_request(*each)
        assert samples_of(parser.parse(body)) == expect_by_protobuf(body)


@given(requests, st.data())
@settings(max_examples=120, deadline=None)
def test_a_damaged_body_is_read_as_protobuf_reads_it_or_refused(
    series: list[tuple[list[tuple[str, str]], list[tuple[int, float]]]], data: st.DataObject
) -> None:
    parser = make_parser()
    body = bytearray(write_request(*series, (API, [(NOW, 1.0)]), (WEB, [(NOW, 0.0)])))
    parser.parse(bytes(body))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "drop"])):
            case "flip":
                body[at] = data.draw(st.integers(0, 255))
            case "cut":
                del body[at + 1 :]
            case "insert":
                body.insert(at, data.draw(st.integers(0, 255)))
            case _ if len(body) > 1:
                del body[at]
            case _:
                pass
    damaged = bytes(body)

    try:
        found = parser.parse(damaged)
    except MalformedWriteError:
        return
    try:
        expected = expect_by_protobuf(damaged)
    except DecodeError:
        # It is stricter: a text that is not UTF-8 ends the whole message for it.
        return
    assert samples_of(found) == expected


@given(st.binary(max_size=200))
@settings(max_examples=120, deadline=None)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    parser = make_parser()
    parser.parse(write_request((API, [(NOW, 1.0)])))

    try:
        parser.parse(body)
    except MalformedWriteError as error:
        assert len(str(error)) < 200  # noqa: PT017
