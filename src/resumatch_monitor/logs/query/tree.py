"""What a query is, once it has been read."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Everything:
    """Holds for every record."""


@dataclass(frozen=True, slots=True)
class Words:
    """The body or stack trace has these words; one after the other, if it is a phrase.

    Attributes:
        words: As `split_words` makes them, at least one.
        is_phrase: Whether they must adjoin in this order; else all must be there somewhere.
    """

    words: tuple[str, ...]
    is_phrase: bool = True


@dataclass(frozen=True, slots=True)
class Equals:
    """A field has this value; in `message`, its words in order.

    Attributes:
        field: As `resolve_field` returns it, never `message`.
        value: The text that was written; it is compared with numbers and booleans, too.
    """

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A field's value, or a word of the body, fits a pattern of `*` and `?` as a whole."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression (RE2) is found somewhere in a field or the body with its stack trace."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """A field's number lies between two bounds; None is no bound."""

    field: str
    low: float | None = None
    high: float | None = None
    includes_low: bool = True
    includes_high: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """A record has a field."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of these hold; there are at least two."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these holds; there are at least two."""

    nodes: tuple["Node", ...]


Node: TypeAlias = Everything | Words | Equals | Wildcard | Regex | Range | Exists | Not | And | Or


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, as the index has them.

    A word is a run of letters and digits of any script; everything else parts words.
    """
    words: list[str] = []
    start = -1
    for at, character in enumerate(text):
        if character.isalnum():
            if start < 0:
                start = at
        elif start >= 0:
            words.append(text[start:at].lower())
            start = -1
    if start >= 0:
        words.append(text[start:].lower())
    return words
