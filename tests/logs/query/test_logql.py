"""Loki's log queries: which records they find, and where they cannot be read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.logs.query.lexer import QueryError
from resumatch_monitor.logs.query.logql import parse_logql
from resumatch_monitor.logs.query.matching import build_predicate
from tests.support.logs import make_record

_RECORD = make_record(
    'Connection to "db-1" refused: timeouts\nafter 5s',
    severity=17,
    host="",
    attributes={"pod": "web-7", "n": 5},
)


@pytest.mark.parametrize(
    "query",
    [
        "{}",
        '{service_name="api"}',
        '{app="api", level="error", pod=~"web-.+"}',
        '{job="api"} |= "Connection to"',
        '{pod!="x", host="", nothing="", nothing!="x"}',
        '{host=~".*", pod!~"web"}',
        '{n="5"} |= "nection to \\"db-1\\" ref"',
        "{} |= `timeouts\nafter`",
        "{} |~ `time.?out` !~ `absent$` != \"connection\"",
        '{} |= ""',
    ],
)  # fmt: skip
def test_a_record_is_found(query: str) -> None:
    assert build_predicate(parse_logql(query))(_RECORD)


@pytest.mark.parametrize(
    "query",
    [
        '{service_name="web"}',
        '{app="web"}',
        '{level="loud"}',
        '{pod=~"web"}',
        '{pod=""}',
        '{} |= "connection to"',
        '{} != "time"',
        '{} |~ "^refused"',
        '{} !~ "5s"',
    ],
)
def test_a_record_is_not_found(query: str) -> None:
    assert not build_predicate(parse_logql(query))(_RECORD)


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("", 0),
        ('rate({app="x"}[5m])', 0),
        ("{", 1),
        ('{app="x"', 8),
        ('{app:="x"}', 1),
        ("{app=x}", 5),
        ('{app="x}', 5),
        ('{app=~"("}', 6),
        ('{} |= "a" | json', 10),
        ('{} |~ "("', 6),
        ("{} |= a", 6),
        ('{} |= "\ud800"', 6),
    ],
)
def test_an_error_points_at_the_character(query: str, position: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse_logql(query)

    assert caught.value.position == position


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*list('{}=~!|"`\\, ab(*'), "|=", "{}"]), max_size=25).map("".join))
def test_any_text_is_a_query_or_an_error_that_says_where(text: str) -> None:
    try:
        node = parse_logql(text)
    except QueryError as error:
        position = error.position
    else:
        position = 0
        assert build_predicate(node)(_RECORD) in (True, False)
    assert 0 <= position <= len(text)
