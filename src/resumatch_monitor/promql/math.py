"""Functions of one value at a time: rounding, logarithms, trigonometry, clamping.

Each takes (S, T) values, and (T,) arrays for scalar arguments, and returns (S, T).
"""

from collections.abc import Callable

import numpy as np

from resumatch_monitor.metrics.samples import FloatArray

ELEMENTWISE: dict[str, Callable[[FloatArray], FloatArray]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}


def deg(values: FloatArray) -> FloatArray:
    """Return radians as degrees."""
    return values * 180 / np.pi


def rad(values: FloatArray) -> FloatArray:
    """Return degrees as radians."""
    return values * np.pi / 180


def sgn(values: FloatArray) -> FloatArray:
    """Return 1, -1, or the value itself if it is neither greater nor less than zero."""
    return np.where(values == 0, values, np.sign(values))


ELEMENTWISE["sgn"] = sgn
ELEMENTWISE["deg"] = deg
ELEMENTWISE["rad"] = rad


def round_to(values: FloatArray, nearest: FloatArray) -> FloatArray:
    """Round to the next multiple of `nearest` (T,), halves upwards."""
    # Multiplying by the inverse is what Prometheus does, and is kinder to 0.1 and its like.
    inverse = 1.0 / nearest
    return np.floor(values * inverse + 0.5) / inverse


def greater(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the greater of two values as Go does: +Inf before NaN before numbers, 0 before -0."""
    result = np.where((one == 0) & (other == 0), one + other, np.maximum(one, other))
    return np.where((one == np.inf) | (other == np.inf), np.inf, result)


def lesser(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the lesser of two values as Go does: -Inf before NaN before numbers, -0 before 0."""
    return -greater(-one, -other)


def clamp(values: FloatArray, lowest: FloatArray, highest: FloatArray) -> FloatArray:
    """Limit to between `lowest` (T,) and `highest` (T,)."""
    return greater(lowest, lesser(highest, values))
