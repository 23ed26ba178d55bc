import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.api.prometheus_json import render_instant, render_numbers, render_range
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import ABSENT, SeriesBlock
from resumatch_monitor.promql.engine import Answer
from resumatch_monitor.promql.statistics import Statistics
from resumatch_monitor.promql.value import InstantVector, Matrix, RangeVector, ScalarValue

NAN, INF = math.nan, math.inf


def go_format(value: float) -> str:
    """Return `value` as Go's strconv.FormatFloat does in the API.

    The shortest digits that read back the same are what Python's `repr` has, too.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return f"{sign}0"
    _, numerals, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    digits = "".join(map(str, numerals))
    power = int(exponent) + len(digits) - 1
    mantissa = f"{digits[0]}.{digits[1:]}" if digits[1:] else digits
    if not 1e-6 <= abs(value) < 1e21:
        return f"{sign}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole, fraction = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


@given(st.lists(st.floats(), max_size=20))
def test_numbers_are_written_as_go_writes_them(values: list[float]) -> None:
    rendered = render_numbers(np.array(values, dtype=np.float64))

    assert rendered == [go_format(value).encode() for value in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1e15, "1000000000000000"),
        (123456789012345678901.0, "123456789012345680000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-2.5e300, "-2.5e+300"),
        (1e-6, "0.000001"),
        (-1.25e-6, "-0.00000125"),
        (9.99e-7, "9.99e-07"),
        (5e-324, "5e-324"),
        (0.1 + 0.2, "0.30000000000000004"),
        (INF, "+Inf"),
        (-INF, "-Inf"),
        (NAN, "NaN"),
    ],
)
def test_numbers_at_the_edges(value: float, text: str) -> None:
    assert render_numbers(np.array([value, 1.0])) == [text.encode(), b"1"]


def read(pieces: Iterable[bytes]) -> Any:
    return orjson.loads(b"".join(pieces))


def answer_over(rows: list[list[float]], **over: Any) -> Answer[Matrix]:
    labels = [Labels.of(n=str(number)) for number in range(len(rows))]
    times = np.arange(len(rows[0]), dtype=np.int64) * 1500 + 1_000
    return Answer(Matrix(times, labels, np.array(rows)), **over)


def test_a_range_leaves_out_what_is_absent_and_keeps_nan() -> None:
    body = read(
        render_range(
            answer_over([[ABSENT, 1.5, NAN], [1.0, ABSENT, ABSENT], [7.0, 8.0, 9.0]]),
            limit=None,
            has_statistics=False,
        )
    )

    assert body["status"] == "success"
    assert [each["values"] for each in body["data"]["result"]] == [
        [[2.5, "1.5"], [4, "NaN"]],
        [[1, "1"]],
        [[1, "7"], [2.5, "8"], [4, "9"]],
    ]
    assert "stats" not in body["data"]


def test_milliseconds_are_written_with_three_digits() -> None:
    text = b"".join(render_range(answer_over([[1.0, 2.0]]), limit=None, has_statistics=False))

    assert b'"values":[[1,"1"],[2.500,"2"]]' in text


@pytest.mark.parametrize("limit", [1, 2])
def test_a_range_cut_to_its_limit_says_so(limit: int) -> None:
    body = read(
        render_range(
            answer_over([[1.0], [2.0]], warnings=("w", "w"), infos=("i",)),
            limit=limit,
            has_statistics=False,
        )
    )

    assert len(body["data"]["result"]) == limit
    assert body["warnings"] == (["w", "results truncated due to limit"] if limit == 1 else ["w"])
    assert body["infos"] == ["i"]


def test_a_large_range_comes_in_pieces_that_make_one_document() -> None:
    rows = np.arange(400 * 500, dtype=np.float64).reshape(400, 500) / 7
    pieces = list(render_range(answer_over(rows.tolist()), limit=None, has_statistics=True))

    result = read(pieces)["data"]["result"]
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 512 * 1024
    assert [float(text) for each in result for _, text in each["values"]] == rows.ravel().tolist()


def test_an_empty_range_is_an_empty_list() -> None:
    empty = Answer(Matrix(np.array([0]), [], np.empty((0, 1))))

    assert read(render_range(empty, limit=None, has_statistics=False))["data"]["result"] == []


def test_raw_samples_are_cut_across_blocks() -> None:
    times = np.array([1000, 2000])
    blocks = [
        SeriesBlock([Labels.of(n="a"), Labels.of(n="b")], times, np.array([[1.0, 2], [3, 4]])),
        SeriesBlock([Labels.of(n="c")], times, np.array([[5.0, 6]])),
    ]

    whole = read(render_instant(Answer(RangeVector(blocks)), limit=None, has_statistics=False))
    two = read(render_instant(Answer(RangeVector(blocks)), limit=2, has_statistics=False))

    assert [each["metric"]["n"] for each in whole["data"]["result"]] == ["a", "b", "c"]
    assert [each["metric"]["n"] for each in two["data"]["result"]] == ["a", "b"]
    assert two["warnings"] == ["results truncated due to limit"]


def test_statistics_are_told_as_prometheus_tells_them() -> None:
    statistics = Statistics(
        queue_seconds=1.0,
        prepare_seconds=2.0,
        evaluate_seconds=4.0,
        sort_seconds=8.0,
        samples_loaded=5,
        samples=7,
    )
    answer = Answer(ScalarValue(1000, 2.0), statistics=statistics)

    body = read(render_instant(answer, limit=None, has_statistics=True))

    assert body["data"] == {
        "resultType": "scalar",
        "result": [1, "2"],
        "stats": {
            "timings": {
                "evalTotalTime": 14.0,
                "resultSortTime": 8.0,
                "queryPreparationTime": 2.0,
                "innerEvalTime": 4.0,
                "execQueueTime": 1.0,
                "execTotalTime": 15.0,
            },
            "samples": {"totalQueryableSamples": 5, "peakSamples": 7},
        },
    }


def test_a_vector_escapes_what_labels_hold() -> None:
    labels = [Labels.of(path='/"ü\n\\')]

    body = read(
        render_instant(
            Answer(InstantVector(1500, labels, np.array([0.5]))), limit=None, has_statistics=False
        )
    )

    assert body["data"]["result"] == [{"metric": {"path": '/"ü\n\\'}, "value": [1.5, "0.5"]}]
