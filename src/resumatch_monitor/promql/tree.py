"""The syntax tree of a query in the form in which Prometheus' API shows it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import promql_parser as pp

from resumatch_monitor.metrics.labels import METRIC_NAME
from resumatch_monitor.promql.format import format_float
from resumatch_monitor.promql.parse import parse, parse_natively

_SET_OPERATORS = frozenset({"and", "or", "unless"})
Node = dict[str, Any]


def describe(text: str, *, features: frozenset[str] = frozenset()) -> Node:
    """Return the tree of `text`, brackets included, as what JSON is made of.

    Args:
        text: A PromQL expression.
        features: Prometheus' names of the experimental features to allow.

    Raises:
        QueryError: As `parse.parse`.
    """
    parse(text, features=features)
    return _describe(parse_natively(text))


def _describe(node: object) -> Node:
    return _DESCRIBERS[type(node)](node)


def _number(node: pp.NumberLiteral) -> Node:
    return {"type": "numberLiteral", "val": format_float(node.val)}


def _string(node: pp.StringLiteral) -> Node:
    return {"type": "stringLiteral", "val": node.val}


def _bracket(node: pp.ParenExpr) -> Node:
    return {"type": "parenExpr", "expr": _describe(node.expr)}


def _negation(node: pp.UnaryExpr) -> Node:
    return {"type": "unaryExpr", "op": "-", "expr": _describe(node.expr)}


def _selector(node: pp.VectorSelector) -> Node:
    return {"type": "vectorSelector", **_selection(node)}


def _matrix(node: pp.MatrixSelector) -> Node:
    return {
        "type": "matrixSelector",
        "range": _to_ms(node.range),
        **_selection(node.vector_selector),
    }


def _selection(node: pp.VectorSelector) -> Node:
    matchers = [
        {"name": each.name, "value": each.value, "type": _operator_of(each)}
        for each in node.matchers.matchers
    ]
    if node.name is not None:
        matchers.append({"name": METRIC_NAME, "value": node.name, "type": "="})
    return {
        "name": node.name or "",
        "offset": _to_ms(node.offset),
        "matchers": matchers,
        **_moment(node.at),
        "anchored": False,
        "smoothed": False,
    }


def _subquery(node: pp.SubqueryExpr) -> Node:
    return {
        "type": "subquery",
        "expr": _describe(node.expr),
        "range": _to_ms(node.range),
        "offset": _to_ms(node.offset),
        "step": _to_ms(node.step),
        **_moment(node.at),
    }


def _call(node: pp.Call) -> Node:
    function = node.func
    return {
        "type": "call",
        "func": {
            "name": function.name,
            "argTypes": [_name_type(each) for each in function.arg_types],
            "variadic": function.variadic,
            "returnType": _name_type(function.return_type),
        },
        "args": [_describe(argument) for argument in node.args],
    }


def _aggregation(node: pp.AggregateExpr) -> Node:
    modifier = node.modifier
    return {
        "type": "aggregation",
        "op": str(node.op),
        "expr": _describe(node.expr),
        "param": _describe(node.param) if node.param is not None else None,
        "grouping": list(modifier.labels) if modifier is not None else [],
        "without": modifier is not None and modifier.type == pp.AggModifierType.Without,
    }


def _binary(node: pp.BinaryExpr) -> Node:
    operator = str(node.op).strip()
    modifier = node.modifier
    has_vectors = not (_is_scalar(node.lhs) or _is_scalar(node.rhs))
    return {
        "type": "binaryExpr",
        "op": operator,
        "lhs": _describe(node.lhs),
        "rhs": _describe(node.rhs),
        "matching": _matching(operator, modifier) if has_vectors else None,
        "bool": modifier is not None and modifier.return_bool,
    }


def _matching(operator: str, modifier: pp.BinModifier | None) -> Node:
    cardinality = "many-to-many" if operator in _SET_OPERATORS else "one-to-one"
    labels: Sequence[str] = ()
    include: Sequence[str] = ()
    is_on = False
    fill: Node = {"lhs": None, "rhs": None}
    if modifier is not None:
        fill = {"lhs": modifier.fill_values.lhs, "rhs": modifier.fill_values.rhs}
        if modifier.card == pp.VectorMatchCardinality.ManyToOne:
            cardinality = "many-to-one"
        elif modifier.card == pp.VectorMatchCardinality.OneToMany:
            cardinality = "one-to-many"
        include = modifier.group_labels or ()
        if modifier.matching is not None:
            labels = modifier.matching.labels
            is_on = modifier.matching.type == pp.LabelModifierType.Include
    return {
        "card": cardinality,
        "labels": list(labels),
        "on": is_on,
        "include": list(include),
        "fillValues": fill,
    }


def _is_scalar(node: object) -> bool:
    match node:
        case pp.NumberLiteral():
            return True
        case pp.ParenExpr() | pp.UnaryExpr():
            return _is_scalar(node.expr)
        case pp.Call():
            return node.func.return_type == pp.ValueType.Scalar
        case pp.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
        case _:
            return False


def _name_type(kind: pp.ValueType) -> str:
    if kind == pp.ValueType.Scalar:
        return "scalar"
    if kind == pp.ValueType.Matrix:
        return "matrix"
    return "string" if kind == pp.ValueType.String else "vector"


def _operator_of(matcher: pp.Matcher) -> str:
    if matcher.op == pp.MatchOp.Equal:
        return "="
    if matcher.op == pp.MatchOp.NotEqual:
        return "!="
    return "=~" if matcher.op == pp.MatchOp.Re else "!~"


def _moment(at: pp.AtModifier | None) -> Node:
    found: Node = {"timestamp": None, "startOrEnd": None}
    if at is None:
        return found
    if at.type == pp.AtModifierType.Start:
        found["startOrEnd"] = "start"
    elif at.type == pp.AtModifierType.End:
        found["startOrEnd"] = "end"
    elif at.at is not None:
        found["timestamp"] = round(at.at.timestamp() * 1000)
    return found


def _to_ms(duration: timedelta | None) -> int:
    return 0 if duration is None else round(duration / timedelta(milliseconds=1))


_DESCRIBERS = cast(
    "dict[type, Callable[[object], Node]]",
    {
        pp.NumberLiteral: _number,
        pp.StringLiteral: _string,
        pp.ParenExpr: _bracket,
        pp.UnaryExpr: _negation,
        pp.VectorSelector: _selector,
        pp.MatrixSelector: _matrix,
        pp.SubqueryExpr: _subquery,
        pp.Call: _call,
        pp.AggregateExpr: _aggregation,
        pp.BinaryExpr: _binary,
    },
)
