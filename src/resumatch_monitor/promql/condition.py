"""The comparison that decides whether an alerting expression has a result."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import promql_parser as pp

from resumatch_monitor.promql.parse import parse_natively

_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_SET_OPERATORS = frozenset({"and", "or", "unless"})
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "^": math.pow,
    "%": math.fmod,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What is compared with what.

    Attributes:
        expr: The side that varies, as a query; the whole expression if nothing is compared.
        operator: As seen from `expr`; empty if nothing is compared with a number.
        threshold: The number; None if there is none.
    """

    expr: str
    operator: str = ""
    threshold: float | None = None


def find_condition(text: str) -> Condition:
    """Return the first comparison with a number in `text` that filters its result.

    Raises:
        QueryError: If `text` is not a query.
    """
    return _find(parse_natively(text)) or Condition(text)


def _find(node: pp.Expr) -> Condition | None:
    if isinstance(node, pp.ParenExpr):
        return _find(node.expr)
    if not isinstance(node, pp.BinaryExpr):
        return None
    word = str(node.op)
    if word in _SET_OPERATORS:
        return _find(node.lhs) or (None if word == "unless" else _find(node.rhs))
    if word not in _FLIPPED or (node.modifier is not None and node.modifier.return_bool):
        return None
    right, left = _fold(node.rhs), _fold(node.lhs)
    if right is not None and left is None:
        return Condition(node.lhs.prettify(), word, right)
    if left is not None and right is None:
        return Condition(node.rhs.prettify(), _FLIPPED[word], left)
    return None


def _fold(node: pp.Expr) -> float | None:
    """Return the value of arithmetic on numbers."""
    if isinstance(node, pp.NumberLiteral):
        return node.val
    if isinstance(node, pp.ParenExpr):
        return _fold(node.expr)
    if isinstance(node, pp.UnaryExpr):
        value = _fold(node.expr)
        return None if value is None else -value
    if isinstance(node, pp.BinaryExpr) and str(node.op) in _ARITHMETIC:
        left, right = _fold(node.lhs), _fold(node.rhs)
        if left is None or right is None:
            return None
        try:
            return _ARITHMETIC[str(node.op)](left, right)
        except (ArithmeticError, ValueError):
            return None
    return None
