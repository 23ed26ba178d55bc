"""What an expression compares with what, so that a chart can draw the line and propose another."""

import math
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.promql import ast
from resumatch_monitor.promql.unparse import unparse

_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """A comparison of a series with a number.

    Attributes:
        expr: The side that is a series.
        operator: As if the series stood on the left.
        value: The number.
    """

    expr: str
    operator: str
    value: float


def find_threshold(node: ast.Expr) -> Threshold | None:
    """Return the comparison that decides: the leftmost one; None if there is none."""
    if not isinstance(node, ast.Binary):
        return None
    if node.operator in ("and", "or", "unless"):
        return find_threshold(node.lhs)
    if node.operator not in _COMPARISONS or node.is_bool:
        return None
    right, left = find_constant(node.rhs), find_constant(node.lhs)
    if right is not None and left is None:
        return Threshold(unparse(node.lhs), node.operator, right)
    if left is not None and right is None:
        operator = _TURNED.get(node.operator, node.operator)
        return Threshold(unparse(node.rhs), operator, left)
    return None


def find_constant(node: ast.Expr) -> float | None:
    """Return the number that `node` always is; None if it may be several."""
    match node:
        case ast.NumberLiteral(value):
            return value
        case ast.Negation(expr):
            value = find_constant(expr)
            return None if value is None else -value
        case ast.Binary(operator, lhs, rhs) if operator in _ARITHMETIC:
            left, right = find_constant(lhs), find_constant(rhs)
            if left is None or right is None:
                return None
            return _calculate(operator, left, right)
        case _:
            return None


def _calculate(operator: str, left: float, right: float) -> float | None:
    with np.errstate(all="ignore"):
        a, b = np.float64(left), np.float64(right)
        results = {
            "+": a + b,
            "-": a - b,
            "*": a * b,
            "/": a / b,
            "%": np.fmod(a, b),
            "^": np.power(a, b),
        }
    value = float(results[operator])
    return None if math.isnan(value) else value
