"""Turns `promql_parser`'s syntax tree into ours."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import cast

import promql_parser as pp

from resumatch_monitor.metrics.labels import METRIC_NAME, Matcher, MatchOp
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.ast import AtEdge, Cardinality
from resumatch_monitor.promql.places import CallPlace
from resumatch_monitor.promql.rewrite import ANY_INFO, Rewritten
from resumatch_monitor.promql.value import QueryError, UnsupportedError

EXPERIMENTAL_FUNCTIONS = "promql-experimental-functions"
"""Prometheus' name for the feature that allows its experimental functions and aggregations."""
FILL_MODIFIERS = "promql-binop-fill-modifiers"

_EXPERIMENTAL = frozenset(
    {
        "double_exponential_smoothing",
        "end",
        "first_over_time",
        "histogram_quantiles",
        "info",
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
_SET_OPERATORS = frozenset({"and", "or", "unless"})
# Prometheus' durations are nanoseconds in 64 bits.
_LONGEST = timedelta(microseconds=2**63 // 1000)


class Adaptor:
    """Turns `promql_parser`'s tree into ours."""

    def __init__(
        self, features: frozenset[str], rewritten: Rewritten, calls: Iterator[CallPlace]
    ) -> None:
        """Adapt one tree.

        Args:
            features: Prometheus' names of the experimental features to allow.
            rewritten: What the stand-ins in the parsed text are.
            calls: Where the calls are, in the order of their names in the text.
        """
        self._features = features
        self._rewritten = rewritten
        self._calls: Iterator[CallPlace] | None = calls

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
        matchers = [
            _adapt_matcher(matcher)
            for matcher in node.matchers.matchers
            if matcher.name != ANY_INFO
        ]
        if node.name is not None:
            matchers.insert(0, Matcher(METRIC_NAME, MatchOp.EQUAL, node.name))
        return ast.VectorSelector(tuple(matchers), self._ms(node.offset), self._at(node.at))

    def _matrix(self, node: pp.MatrixSelector) -> ast.Expr:
        return ast.MatrixSelector(self._selector(node.vector_selector), self._ms(node.range))

    def _subquery(self, node: pp.SubqueryExpr) -> ast.Expr:
        return ast.Subquery(
            self.adapt(node.expr),
            self._ms(node.range),
            self._ms(node.step) if node.step is not None else None,
            self._ms(node.offset),
            self._at(node.at),
        )

    def _call(self, node: pp.Call) -> ast.Expr:
        name = node.func.name
        self._gate(name, "function")
        places = self._places_of(name)
        return ast.Call(name, tuple(self.adapt(argument) for argument in node.args), places)

    def _aggregation(self, node: pp.AggregateExpr) -> ast.Expr:
        operator = str(node.op)
        self._gate(operator, "aggregation")
        modifier = node.modifier
        places = self._places_of(operator)
        # In the order of the text, by which calls find their places.
        param = self.adapt(node.param) if node.param is not None else None
        return ast.Aggregation(
            operator,
            self.adapt(node.expr),
            param,
            tuple(modifier.labels) if modifier is not None else (),
            modifier is not None and modifier.type == pp.AggModifierType.Without,
            places,
        )

    def _binary(self, node: pp.BinaryExpr) -> ast.Expr:
        operator = str(node.op).strip()
        modifier = node.modifier
        matching = _adapt_matching(operator, modifier)
        if (
            matching.fill_left is not None or matching.fill_right is not None
        ) and FILL_MODIFIERS not in self._features:
            raise UnsupportedError(
                f"the fill modifier is experimental: it needs the feature {FILL_MODIFIERS}"
            )
        return ast.Binary(
            operator,
            self.adapt(node.lhs),
            self.adapt(node.rhs),
            matching,
            modifier is not None and modifier.return_bool,
        )

    def _negation(self, node: pp.UnaryExpr) -> ast.Expr:
        return ast.Negation(self.adapt(node.expr))

    def _gate(self, name: str, kind: str) -> None:
        if name in _EXPERIMENTAL and EXPERIMENTAL_FUNCTIONS not in self._features:
            raise UnsupportedError(
                f"the {kind} {name} is experimental: it needs the feature {EXPERIMENTAL_FUNCTIONS}"
            )

    def _places_of(self, name: str) -> tuple[str, ...]:
        """Return where the next call has its arguments, nothing if that is not certain."""
        place = next(self._calls, None) if self._calls is not None else None
        if place is None or place.name.lower() != name.lower():
            self._calls = None
            return ()
        return place.arguments

    def _ms(self, duration: timedelta | None) -> int:
        if duration is None:
            return 0
        milliseconds = round(duration / timedelta(milliseconds=1))
        meant = self._rewritten.durations.get(milliseconds)
        if meant is None and abs(duration) > _LONGEST:
            raise QueryError("parse error: duration out of range")
        return milliseconds if meant is None else meant

    def _at(self, at: pp.AtModifier | None) -> int | AtEdge | None:
        if at is None:
            return None
        if at.type == pp.AtModifierType.Start:
            return AtEdge.START
        if at.type == pp.AtModifierType.End:
            return AtEdge.END
        milliseconds = round(_read_moment(at).timestamp() * 1000)
        return self._rewritten.moments.get(milliseconds, milliseconds)

    _ADAPTORS: "dict[type, Callable[[Adaptor, object], ast.Expr]]" = cast(
        "dict[type, Callable[[Adaptor, object], ast.Expr]]",
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
        modifier.fill_values.lhs,
        modifier.fill_values.rhs,
    )


def _read_moment(at: pp.AtModifier) -> datetime:
    try:
        moment = at.at
    except BaseException as error:
        # The binding panics on a moment before 1970, and a panic is no `Exception`.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise UnsupportedError("@ with a moment so far ahead is not supported") from None
        raise
    assert moment is not None
    return moment
