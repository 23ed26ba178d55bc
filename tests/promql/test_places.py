import pytest

from resumatch_monitor.promql import ast
from resumatch_monitor.promql.lexer import tokenize
from resumatch_monitor.promql.parse import FEATURES, parse
from resumatch_monitor.promql.places import find_calls
from resumatch_monitor.promql.rewrite import rewrite
from resumatch_monitor.promql.value import QueryError


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ("rate(a[5m])", ["rate 1:6"]),
        ("sum by (x) (\n  rate(((a))[5m:]))", ["sum 2:3", "rate 2:8"]),
        ("topk(2, sum(a) by (x))", ["topk 1:6 1:9", "sum 1:13"]),
        ("a + on (x) group_left (y) b", []),
        ("a @ start() offset 5m", []),
        ('{"ä()"} + abs(b)', ["abs 1:16"]),
        ("time()", ["time"]),
        ("f(a, (b), [c, d], g(e))", ["f 1:3 1:7 1:11 1:19", "g 1:21"]),
    ],
)
def test_finds_where_calls_have_their_arguments(query: str, calls: list[str]) -> None:
    found = find_calls(query, tokenize(query))

    assert [" ".join((call.name, *call.arguments)) for call in found] == calls


def test_the_tree_knows_where_arguments_are() -> None:
    node = parse("1 + quantile(0.5, rate(a[5m])) by (b)")

    assert isinstance(node, ast.Binary)
    assert isinstance(node.rhs, ast.Aggregation)
    assert node.rhs.places == ("1:14", "1:19")
    assert isinstance(node.rhs.expr, ast.Call)
    assert node.rhs.expr.place_of(0) == "1:24"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sum(a", "1:4: parse error: unclosed left parenthesis"),
        ("a\n+ b)", '2:4: parse error: unexpected ")"'),
        ("a{b='c]", "1:5: parse error: unterminated quoted string"),
        ("a ? b", "1:3: parse error: unexpected character: '?'"),
        ("a + nope(b)", '1:5: parse error: unknown function with name "nope"'),
    ],
)
def test_errors_say_where(query: str, message: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(query)

    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("query", "rewritten"),
    [
        ('a{b="\\xff"}', 'a{b="�"}'),
        (r'"\303\244\n\\"', r'"ä\n\\"'),
        (r"`\xff`", r"`\xff`"),
        ("1_000_000 + 0xF_F", "1000000 + 0xFF"),
        ("info(a, {})", 'info(a, {__any_info__="1"})'),
        ("info(b(c, {x='y'}))", "info(b(c, {x='y'}))"),
    ],
)
def test_rewrites_what_the_parser_reads_otherwise(query: str, rewritten: str) -> None:
    assert rewrite(query, tokenize(query), None).text == rewritten


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        ("5m * 2", 600_000),
        ("2 ^ 3 ^ 2", 512_000),
        ("-1m + 1h30m", 89 * 60_000),
        ("1h % 7m", 4 * 60_000),
        ("max_of(1m, min_of(1h, 90s))", 90_000),
        ("0x10 + 1.5", 17_500),
    ],
)
def test_works_durations_out(duration: str, milliseconds: int) -> None:
    node = parse(f"a[{duration}]", features=FEATURES)

    assert isinstance(node, ast.MatrixSelector)
    assert node.range_ms == milliseconds


def test_reads_moments_before_1970() -> None:
    node = parse("a @ -1.5")

    assert isinstance(node, ast.VectorSelector)
    assert node.at == -1500
