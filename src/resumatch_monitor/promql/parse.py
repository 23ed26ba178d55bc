"""Turns the text of a query into our own syntax tree. Beside `tree`, nothing knows `promql_parser`.

`promql_parser` is native code with recursion of its own: a query of many thousand nested
parentheses ends the whole process. So the text is measured before it is parsed.
"""

import functools
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

import promql_parser as pp

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.metrics.labels import METRIC_NAME, Matcher, MatchOp
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.ast import AtEdge, Cardinality
from resumatch_monitor.promql.value import QueryError, QueryTooLongError, UnsupportedError

EXPERIMENTAL_FUNCTIONS = "promql-experimental-functions"
"""Prometheus' name for the feature that allows its experimental functions and aggregations."""

MAX_QUERY_BYTES = 100_000
MAX_OPERATORS = 250
"""Operators and opening brackets together; the evaluator needs three frames for each."""
MAX_NESTING = 60

_EXPERIMENTAL = frozenset(
    {
        "double_exponential_smoothing",
        "end",
        "first_over_time",
        "histogram_quantiles",
        "limit_ratio",
        "limitk",
        "mad_over_time",
        "max_of",
        "min_of",
        "range",
        "sort_by_label",
        "sort_by_label_desc",
        "start",
        "step",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
        "ts_of_max_over_time",
        "ts_of_min_over_time",
    }
)
# Syntax that `promql_parser` refuses and Prometheus has behind a feature flag, by its first token.
_UNPARSED_SYNTAX = (
    (Regex(r"\b(?:anchored|smoothed)\b"), "an anchored or smoothed range selector"),
    (Regex(r"\bfill(?:_left|_right)?\s*\("), "the fill modifier"),
    (Regex(r"<\s*/|>\s*/"), "the histogram trim operator"),
    (Regex(r"[\[:]\s*(?:[^\]\"]*[-+*/^%(])"), "a duration expression"),
    (Regex(r"\boffset\s*-?\s*(?:\(|step\b|range\b|min\b|max\b)"), "a duration expression"),
)
_STRINGS_AND_COMMENTS = re.compile(
    r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'" + r"|`[^`]*`" + r"|#[^\n]*"
)
_OPERATORS = re.compile(
    r"[-+*/%^]|==|!=|<=|>=|<|>|\b(?:and|or|unless|atan2)\b|\(|\[", re.IGNORECASE
)
_SET_OPERATORS = frozenset({"and", "or", "unless"})


def parse(text: str, *, features: frozenset[str] = frozenset()) -> ast.Expr:
    """Parse `text`.

    Args:
        text: A PromQL expression.
        features: Prometheus' names of the experimental features to allow.

    Raises:
        QueryError: If it is not well-formed or its types do not fit.
        UnsupportedError: If it uses something that this engine does not have, named in the message.
        QueryTooLongError: If it is too long or too deeply nested.
    """
    _check_size(text)
    return _parse_checked(text, features)


@functools.lru_cache(maxsize=256)
def _parse_checked(text: str, features: frozenset[str]) -> ast.Expr:
    try:
        return _Adaptor(features).adapt(_parse_natively(text))
    except (OverflowError, ValueError):
        raise QueryError("parse error: a duration or a moment is too far away") from None
    except BaseException as error:
        # The native code panics on some numbers, and a panic is no `Exception`.
        if type(error).__name__ == "PanicException":
            raise QueryError("parse error: the query cannot be understood") from None
        raise


def format_query(text: str) -> str:
    """Render `text` as `promql_parser` lays out queries.

    Raises:
        QueryError: As `parse`.
    """
    _check_size(text)
    return _parse_natively(text).prettify()


def parse_natively(text: str) -> pp.Expr:
    """Return the tree of `promql_parser` itself, brackets included, for `tree` alone.

    Raises:
        QueryError: As `parse`.
    """
    _check_size(text)
    return _parse_natively(text)


def _check_size(text: str) -> None:
    if len(text.encode()) > MAX_QUERY_BYTES:
        raise QueryTooLongError(f"the query is longer than {MAX_QUERY_BYTES:,} bytes")
    if not text.strip():
        raise QueryError("parse error: no expression found in input")
    bare = _STRINGS_AND_COMMENTS.sub('""', text)
    if sum(1 for _ in _OPERATORS.finditer(bare)) > MAX_OPERATORS:
        raise QueryTooLongError(f"the query has more than {MAX_OPERATORS} operators and brackets")
    depth = 0
    for character in bare:
        if character in "([{":
            depth += 1
            if depth > MAX_NESTING:
                raise QueryTooLongError(f"the query is nested more than {MAX_NESTING} levels deep")
        elif character in ")]}":
            depth -= 1


def _parse_natively(text: str) -> pp.Expr:
    try:
        return pp.parse(text)
    except ValueError as error:
        bare = _STRINGS_AND_COMMENTS.sub('""', text)
        for pattern, name in _UNPARSED_SYNTAX:
            if pattern.searches(bare):
                raise UnsupportedError(f"{name} is not supported") from None
        raise QueryError(f"parse error: {error}") from None


class _Adaptor:
    """Turns `promql_parser`'s tree into ours."""

    def __init__(self, features: frozenset[str]) -> None:
        self._features = features

    def adapt(self, node: object) -> ast.Expr:
        while isinstance(node, pp.ParenExpr):
            node = node.expr
        adapt = self._ADAPTORS.get(type(node))
        if adapt is None:
            raise UnsupportedError(f"{type(node).__name__} is not supported")
        return adapt(self, node)

    def _number(self, node: pp.NumberLiteral) -> ast.Expr:
        return ast.NumberLiteral(node.val)

    def _string(self, node: pp.StringLiteral) -> ast.Expr:
        return ast.StringLiteral(node.val)

    def _selector(self, node: pp.VectorSelector) -> ast.VectorSelector:
        if node.matchers.or_matchers:
            raise UnsupportedError("'or' between label matchers is not supported")
        matchers = [_adapt_matcher(matcher) for matcher in node.matchers.matchers]
        if node.name is not None:
            matchers.insert(0, Matcher(METRIC_NAME, MatchOp.EQUAL, node.name))
        return ast.VectorSelector(tuple(matchers), _to_ms(node.offset), _adapt_at(node.at))

    def _matrix(self, node: pp.MatrixSelector) -> ast.Expr:
        return ast.MatrixSelector(self._selector(node.vector_selector), _to_ms(node.range))

    def _subquery(self, node: pp.SubqueryExpr) -> ast.Expr:
        return ast.Subquery(
            self.adapt(node.expr),
            _to_ms(node.range),
            _to_ms(node.step) if node.step is not None else None,
            _to_ms(node.offset),
            _adapt_at(node.at),
        )

    def _call(self, node: pp.Call) -> ast.Expr:
        name = node.func.name
        self._gate(name, "function")
        return ast.Call(name, tuple(self.adapt(argument) for argument in node.args))

    def _aggregation(self, node: pp.AggregateExpr) -> ast.Expr:
        operator = str(node.op)
        self._gate(operator, "aggregation")
        modifier = node.modifier
        return ast.Aggregation(
            operator,
            self.adapt(node.expr),
            self.adapt(node.param) if node.param is not None else None,
            tuple(modifier.labels) if modifier is not None else (),
            modifier is not None and modifier.type == pp.AggModifierType.Without,
        )

    def _binary(self, node: pp.BinaryExpr) -> ast.Expr:
        operator = str(node.op).strip()
        modifier = node.modifier
        if modifier is not None and (
            modifier.fill_values.lhs is not None or modifier.fill_values.rhs is not None
        ):
            raise UnsupportedError("the fill modifier is not supported")
        return ast.Binary(
            operator,
            self.adapt(node.lhs),
            self.adapt(node.rhs),
            _adapt_matching(operator, modifier),
            modifier is not None and modifier.return_bool,
        )

    def _negation(self, node: pp.UnaryExpr) -> ast.Expr:
        return ast.Negation(self.adapt(node.expr))

    def _gate(self, name: str, kind: str) -> None:
        if name in _EXPERIMENTAL and EXPERIMENTAL_FUNCTIONS not in self._features:
            raise UnsupportedError(
                f"the {kind} {name} is experimental: it needs the feature {EXPERIMENTAL_FUNCTIONS}"
            )

    _ADAPTORS: "dict[type, Callable[[_Adaptor, object], ast.Expr]]" = cast(
        "dict[type, Callable[[_Adaptor, object], ast.Expr]]",
        {
            pp.NumberLiteral: _number,
            pp.StringLiteral: _string,
            pp.VectorSelector: _selector,
            pp.MatrixSelector: _matrix,
            pp.SubqueryExpr: _subquery,
            pp.Call: _call,
            pp.AggregateExpr: _aggregation,
            pp.BinaryExpr: _binary,
            pp.UnaryExpr: _negation,
        },
    )


def _adapt_matcher(matcher: pp.Matcher) -> Matcher:
    if matcher.op == pp.MatchOp.Equal:
        op = MatchOp.EQUAL
    elif matcher.op == pp.MatchOp.NotEqual:
        op = MatchOp.NOT_EQUAL
    elif matcher.op == pp.MatchOp.Re:
        op = MatchOp.REGEX
    else:
        op = MatchOp.NOT_REGEX
    try:
        return Matcher(matcher.name, op, matcher.value)
    except ValueError as error:
        raise QueryError(f"parse error: {error}") from None


def _adapt_matching(operator: str, modifier: pp.BinModifier | None) -> ast.Matching:
    default = Cardinality.MANY_TO_MANY if operator in _SET_OPERATORS else Cardinality.ONE_TO_ONE
    if modifier is None:
        return ast.Matching(default)
    cardinality = default
    if modifier.card == pp.VectorMatchCardinality.ManyToOne:
        cardinality = Cardinality.MANY_TO_ONE
    elif modifier.card == pp.VectorMatchCardinality.OneToMany:
        cardinality = Cardinality.ONE_TO_MANY
    matching = modifier.matching
    return ast.Matching(
        cardinality,
        tuple(matching.labels) if matching is not None else (),
        matching is not None and matching.type == pp.LabelModifierType.Include,
        tuple(modifier.group_labels or ()),
    )


def _adapt_at(at: pp.AtModifier | None) -> int | AtEdge | None:
    if at is None:
        return None
    if at.type == pp.AtModifierType.Start:
        return AtEdge.START
    if at.type == pp.AtModifierType.End:
        return AtEdge.END
    moment = _read_moment(at)
    return round(moment.timestamp() * 1000)


def _read_moment(at: pp.AtModifier) -> datetime:
    try:
        moment = at.at
    except BaseException as error:
        # The binding panics on a moment before 1970, and a panic is no `Exception`.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise UnsupportedError(
                "@ with a moment before 1970 or so far ahead is not supported"
            ) from None
        raise
    assert moment is not None
    return moment


def _to_ms(duration: timedelta | None) -> int:
    return 0 if duration is None else round(duration / timedelta(milliseconds=1))
