"""What a search says of the values of tags and releases, as conditions on a column."""

from typing import Any

from sqlalchemy import ColumnElement, Float, and_, cast, func, not_, or_

from resumatch_monitor.errortracking.search.fields import get_field
from resumatch_monitor.errortracking.search.query import Filter, Operator, Pattern
from resumatch_monitor.errortracking.search.values import parse_number

_NUMBER = r"[0-9]*"
_NOT_NUMBER = r"*[^0-9.]*"


def has_tag(node: Filter) -> bool:
    """Return whether a filter is about tags."""
    return node.key.is_tag or bool(get_field(node.key.name).tags)


def tag_keys(node: Filter) -> list[str]:
    """Return the tags that a filter is about."""
    return [node.key.name] if node.key.is_tag else list(get_field(node.key.name).tags)


def value_condition(column: ColumnElement[str], node: Filter) -> ColumnElement[bool]:
    """Return the condition on a tag's value that a filter is for."""
    if node.operator is Operator.EQUAL:
        return exact_condition(column, node.values)
    digits = func.ltrim(column, "-")
    return and_(
        digits.op("GLOB")(_NUMBER),
        not_(digits.op("GLOB")(_NOT_NUMBER)),
        compare(cast(column, Float), node.operator, number_of(node.values[0])),
    )


def exact_condition(column: ColumnElement[str], values: tuple[Pattern, ...]) -> ColumnElement[bool]:
    """Return the condition that one of the patterns is all of the column, letter by letter."""
    plain = [value.text for value in values if not value.has_wildcards]
    globs = [column.op("GLOB")(_glob(value)) for value in values if value.has_wildcards]
    if not plain:
        return or_(*globs)
    equal = column == plain[0] if len(plain) == 1 else column.in_(plain)
    return or_(equal, *globs) if globs else equal


def compare(column: ColumnElement[Any], operator: Operator, number: float) -> ColumnElement[bool]:
    """Return the condition that a column compares with a number."""
    match operator:
        case Operator.GREATER:
            return column > number
        case Operator.GREATER_OR_EQUAL:
            return column >= number
        case Operator.LESS:
            return column < number
        case Operator.LESS_OR_EQUAL:
            return column <= number
        case Operator.EQUAL:
            return column == number


def number_of(value: Pattern) -> float:
    """Return the number that a value is; 0 if it is none."""
    number = parse_number(value.text)
    return 0.0 if number is None else number


def _glob(pattern: Pattern) -> str:
    return "*".join(
        part.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for part in pattern.parts
    )
