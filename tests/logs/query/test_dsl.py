"""Elasticsearch's queries: what they ask for, and where they are not understood."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.query.dsl import NOTHING, DslError, DslReader
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Wildcard,
    Words,
)
from tests.support.logs import make_record


def parse_time(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("a time is expected")  # noqa: TRY004
    return value


def read(query: Any) -> Node:
    return DslReader(parse_time).read(query)


@pytest.mark.parametrize(
    ("query", "node"),
    [
        ({"match_all": {}}, Everything()),
        ({"match_none": {}}, NOTHING),
        ({"term": {"service.name": "api"}}, Equals("service", "api")),
        ({"term": {"service.keyword": {"value": "api", "boost": 2}}}, Equals("service", "api")),
        ({"term": {"ok": True}}, Equals("ok", "true")),
        ({"term": {"n": 5}}, Equals("n", "5")),
        ({"term": {"log.level": "error"}}, Equals("severity", "error")),
        ({"term": {"log.level": "loud"}}, NOTHING),
        ({"terms": {"n": [1, "2"], "boost": 1}}, Or((Equals("n", "1"), Equals("n", "2")))),
        ({"terms": {"n": []}}, NOTHING),
        ({"match": {"message": "a b"}}, Or((Words(("a",)), Words(("b",))))),
        (
            {"match": {"message": {"query": "a b", "operator": "AND"}}},
            Words(("a", "b"), is_phrase=False),
        ),
        ({"match": {"user": "Ann Lee"}}, Equals("user", "Ann Lee")),
        ({"match_phrase": {"message": {"query": "A b"}}}, Words(("a", "b"))),
        ({"range": {"n": {"gte": 1, "lt": "2.5"}}}, Range("n", 1, 2.5, includes_high=False)),
        ({"range": {"level": {"gte": "warning"}}}, Range("severity", 13)),
        ({"exists": {"field": "user.id"}}, Exists("user.id")),
        ({"wildcard": {"host": {"value": "web**"}}}, Wildcard("host", "web*")),
        ({"prefix": {"host": "web"}}, Wildcard("host", "web*")),
        ({"query_string": {"query": "a AND level:error", "analyze_wildcard": True}},
         And((Words(("a",)), Equals("severity", "error")))),
        ({"constant_score": {"filter": {"term": {"n": 1}}}}, Equals("n", "1")),
        ({"bool": {}}, Everything()),
        ({"bool": {"filter": {"term": {"n": 1}}, "must": []}}, Equals("n", "1")),
        (
            {"bool": {"must": [{"term": {"n": 1}}], "must_not": {"term": {"n": 2}}}},
            And((Equals("n", "1"), Not(Equals("n", "2")))),
        ),
        (
            {"bool": {"should": [{"term": {"n": 1}}, {"term": {"n": 2}}]}},
            Or((Equals("n", "1"), Equals("n", "2"))),
        ),
        (
            {"bool": {"filter": [{"term": {"n": 1}}], "should": [{"term": {"n": 2}}]}},
            Equals("n", "1"),
        ),
    ],
)  # fmt: skip
def test_a_query_is_read(query: Any, node: Node) -> None:
    assert read(query) == node


def test_time_is_kept_apart() -> None:
    reader = DslReader(parse_time)
    node = reader.read(
        {
            "bool": {
                "filter": [
                    {"range": {"@timestamp": {"gte": 5, "lte": 9, "format": "epoch_millis"}}},
                    {"bool": {"must": {"range": {"@timestamp": {"gt": 5, "lt": 100}}}}},
                ]
            }
        }
    )

    assert (node, reader.start_ms, reader.end_ms) == (Everything(), 6, 10)


REFUSED: list[tuple[Any, str]] = [
    ([], "[query] an object"),
    ({}, "[query] an object with one name"),
    ({"fuzzy": {"a": "b"}}, "[query.fuzzy] unknown query [fuzzy]"),
    ({"bool": {"must": [{"match_all": {}}, {"more": {}}]}}, "[query.bool.must[1].more]"),
    ({"bool": {"must_not": {"range": {"@timestamp": {"gte": 1}}}}}, "must_not[0].range.@time"),
    ({"bool": {"should": [], "minimum_should_match": 2}}, "minimum_should_match"),
    ({"bool": {"filters": []}}, "[query.bool.filters]"),
    ({"term": {"a": ["x"]}}, "[query.term.a]"),
    ({"term": {"a": {"value": "x", "case_insensitive": True}}}, "case_insensitive"),
    ({"term": {"a": 1, "b": 2}}, "[query.term]"),
    ({"term": {"@timestamp": 1}}, "[query.term.@timestamp]"),
    ({"range": {"n": {"gte": "many"}}}, "[query.range.n.gte]"),
    ({"range": {"@timestamp": {"gte": "never"}}}, "[query.range.@timestamp.gte]"),
    ({"wildcard": {"a": "?" * 11}}, "[query.wildcard.a]"),
    ({"query_string": {"query": "(a"}}, "[query.query_string.query] the query cannot"),
    ({"exists": {"field": 1}}, "[query.exists.field]"),
    ({"term": {"a": "\ud800"}}, "[query.term.a]"),
    ({"terms": {"a": ["x"] * 301}}, "[query.terms.a]"),
]


@pytest.mark.parametrize(("query", "place"), REFUSED)
def test_what_is_not_understood_is_named(query: Any, place: str) -> None:
    with pytest.raises(DslError) as caught:
        read(query)

    assert place in str(caught.value)


def test_a_query_of_a_thousand_levels_is_refused() -> None:
    query: Any = {"match_all": {}}
    for _ in range(1_000):
        query = {"bool": {"must": [query, query]}}

    with pytest.raises(DslError):
        read(query)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(float("nan")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["bool", "must", "term", "terms", "a", "range", "gte", "query", "value",
                         "query_string", "message", "log.level", "@timestamp", "match", "should",
                         "wildcard", "exists", "field", "prefix"]),
        inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(_values)
def test_any_json_is_a_query_or_refused(query: Any) -> None:
    try:
        node = read(query)
    except DslError:
        return
    assert build_predicate(node)(make_record()) in (True, False)
