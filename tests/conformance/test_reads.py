"""The contract of reading: the embedded store and the external ones answer the same."""

import socket
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.promql.context import Options, no_checkpoint
from resumatch_monitor.promql.value import (
    InstantValue,
    InstantVector,
    Matrix,
    QueryError,
    QueryTimeoutError,
    RangeVector,
    ScalarValue,
    StoreUnavailableError,
    StringValue,
)
from tests.conformance.conftest import ROWS, STEP_MS, Reads, reading
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS

OPTIONS = Options()
END_MS = ROWS * STEP_MS

EVERYWHERE = [
    "temperature",
    'temperature{instance=~"a|c"}',
    'requests_total{job!="web"}',
    "sum by (job) (temperature)",
    "sum(temperature)",
    "count(requests_total)",
    # VictoriaMetrics keeps the name of the metric here.
    "sum by (instance) (max_over_time(temperature[2m]))",
    "sum by (instance) (avg_over_time(temperature[3m]))",
    "count_over_time(requests_total[5m])",
    "temperature > 24",
    "topk(2, temperature)",
    "temperature / on (instance) group_left () (requests_total + 1)",
    "absent(nothing)",
    "nothing",
    "ended",
    'label_replace(temperature, "host", "$1-x", "instance", "(.*)")',
    '{path="/é\\"\\\\\\n"} > -1e9',
]
BY_PROMETHEUS = [
    "rate(requests_total[5m])",
    "sum by (job) (increase(requests_total[2m]))",
    "odd",
    "holes",
    "1 + 1",
    "vector(time())",
    "histogram_quantile(0.9, temperature)",
    "-temperature offset 3m",
    "max_over_time(temperature[5m:1m])",
]
# MetricsQL has meanings of its own for these.
IN_PROMQL = pytest.mark.parametrize("external", [PROMETHEUS], indirect=True)
ONLY_INSTANT = ["temperature[2m]", '"text"']


def to_series(value: InstantValue | Matrix) -> Mapping[Labels, list[tuple[int, float]]]:
    if isinstance(value, InstantVector):
        return {
            labels: [(value.timestamp_ms, float(each))]
            for labels, each in zip(value.labels, value.values, strict=True)
        }
    if isinstance(value, ScalarValue):
        return {Labels(): [(value.timestamp_ms, value.value)]}
    assert not isinstance(value, StringValue)
    blocks = (
        [(value.labels, value.timestamps, value.values)]
        if isinstance(value, Matrix)
        else [(each.labels, each.timestamps, each.values) for each in value.blocks]
    )
    found: dict[Labels, list[tuple[int, float]]] = {}
    for all_labels, times, rows in blocks:
        for labels, values in zip(all_labels, rows, strict=True):
            there = ~is_absent(values)
            found[labels] = list(zip(times[there].tolist(), values[there].tolist(), strict=True))
    return found


def assert_same(ours: InstantValue | Matrix, theirs: InstantValue | Matrix) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, StringValue):
        assert ours == theirs
        return
    expected, found = to_series(ours), to_series(theirs)
    assert set(found) == set(expected)
    for labels, points in expected.items():
        assert [time for time, _ in found[labels]] == [time for time, _ in points], labels
        np.testing.assert_allclose(
            [value for _, value in found[labels]],
            [value for _, value in points],
            rtol=1e-9,
            equal_nan=True,
        )


def instant(reads: Reads, query: str, offset_ms: int) -> InstantValue:
    answer = reads.engine.evaluate_instant(
        query, reads.start_ms + offset_ms, options=OPTIONS, checkpoint=no_checkpoint
    )
    return answer.value


def over_range(reads: Reads, query: str, end_ms: int) -> Matrix:
    answer = reads.engine.evaluate_range(
        query,
        # Between two samples, where it does not matter which end a range includes.
        start_ms=reads.start_ms + 7_000,
        end_ms=reads.start_ms + end_ms,
        step_ms=60_000,
        options=OPTIONS,
        checkpoint=no_checkpoint,
    )
    return answer.value


def check_instants(embedded: Reads, external: Reads, query: str) -> None:
    # In the middle, where a series has ended, at the end, and where only looking back finds some.
    for offset_ms in (307_000, 612_000, END_MS - 8_000, END_MS + 200_000, END_MS + 3_600_000):
        ours, theirs = instant(embedded, query, offset_ms), instant(external, query, offset_ms)
        assert_same(ours, theirs)


def check_range(embedded: Reads, external: Reads, query: str) -> None:
    # Over a range, VictoriaMetrics looks back no further than samples are apart.
    end_ms = END_MS + (0 if external.name == VICTORIA_METRICS else 400_000)
    assert_same(over_range(embedded, query, end_ms), over_range(external, query, end_ms))


@pytest.mark.parametrize("query", EVERYWHERE)
def test_queries_at_a_moment(embedded: Reads, external: Reads, query: str) -> None:
    check_instants(embedded, external, query)


@IN_PROMQL
@pytest.mark.parametrize("query", [*BY_PROMETHEUS, *ONLY_INSTANT])
def test_queries_at_a_moment_where_dialects_differ(
    embedded: Reads, external: Reads, query: str
) -> None:
    check_instants(embedded, external, query)


@pytest.mark.parametrize("query", EVERYWHERE)
def test_queries_over_a_range(embedded: Reads, external: Reads, query: str) -> None:
    check_range(embedded, external, query)


@IN_PROMQL
@pytest.mark.parametrize("query", BY_PROMETHEUS)
def test_queries_over_a_range_where_dialects_differ(
    embedded: Reads, external: Reads, query: str
) -> None:
    check_range(embedded, external, query)


MATCHERS = [
    (),
    (Matcher("job", MatchOp.EQUAL, "api"),),
    (Matcher("job", MatchOp.REGEX, "a.*|web"), Matcher("instance", MatchOp.NOT_EQUAL, "a")),
    (Matcher("instance", MatchOp.EQUAL, ""),),
    (Matcher("path", MatchOp.EQUAL, '/é"\\\n'),),
    (Matcher("job", MatchOp.EQUAL, "nobody"),),
]


@pytest.mark.parametrize("matchers", MATCHERS)
def test_series_labels_and_values(
    embedded: Reads, external: Reads, matchers: tuple[Matcher, ...]
) -> None:
    # As far as Grafana's questions without a time go.
    period = (0, embedded.start_ms + round(timedelta(days=365).total_seconds()) * 1000)
    ours, theirs = embedded.queryable, external.queryable

    assert theirs.find_series(matchers, *period) == ours.find_series(matchers, *period)
    if not ours.find_series(matchers, *period):
        # VictoriaMetrics always has a `__name__`.
        return
    assert theirs.find_label_names(matchers, *period) == ours.find_label_names(matchers, *period)
    for name in ("__name__", "instance", "job", "unknown"):
        assert theirs.find_label_values(name, matchers, *period) == ours.find_label_values(
            name, matchers, *period
        )


def test_raw_samples_include_both_ends(embedded: Reads, external: Reads) -> None:
    matchers = [Matcher("__name__", MatchOp.REGEX, "temperature|requests_total")]
    period = (embedded.start_ms + 10 * STEP_MS, embedded.start_ms + 20 * STEP_MS)

    ours = embedded.queryable.select(matchers, *period)
    theirs = external.queryable.select(matchers, *period)

    assert_same(RangeVector(ours), RangeVector(theirs))


@pytest.mark.parametrize("query", ["sum(", "temperature[", "nosuchfunction(temperature)", ""])
def test_a_query_that_is_none_is_the_askers_fault(external: Reads, query: str) -> None:
    with pytest.raises(QueryError) as caught:
        instant(external, query, 0)

    assert not isinstance(caught.value, StoreUnavailableError)


def test_a_query_that_takes_too_long_is_given_up() -> None:
    def hurry() -> None:
        raise QueryTimeoutError("enough")

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with reading(url) as reader, pytest.raises(QueryTimeoutError, match="enough"):
            reader.evaluate_instant("up", 0, options=OPTIONS, checkpoint=hurry)


def test_a_server_that_is_away_is_named_without_more_ado() -> None:
    with (
        reading("http://127.0.0.1:9") as reader,
        pytest.raises(StoreUnavailableError, match=r"http://127\.0\.0\.1:9 .* connection refused"),
    ):
        reader.evaluate_instant("up", 0, options=OPTIONS, checkpoint=no_checkpoint)


def test_a_reader_that_is_closed_says_so() -> None:
    with reading("http://127.0.0.1:9") as reader:
        pass

    with pytest.raises(StoreUnavailableError, match="stopping"):
        reader.find_series((), 0, round(timedelta(days=1).total_seconds()))
