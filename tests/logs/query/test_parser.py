"""What a query's text asks for, and where it goes wrong."""

import pytest

from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS, QueryError
from resumatch_monitor.logs.query.parser import MAX_DEPTH, MAX_NODES, parse_query
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Regex,
    Wildcard,
    Words,
)


def word(*words: str) -> Words:
    return Words(words)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("*", Everything()),
        ("timeout", word("timeout")),
        ("Time-Out", word("time", "out")),
        ('"connection refused"', word("connection", "refused")),
        ("a b", And((word("a"), word("b")))),
        ("a AND b && c", And((word("a"), word("b"), word("c")))),
        ("a OR b || c", Or((word("a"), word("b"), word("c")))),
        ("a b OR c", Or((And((word("a"), word("b"))), word("c")))),
        ("a (b OR c)", And((word("a"), Or((word("b"), word("c")))))),
        ("NOT a", Not(word("a"))),
        ("-a", Not(word("a"))),
        ("!a", Not(word("a"))),
        ("NOT -a", word("a")),
        ("+a", word("a")),
        ("a - b", None),
        ("a-b", word("a", "b")),
        ("or", word("or")),
        ("service:api", Equals("service", "api")),
        ("service.name:api", Equals("service", "api")),
        ("user.id:7", Equals("user.id", "7")),
        ("user.id:-7", Equals("user.id", "-7")),
        ('user.name:"Ann Lee"', Equals("user.name", "Ann Lee")),
        ("user.name:Ann\\ Lee", Equals("user.name", "Ann Lee")),
        ("message:boom", word("boom")),
        ("level:error", Equals("severity", "error")),
        ("level:017", Equals("severity", "17")),
        ("level:>=warning", Range("severity", low=13)),
        ("level:>warning", Range("severity", low=16, includes_low=False)),
        ("level:<warning", Range("severity", high=13, includes_high=False)),
        ("status:>=500", Range("status", low=500)),
        ("status:<=4.5", Range("status", high=4.5)),
        ("status:[400 TO 499]", Range("status", low=400, high=499)),
        ("status:{400 TO *}", Range("status", low=400, includes_low=False, includes_high=False)),
        ("service:(api OR web)", Or((Equals("service", "api"), Equals("service", "web")))),
        ("service:*", Exists("service")),
        ("_exists_:user.id", Exists("user.id")),
        ("service:a*", Wildcard("service", "a*")),
        ("service:a**b", Wildcard("service", "a*b")),
        ("service:a\\*", Equals("service", "a*")),
        ("TIME*", Wildcard("message", "time*")),
        ("a-b*", And((word("a"), Wildcard("message", "b*")))),
        ("path:/a.b/", Regex("path", "a.b")),
        ("/time.?out/", Regex("message", "time.?out")),
        ("/var/log/app", word("var", "log", "app")),
        ("http://host:80/x", word("http", "host", "80", "x")),
        ("12:30:01", word("12", "30", "01")),
    ],
)
def test_a_query_is_read(text: str, node: Node | None) -> None:
    if node is None:
        with pytest.raises(QueryError):
            parse_query(text)
    else:
        assert parse_query(text) == node


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("(a", 0),
        ("a)", 1),
        ('a "b', 2),
        ("a AND", 5),
        ("a OR OR b", 5),
        ("AND a", 0),
        ("service:", 8),
        ("service:(a", 8),
        ("level:loud", 6),
        ("level:25", 6),
        ("level:99999999999999999999999", 6),
        ("level:1.5", 6),
        ("status:>many", 8),
        ("status:>" + "9" * 400, 8),
        ("status:[1 2]", 10),
        ("status:[1 TO 2", 7),
        ("status:[ TO 2]", 9),
        ("@timestamp:>5", 0),
        ("a /(/", 2),
        ("...", 0),
        ("a ***.*", 2),
        ("a " + "b*c" * 11, 2),
        ("service:" + "?" * 11, 8),
        ("service:" + "a" * 200 + "*", 8),
        ("a \ud800", 2),
        ("x" * (MAX_QUERY_CHARACTERS + 1), MAX_QUERY_CHARACTERS),
        ("(" * (MAX_DEPTH + 1), MAX_DEPTH),
        ("a " * (MAX_NODES + 1), MAX_NODES * 2),
    ],
)
def test_an_error_points_at_the_character(text: str, position: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)

    assert caught.value.position == position
    assert str(caught.value)


@pytest.mark.parametrize("text", ["x:" + "9" * 4_000, "x:1e999", "x:1_000", "x:٣", "x:nan"])
def test_what_is_no_number_is_a_text(text: str) -> None:
    assert parse_query(text) == Equals("x", text[2:])
