"""What an operand has to be for an operation to have some value."""

import math
from collections.abc import Callable

COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">="})
INVERSES: dict[str, Callable[[float], float]] = {
    "exp": lambda y: math.log(y),
    "ln": lambda y: math.exp(min(y, 700.0)),
    "log2": lambda y: 2.0 ** min(y, 1000.0),
    "log10": lambda y: 10.0 ** min(y, 300.0),
    "sqrt": lambda y: y * y,
    "sgn": lambda y: y,
    "deg": lambda y: math.radians(y),
    "rad": lambda y: math.degrees(y),
}
_WHOLE = 100.0
"""What stands below in a fraction, so that there is something to divide by."""


class UnsolvableError(Exception):
    """It is not known how data would make this part of the expression hold."""


def solve_left(operator: str, right: float, target: float) -> float:
    """Return the x of `x <operator> right = target`."""
    try:
        match operator:
            case "+":
                return target - right
            case "-":
                return target + right
            case "*":
                return target / right
            case "/":
                return target * right
            case "^" if target >= 0:
                return target ** (1 / right)
            case "%":
                return target
            case _:
                raise UnsolvableError
    except (ZeroDivisionError, OverflowError, TypeError):
        raise UnsolvableError from None


def solve_right(operator: str, left: float, target: float) -> float:
    """Return the x of `left <operator> x = target`."""
    try:
        match operator:
            case "+":
                return target - left
            case "-":
                return left - target
            case "*":
                return target / left
            case "/":
                return left / target
            case "^":
                return math.log(target) / math.log(left)
            case _:
                raise UnsolvableError
    except (ZeroDivisionError, ValueError, OverflowError):
        raise UnsolvableError from None


def split(operator: str, target: float, attempt: int) -> tuple[float, float]:
    """Return values of both sides of an operator that have the value `target` together."""
    match operator:
        case "+":
            return target, 0.0
        case "-":
            # Where the left side stands in a fraction as well, nothing may be left on the right.
            return (target, 0.0) if attempt == 0 else (target + _WHOLE, _WHOLE)
        case "*":
            return target, 1.0
        case "/":
            return target * _WHOLE, _WHOLE
        case "^":
            return target, 1.0
        case _:
            raise UnsolvableError


def turn(operator: str) -> str:
    """Return the comparison that holds when its sides change places."""
    return {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)


def holds(operator: str, left: float, right: float) -> bool:
    """Tell whether a comparison holds."""
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right
