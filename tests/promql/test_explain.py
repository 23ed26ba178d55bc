from collections.abc import Sequence

import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import STALE
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.explain import explain
from resumatch_monitor.promql.finding import Finding, FindingKind
from resumatch_monitor.promql.nearest import find_nearest
from resumatch_monitor.promql.value import QueryError
from tests.support.memory_store import MemoryStore

_DAY_MS = 86_400_000
_NOW = 20_000 * _DAY_MS
_MINUTE = 60_000


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    recent = {_NOW - minutes * _MINUTE: float(minutes) for minutes in range(60)}
    for method, status in (("GET", "200"), ("GET", "404"), ("POST", "200")):
        store.add(
            Labels.of({"__name__": "http_requests_total"}, job="api", method=method, status=status),
            recent,
        )
    store.add(Labels.of({"__name__": "up"}, job="api"), dict.fromkeys(recent, 1.0))
    store.add(Labels.of({"__name__": "limits"}, job="web"), recent)
    store.add(
        Labels.of({"__name__": "backup_size_bytes"}, job="db"),
        {_NOW - 3 * _DAY_MS: 5.0, _NOW - 3 * _DAY_MS + _MINUTE: STALE},
    )
    return store


def _explain(
    store: MemoryStore, query: str, *, hours: float = 1, end_ms: int = _NOW
) -> Sequence[Finding]:
    start_ms = end_ms - int(hours * 60 * _MINUTE)
    return explain(store, query, start_ms=start_ms, end_ms=end_ms, options=Options())


@pytest.mark.parametrize("hours", [0, 1])
def test_offers_the_nearest_names_for_a_metric_that_was_never_seen(
    store: MemoryStore, hours: float
) -> None:
    [found] = _explain(store, "sum(rate(http_request_total[5m]))", hours=hours)

    assert found.kind is FindingKind.UNKNOWN_METRIC
    assert found.text == "No metric called http_request_total has ever been stored."
    assert found.suggestions[0].text == "http_requests_total"
    assert found.suggestions[0].expr == "sum(rate(http_requests_total[5m]))"


def test_lists_the_values_that_a_label_has(store: MemoryStore) -> None:
    [found] = _explain(store, 'http_requests_total{job="api", status = "500"} > 0')

    assert found.kind is FindingKind.UNKNOWN_VALUE
    assert found.text == (
        'No series of http_requests_total has ever had status="500". 2 values of status exist.'
    )
    assert {each.text for each in found.suggestions} == {"200", "404"}
    assert 'http_requests_total{job="api", status="200"} > 0' in {
        each.expr for each in found.suggestions
    }


def test_names_the_labels_when_one_was_never_there(store: MemoryStore) -> None:
    [found] = _explain(store, 'http_requests_total{code="500"}')

    assert found.kind is FindingKind.UNKNOWN_LABEL
    assert found.text.endswith("Its labels are: job, method, status.")


def test_says_which_values_go_together(store: MemoryStore) -> None:
    [found] = _explain(store, 'http_requests_total{method="POST",status="404"}')

    assert found.kind is FindingKind.NO_COMBINATION
    assert [each.expr for each in found.suggestions] == [
        'http_requests_total{method="GET",status="404"}'
    ]


def test_tells_when_there_was_a_sample_last(store: MemoryStore) -> None:
    [found] = _explain(store, "backup_size_bytes / 2")

    assert found.kind is FindingKind.NO_SAMPLES
    assert found.sample_at_ms == _NOW - 3 * _DAY_MS


def test_tells_when_samples_begin_after_the_range(store: MemoryStore) -> None:
    [found] = _explain(store, "up", end_ms=_NOW - 10 * _DAY_MS)

    assert found.kind is FindingKind.NO_SAMPLES
    assert found.sample_at_ms == _NOW - 59 * _MINUTE


def test_suggests_a_range_that_holds_two_scrapes(store: MemoryStore) -> None:
    [found] = _explain(store, "sum by (job) (rate(http_requests_total[30s]))")

    assert found.kind is FindingKind.RANGE_TOO_SHORT
    assert "one every 1m" in found.text
    assert [each.expr for each in found.suggestions] == [
        "sum by (job) (rate(http_requests_total[5m]))"
    ]


def test_says_between_which_values_a_comparison_found_nothing(store: MemoryStore) -> None:
    [found] = _explain(store, "http_requests_total > 1e6")

    assert found.kind is FindingKind.FILTERED
    assert "(3 series) lies between 0 and 59" in found.text


@pytest.mark.parametrize(
    ("query", "remark"),
    [
        ("http_requests_total / up", "Say which labels must agree: / on (job)."),
        ("up * limits", 'For example {job="api"} on the left and {job="web"} on the right.'),
        ("up and on (job) limits", "under on (job)"),
    ],
)
def test_says_why_the_sides_of_an_operator_do_not_meet(
    store: MemoryStore, query: str, remark: str
) -> None:
    [found] = _explain(store, query)

    assert found.kind is FindingKind.NO_MATCH
    assert remark in found.text


def test_follows_only_the_side_that_is_empty(store: MemoryStore) -> None:
    found = _explain(store, "up * on (job) group_left () nothing_such")

    assert [each.kind for each in found] == [FindingKind.UNKNOWN_METRIC]


def test_explains_both_sides_of_or(store: MemoryStore) -> None:
    found = _explain(store, "no_a or no_b")

    assert [each.selector for each in found] == ["no_a", "no_b"]


def test_a_quantile_over_series_without_buckets_says_so(store: MemoryStore) -> None:
    [found] = _explain(store, "histogram_quantile(0.9, sum by (job) (http_requests_total))")

    assert found.kind is FindingKind.NO_BUCKETS


def test_looks_inside_subqueries(store: MemoryStore) -> None:
    [found] = _explain(store, "max_over_time(rate(no_such[5m])[1h:1m])")

    assert found.kind is FindingKind.UNKNOWN_METRIC


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("absent(up)", FindingKind.EMPTY),
        ("up unless up", FindingKind.EMPTY),
        ("-up > 5", FindingKind.FILTERED),
        ('up{job!="api"}', FindingKind.UNKNOWN_VALUE),
    ],
)
def test_other_reasons(store: MemoryStore, query: str, kind: FindingKind) -> None:
    assert [each.kind for each in _explain(store, query, hours=0.5)] == [kind]


@pytest.mark.parametrize("query", ["up", "1 + 1", "sum(up)", '"text"', "vector(1)"])
def test_finds_nothing_where_there_is_a_result(store: MemoryStore, query: str) -> None:
    assert _explain(store, query) == []


def test_an_empty_store_is_said_to_be_empty() -> None:
    [found] = _explain(MemoryStore(), "up")

    assert "Nothing is stored yet." in found.text


def test_a_broken_query_is_an_error(store: MemoryStore) -> None:
    with pytest.raises(QueryError):
        _explain(store, "sum(")


def test_nearest_names_share_words_or_letters() -> None:
    names = ["http_requests_total", "up", "go_goroutines", "http_request_duration_seconds_bucket"]

    assert find_nearest("htpp_requests", names)[0] == "http_requests_total"
    assert find_nearest("zzz", names) == []


def test_of_very_many_series_the_last_moment_is_looked_at() -> None:
    store = MemoryStore()
    for index in range(200):
        store.add(Labels.of({"__name__": "many"}, index=str(index)), {_NOW - _MINUTE: 1.0})
    options = Options(max_samples=2_000)

    [found] = explain(store, "many > 5", start_ms=_NOW - 60 * _MINUTE, end_ms=_NOW, options=options)
    tight = Options(max_samples=100)
    [beyond] = explain(store, "many > 5", start_ms=_NOW, end_ms=_NOW, options=tight)

    assert "(200 series) is always 1" in found.text
    assert "too many series" in beyond.text
