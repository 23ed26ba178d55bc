"""What a search says, as a tree."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """How a value is compared."""

    EQUAL = ""
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with wildcards: any text stands between two of its parts.

    Attributes:
        parts: At least one; a text without wildcards has exactly one.
        position: Where it begins in the query.
    """

    parts: tuple[str, ...]
    position: int = field(default=0, compare=False)

    @property
    def has_wildcards(self) -> bool:
        """Whether it stands for more than one text."""
        return len(self.parts) > 1

    @property
    def text(self) -> str:
        """The text, if it has no wildcards; else with a star for each."""
        return "*".join(self.parts)


@dataclass(frozen=True, slots=True)
class Key:
    """What is compared: a field by its name, or a tag."""

    name: str
    is_tag: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text that the title, the culprit or the message has somewhere, whatever its case."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Filter:
    """A key with the values of which one must match.

    Attributes:
        values: One, unless they came in brackets.
        position: Where the key begins in the query.
    """

    key: Key
    operator: Operator
    values: tuple[Pattern, ...]
    is_list: bool = False
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Has:
    """Whether there is any value."""

    key: Key
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two; none of them is an `And`."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of at least two; none of them is an `Or`."""

    nodes: tuple["Node", ...]


Node: TypeAlias = Text | Filter | Has | Not | And | Or


class QuerySyntaxError(ValueError):
    """The query cannot be read.

    Attributes:
        position: The first character that is wrong, from 0; the query's length for its end.
        expected: What could stand there.
    """

    def __init__(self, message: str, position: int, expected: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.position = position
        self.expected = expected


def leaves(node: Node) -> Iterator[Text | Filter | Has]:
    """Return the conditions of a query, from left to right."""
    match node:
        case Not(inner):
            yield from leaves(inner)
        case And(nodes) | Or(nodes):
            for each in nodes:
                yield from leaves(each)
        case _:
            yield node
