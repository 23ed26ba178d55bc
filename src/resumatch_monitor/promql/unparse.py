"""Writes a syntax tree as text again, so that a part of a query can be asked on its own."""

import math
from datetime import timedelta

from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.metrics.labels import escape_label_value
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.ast import AtEdge, Cardinality
from resumatch_monitor.promql.finding import render_selector
from resumatch_monitor.promql.format import format_float, format_seconds

_SET_OPERATORS = frozenset({"and", "or", "unless"})


def unparse(node: ast.Expr) -> str:
    """Return a text that parses to `node`; parentheses stand wherever they may be needed."""
    match node:
        case ast.NumberLiteral(value):
            return format_float(value)
        case ast.StringLiteral(value):
            return f'"{escape_label_value(value)}"'
        case ast.VectorSelector():
            return render_selector(node.matchers) + _shift(node.offset_ms, node.at)
        case ast.MatrixSelector(selector, range_ms):
            shift = _shift(selector.offset_ms, selector.at)
            return f"{render_selector(selector.matchers)}[{_span(range_ms)}]{shift}"
        case ast.Subquery():
            step = "" if node.step_ms is None else _span(node.step_ms)
            span = f"[{_span(node.range_ms)}:{step}]"
            return f"({unparse(node.expr)}){span}{_shift(node.offset_ms, node.at)}"
        case ast.Call(function, args):
            return f"{function}({', '.join(map(unparse, args))})"
        case ast.Aggregation():
            return _aggregation(node)
        case ast.Binary():
            return _binary(node)
        case ast.Negation(expr):
            return f"-{_operand(expr)}"


def _aggregation(node: ast.Aggregation) -> str:
    grouping = ""
    if node.grouping or node.is_without:
        grouping = f" {'without' if node.is_without else 'by'} ({', '.join(node.grouping)}) "
    inner = unparse(node.expr)
    if node.param is not None:
        inner = f"{unparse(node.param)}, {inner}"
    return f"{node.operator}{grouping}({inner})"


def _binary(node: ast.Binary) -> str:
    operator = f"{node.operator} bool" if node.is_bool else node.operator
    return f"{_operand(node.lhs)} {operator}{_matching(node)} {_operand(node.rhs)}"


def _matching(node: ast.Binary) -> str:
    matching = node.matching
    text = ""
    if matching.is_on or matching.labels:
        text += f" {'on' if matching.is_on else 'ignoring'} ({', '.join(matching.labels)})"
    if matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY):
        side = "left" if matching.cardinality is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} ({', '.join(matching.include)})"
    for side, value in (("left", matching.fill_left), ("right", matching.fill_right)):
        if value is not None:
            text += f" fill_{side} ({format_float(value)})"
    return text


def _operand(node: ast.Expr) -> str:
    is_negative = isinstance(node, ast.NumberLiteral) and math.copysign(1, node.value) < 0
    if is_negative or isinstance(node, ast.Binary | ast.Negation):
        return f"({unparse(node)})"
    return unparse(node)


def _shift(offset_ms: int, at: int | AtEdge | None) -> str:
    text = ""
    if at is not None:
        text += f" @ {at.value if isinstance(at, AtEdge) else format_seconds(at)}"
    if offset_ms:
        text += f" offset {_span(offset_ms)}"
    return text


def _span(milliseconds: int) -> str:
    return format_duration(timedelta(milliseconds=milliseconds))
