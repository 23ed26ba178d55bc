import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.metrics.labels import Matcher, MatchOp
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import Options
from resumatch_monitor.promql.engine import evaluate_instant, evaluate_range
from resumatch_monitor.promql.parse import EXPERIMENTAL_FUNCTIONS, FEATURES, format_query, parse
from resumatch_monitor.promql.value import QueryError, UnsupportedError
from tests.support.memory_store import MemoryStore


def test_adapts_selectors() -> None:
    node = parse('up{job=~"a.*", instance!="b"}[5m] offset 1m @ 100')

    assert node == ast.MatrixSelector(
        ast.VectorSelector(
            (
                Matcher("__name__", MatchOp.EQUAL, "up"),
                Matcher("job", MatchOp.REGEX, "a.*"),
                Matcher("instance", MatchOp.NOT_EQUAL, "b"),
            ),
            offset_ms=60_000,
            at=100_000,
        ),
        range_ms=300_000,
    )


def test_adapts_operators() -> None:
    node = parse("a > bool on(x, y) group_left(z) b")

    assert isinstance(node, ast.Binary)
    assert (node.operator, node.is_bool) == (">", True)
    assert node.matching == ast.Matching(
        ast.Cardinality.MANY_TO_ONE, ("x", "y"), is_on=True, include=("z",)
    )


def test_adapts_aggregations() -> None:
    node = parse("topk(3, (a)) without (x)")

    assert isinstance(node, ast.Aggregation)
    assert (node.operator, node.grouping, node.is_without) == ("topk", ("x",), True)
    assert node.param == ast.NumberLiteral(3)
    assert isinstance(node.expr, ast.VectorSelector)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("a + fill(0) b", "promql-binop-fill-modifiers"),
        ("rate(a[5m] smoothed)", "smoothed"),
        ("rate(a[5m] anchored)", "anchored"),
        ("rate(a[5m * 2])", "promql-duration-expr"),
        ("a offset (1m + 1s)", "promql-duration-expr"),
        ('a{b="c" or d="e"}', "label matchers"),
        ("mad_over_time(a[5m])", "mad_over_time"),
        ("limitk(2, a)", EXPERIMENTAL_FUNCTIONS),
    ],
)
def test_names_what_it_does_not_support(query: str, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        parse(query)


def test_allows_experimental_functions_by_feature() -> None:
    features = frozenset({EXPERIMENTAL_FUNCTIONS})

    assert isinstance(parse("mad_over_time(a[5m])", features=features), ast.Call)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "sum(",
        "a b",
        "rate(a)",
        '{a=""}',
        'a{b=~"("}',
        "1 > 2",
        "no_such_function(a)",
        "a[99999999999y]",
        "a[1e18]",
        "a @ 1e300",
        '"unclosed',
    ],
)
def test_refuses_what_is_not_promql(query: str) -> None:
    with pytest.raises(QueryError):
        parse(query)


def test_formats() -> None:
    assert format_query("sum(rate(a[5m]))by(b)") == "sum by (b) (rate(a[5m]))"


_WORDS = """
a b sum rate topk by on ( ) [5m] [5m:1m] { } a= + - / == bool and or offset 1m @ 0 1 NaN ,
=~ group_left ignoring start() 1e300 -1 label_replace histogram_quantile fill( info( [1+1s] step()
limit_ratio(0.5, "\\xff" -5 1_0 min_of( [range():]
"""
_TOKENS = st.sampled_from(_WORDS.split())


@settings(max_examples=300, deadline=None)
@given(tokens=st.lists(_TOKENS, min_size=1, max_size=12))
def test_any_text_gives_a_value_or_a_query_error(tokens: list[str]) -> None:
    store, query, options = MemoryStore(), " ".join(tokens), Options(features=FEATURES)

    try:
        evaluate_instant(store, query, 1_000_000, options=options)
        evaluate_range(store, query, start_ms=0, end_ms=9, step_ms=3, options=options)
    except QueryError:
        return


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "query",
    [
        "x[" + "a" * 50_000 + ":" * 40_000,
        "x" + " fill" * 19_000,
        "offset" + " " * 90_000 + "!",
        "a" * 100_001,
        "(" * 10_000 + "a" + ")" * 10_000,
        "abs(" * 10_000 + "a" + ")" * 10_000,
        "-" * 90_000 + "a",
        "a" + " + a" * 20_000,
        "a" + "[1m:1m]" * 10_000,
        "{" * 50_000,
        ")" * 90_000,
        "info(a,{" * 10_000,
        "a offset " + "(" * 40_000 + "1" + ")" * 40_000,
        "a[" + "(" * 40_000 + "1" + ")" * 40_000 + "]",
        '"' + "\\xff" * 20_000,
        "1_" * 45_000,
    ],
)
def test_a_query_beyond_all_measure_is_refused_at_once(query: str) -> None:
    with pytest.raises(QueryError):
        parse(query, features=FEATURES)
