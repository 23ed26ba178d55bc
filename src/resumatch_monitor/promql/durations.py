"""Duration expressions: arithmetic in place of a range, a step or an offset.

They are worked out before the query is parsed; `step()` and `range()` are known by then.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resumatch_monitor.promql.lexer import Token, TokenKind
from resumatch_monitor.promql.value import QueryError

_LONGEST_MS = 2**63 / 1_000_000
_UNITS_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_SUMS: dict[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: dict[str, Callable[[float, float], float]] = {
    "*": operator.mul,
    "/": lambda dividend, divisor: dividend / divisor,
    "%": math.fmod,
}
_CHOICES: dict[str, Callable[[float, float], float]] = {"min_of": min, "max_of": max}


@dataclass(frozen=True, slots=True)
class QuerySpan:
    """What `step()` and `range()` are in a duration expression, in milliseconds."""

    step_ms: int = 0
    range_ms: int = 0


class NotADurationError(Exception):
    """The tokens are no duration expression."""


def evaluate_duration(tokens: Sequence[Token], span: QuerySpan) -> tuple[int, int]:
    """Return the milliseconds that a duration expression is, and how many tokens it has.

    Raises:
        NotADurationError: If the tokens do not begin with one.
        QueryError: If it divides by zero or is too long.
    """
    reader = _Reader(tokens, span)
    seconds = reader.sum()
    return _to_milliseconds(seconds), reader.position


def evaluate_offset(tokens: Sequence[Token], span: QuerySpan) -> tuple[int, int]:
    """Return as `evaluate_duration` does; outside parentheses only one operand belongs to it."""
    reader = _Reader(tokens, span)
    seconds = reader.signed()
    return _to_milliseconds(seconds), reader.position


def _to_milliseconds(seconds: float) -> int:
    if not math.isfinite(seconds) or abs(seconds) * 1000 >= _LONGEST_MS:
        raise QueryError("parse error: duration out of range")
    return round(seconds * 1000)


class _Reader:
    """Reads one expression by recursive descent."""

    def __init__(self, tokens: Sequence[Token], span: QuerySpan) -> None:
        self._tokens = tokens
        self._span = span
        self.position = 0

    def sum(self) -> float:
        value = self._product()
        while self._peek() in _SUMS:
            value = _SUMS[self._next()](value, self._product())
        return value

    def signed(self) -> float:
        if self._peek() in ("+", "-"):
            return -self.signed() if self._next() == "-" else self.signed()
        return self._operand()

    def _product(self) -> float:
        value = self._power()
        while self._peek() in _PRODUCTS:
            combine = _PRODUCTS[self._next()]
            divisor = self._power()
            try:
                value = combine(value, divisor)
            except (ZeroDivisionError, ValueError):
                raise QueryError("parse error: division by zero in a duration") from None
        return value

    def _power(self) -> float:
        if self._peek() in ("+", "-"):
            return -self._power() if self._next() == "-" else self._power()
        value = self._operand()
        if self._peek() == "^":
            self._next()
            try:
                value = math.pow(value, self._power())
            except (OverflowError, ValueError):
                raise QueryError("parse error: duration out of range") from None
        return value

    def _operand(self) -> float:
        token = self._tokens[self.position] if self.position < len(self._tokens) else None
        if token is None:
            raise NotADurationError
        self.position += 1
        if token.kind is TokenKind.NUMBER:
            return read_seconds(token.text)
        if token.text == "(":
            value = self.sum()
            self._expect(")")
            return value
        return self._call(token.text.lower())

    def _call(self, name: str) -> float:
        self._expect("(")
        if name in ("step", "range"):
            self._expect(")")
            return (self._span.step_ms if name == "step" else self._span.range_ms) / 1000
        if name not in _CHOICES:
            raise NotADurationError
        first = self.sum()
        self._expect(",")
        second = self.sum()
        self._expect(")")
        return _CHOICES[name](first, second)

    def _peek(self) -> str:
        if self.position >= len(self._tokens):
            return ""
        token = self._tokens[self.position]
        return token.text if token.kind is TokenKind.MARK else ""

    def _next(self) -> str:
        text = self._peek()
        self.position += 1
        return text

    def _expect(self, mark: str) -> None:
        if self._next() != mark:
            raise NotADurationError


def read_seconds(text: str) -> float:
    """Read a number of seconds or a duration like `1h30m`.

    Raises:
        NotADurationError: If it is neither.
    """
    bare = text.replace("_", "")
    try:
        if bare[:2].lower() == "0x":
            return float(int(bare, 16))
        if not bare[-1].isalpha():
            return float(bare)
    except ValueError:
        raise NotADurationError from None
    total, digits, unit = 0, "", ""
    for character in f"{bare}0":
        if character.isdigit() and unit:
            total += int(digits) * _UNITS_MS[unit]
            digits, unit = "", ""
        if character.isdigit():
            digits += character
        else:
            unit += character
    return total / 1000
