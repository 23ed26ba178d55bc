"""Where in a query its calls have their arguments; `promql_parser` does not tell.

Calls come in the text in the order of their names, and a syntax tree walked from the top, children
in order, meets them in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resumatch_monitor.promql.lexer import (
    OPENING,
    Token,
    TokenKind,
    find_closing,
    render_position,
)

_NOT_CALLED = frozenset(
    {
        "and",
        "atan2",
        "bool",
        "by",
        "fill",
        "fill_left",
        "fill_right",
        "group_left",
        "group_right",
        "ignoring",
        "offset",
        "on",
        "or",
        "unless",
        "without",
    }
)


@dataclass(frozen=True, slots=True)
class CallPlace:
    """A call or an aggregation.

    Attributes:
        name: As it is written.
        arguments: Where each argument begins, as `line:column`.
    """

    name: str
    arguments: tuple[str, ...]


def find_calls(text: str, tokens: Sequence[Token]) -> Iterator[CallPlace]:
    """Yield the calls in the order of their names."""
    for index, token in enumerate(tokens):
        if token.kind is not TokenKind.NAME:
            continue
        opening = _find_opening(tokens, index)
        if opening is not None:
            arguments = [
                render_position(text, tokens[begin].begin)
                for begin in _find_arguments(tokens, opening)
            ]
            yield CallPlace(token.text, tuple(arguments))


def _is_mark(tokens: Sequence[Token], index: int, text: str) -> bool:
    if index >= len(tokens):
        return False
    return tokens[index].kind is TokenKind.MARK and tokens[index].text == text


def _find_opening(tokens: Sequence[Token], name: int) -> int | None:
    """Return the index of the parenthesis in which the arguments of a call are."""
    following = name + 1
    if _is_mark(tokens, name - 1, "@") and tokens[name].text.lower() in ("start", "end"):
        return None
    if _is_mark(tokens, following, "("):
        return None if tokens[name].text.lower() in _NOT_CALLED else following
    grouping = tokens[following].text.lower() if following < len(tokens) else ""
    if grouping in ("by", "without") and _is_mark(tokens, following + 1, "("):
        after = find_closing(tokens, following + 1) + 1
        return after if _is_mark(tokens, after, "(") else None
    return None


def _find_arguments(tokens: Sequence[Token], opening: int) -> Iterator[int]:
    """Yield the index of each argument's first token, without parentheses around all of it."""
    closing = find_closing(tokens, opening)
    begin = opening + 1
    index = begin
    while index <= closing:
        token = tokens[index]
        if token.kind is TokenKind.MARK:
            if token.text in OPENING:
                index = find_closing(tokens, index)
            elif token.text == "," or index == closing:
                if index > begin:
                    yield _skip_parentheses(tokens, begin, index)
                begin = index + 1
        index += 1


def _skip_parentheses(tokens: Sequence[Token], begin: int, end: int) -> int:
    while _is_mark(tokens, begin, "(") and find_closing(tokens, begin) == end - 1:
        begin, end = begin + 1, end - 1
    return begin
