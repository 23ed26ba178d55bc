"""Reading searches and writing them back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.errortracking.search.fields import FIELDS, Kind
from resumatch_monitor.errortracking.search.parser import (
    LONGEST_QUERY,
    parse_event_filter,
    parse_query,
)
from resumatch_monitor.errortracking.search.query import (
    And,
    Filter,
    Has,
    Key,
    Node,
    Not,
    Operator,
    Or,
    Pattern,
    QuerySyntaxError,
    Text,
)
from resumatch_monitor.errortracking.search.render import render_query


def word(*parts: str) -> Text:
    return Text(Pattern(parts))


def field(name: str, *values: str, operator: Operator = Operator.EQUAL) -> Filter:
    patterns = tuple(Pattern(tuple(value.split("*"))) for value in values)
    return Filter(Key(name, is_tag=False), operator, patterns, is_list=len(values) > 1)


def tag(name: str, *values: str, operator: Operator = Operator.EQUAL) -> Filter:
    return Filter(
        Key(name, is_tag=True), operator, field(name, *values).values, is_list=len(values) > 1
    )


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("is:unresolved", field("is", "unresolved")),
        ("release:web@9", field("release", "web@9")),
        ("IS:unresolved", field("is", "unresolved")),
        ("times_seen:>100", field("timesSeen", "100", operator=Operator.GREATER)),
        ("http.status:>=499", field("http.status", "499", operator=Operator.GREATER_OR_EQUAL)),
        ("firstSeen:-24h", field("firstSeen", "-24h")),
        (
            "lastSeen:>2026-01-31T10:00:00Z",
            field("lastSeen", "2026-01-31T10:00:00Z", operator=Operator.GREATER),
        ),
        ("user.email:ada@example.org", field("user.email", "ada@example.org")),
        ('browser:"Safari 11*"', tag("browser", "Safari 11*")),
        ("shard:>7", tag("shard", "7", operator=Operator.GREATER)),
        ('shard:">7"', tag("shard", ">7")),
        ("release:[12.0, 13.0]", field("release", "12.0", "13.0")),
        ("tags[level]:high", tag("level", "high")),
        ("has:plan", Has(Key("plan", is_tag=True))),
        ("!has:release", Not(Has(Key("release", is_tag=False)))),
        ("!!has:plan", Has(Key("plan", is_tag=True))),
        ("example error", And((word("example"), word("error")))),
        ('"example error"', word("example error")),
        ("Time*out", word("Time", "out")),
        (r"100\*", word("100*")),
        ("a AND b OR c", Or((And((word("a"), word("b"))), word("c")))),
        ("a AND (b OR c)", And((word("a"), Or((word("b"), word("c")))))),
        ("!(a b)", Not(And((word("a"), word("b"))))),
        ("charge() failed", And((word("charge()"), word("failed")))),
        ("(charge())", word("charge()")),
        ("TypeError: x", And((word("TypeError:"), word("x")))),
        ("http://example.org/a", word("http://example.org/a")),
        ("std::move", word("std::move")),
        ("ORDER ANDES", And((word("ORDER"), word("ANDES")))),
    ],
)
def test_reads(text: str, node: Node) -> None:
    assert parse_query(text) == node


def test_reads_nothing_as_nothing() -> None:
    assert parse_query("") is None
    assert parse_query("  \t") is None


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("is:", 3, "wants a value"),
        ("is:open", 3, "never 'open'"),
        ("x is:un*", 5, "never"),
        ("timesSeen:many", 10, "wants a number"),
        ("timesSeen:>", 11, "wants a value"),
        ("firstSeen:yesterday", 10, "wants a time"),
        ("firstSeen:>-24h", 11, "wants a time"),
        ("release:>2", 9, "not compared"),
        ("shard:>x", 7, "Only numbers"),
        ("a (b OR", 7, "missing"),
        ("a (b", 2, "never closed"),
        ("a) b", 1, "closes no group"),
        ("a OR", 4, "missing"),
        ("OR a", 0, "missing"),
        ("()", 1, "nothing in it"),
        ('release:"web', 8, "quotation mark"),
        ("release:[a, b", 8, "never closed"),
        ("release:[a,,b]", 11, "missing"),
        ("release:[]", 9, "missing"),
        ('release:["a" b]', 13, "go on"),
        ("level:[error, bad]", 14, "never 'bad'"),
        ("a !", 3, "nothing after"),
        ("has:", 4, "wants a key"),
        ("has:message", 4, "Every issue"),
        ("a stack.filename:x.py", 2, "culprit:"),
        ("a\x00b", 1, "No text"),
    ],
)
def test_points_at_what_is_wrong(text: str, position: int, message: str) -> None:
    with pytest.raises(QuerySyntaxError, match=message) as raised:
        parse_query(text)

    assert raised.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "a" * (LONGEST_QUERY + 1),
        "a " * 51,
        "(" * 11 + "a" + ")" * 11,
        "!" * 12 + "a",
        "x:[" + "a," * 100 + "a]",
        "a*b*" * 11,
    ],
)
def test_is_bounded(text: str) -> None:
    with pytest.raises(QuerySyntaxError, match="at most"):
        parse_query(text)


def test_a_filter_of_events_refuses_what_only_issues_tell() -> None:
    assert parse_event_filter("level:error shard:>7 timeout") is not None
    with pytest.raises(QuerySyntaxError, match="about issues") as raised:
        parse_event_filter("level:error (a OR timesSeen:>5)")

    assert raised.value.position == 18


_VALUES = {
    Kind.NUMBER: st.sampled_from(["0", "100", "5k", "-1", "1.5"]),
    Kind.TIME: st.sampled_from(["-24h", "+2w", "2026-01-31", "2026-01-31T10:00:00Z"]),
    Kind.FLAG: st.sampled_from(["true", "false"]),
}
_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\n\x00"), min_size=1, max_size=8)


def _squeeze(parts: list[str]) -> Pattern:
    """Return what a reader makes of it: stars beside each other are one."""
    inner = [part for part in parts[1:-1] if part]
    return Pattern((parts[0], *inner, parts[-1]) if len(parts) > 1 else tuple(parts))


_PATTERNS = st.one_of(
    _TEXTS.map(lambda text: Pattern((text,))),
    st.lists(_TEXTS | st.just(""), min_size=2, max_size=3).map(_squeeze),
)


@st.composite
def filters(draw: st.DrawFn) -> Node:
    if draw(st.booleans()):
        name = draw(st.text("abz09_.-[ ", min_size=1, max_size=6) | st.sampled_from(["is", "has"]))
        return Filter(Key(name, is_tag=True), Operator.EQUAL, (draw(_PATTERNS),))
    found = draw(st.sampled_from(FIELDS))
    values = (
        st.sampled_from(found.choices) if found.kind is Kind.CHOICE else _VALUES.get(found.kind)
    )
    is_list = draw(st.booleans())
    if found.name.startswith("user."):
        values = _TEXTS
    patterns = _PATTERNS if values is None else values.map(lambda value: Pattern((value,)))
    drawn = draw(st.lists(patterns, min_size=1, max_size=3 if is_list else 1))
    return Filter(Key(found.name, is_tag=False), Operator.EQUAL, tuple(drawn), is_list)


def _compound(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        inner.filter(lambda node: not isinstance(node, Not)).map(Not),
        several.filter(lambda nodes: not any(isinstance(each, And) for each in nodes)).map(And),
        several.filter(lambda nodes: not any(isinstance(each, Or) for each in nodes)).map(Or),
    )


_NODES = st.recursive(_PATTERNS.map(Text) | filters(), _compound, max_leaves=5)


def read_or_refuse(text: str) -> tuple[Node | None, QuerySyntaxError | None]:
    try:
        return parse_query(text), None
    except QuerySyntaxError as error:
        return None, error


@settings(max_examples=300, deadline=None)
@given(_NODES)
def test_what_is_written_back_reads_the_same(node: Node) -> None:
    text = render_query(node)
    read, problem = read_or_refuse(text)
    assert read == node or (problem is not None and "at most" in str(problem)), text


@settings(max_examples=500, deadline=None)
@given(st.text('isa:![]()"\\*<>=,.@0 \nORANDtgh-#\x00é') | st.text())
def test_whatever_it_is_it_is_read_or_refused_with_a_place(text: str) -> None:
    node, problem = read_or_refuse(text)
    assert problem is None or 0 <= problem.position <= len(text)
    if node is not None:
        assert parse_query(render_query(node)) == node
