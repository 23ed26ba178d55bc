"""Cuts the text of a query into tokens that know where they stand.

It accepts more than PromQL: what a token may stand for is the parser's business.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from resumatch_monitor.promql.value import QueryError

OPENING = {"(": ")", "[": "]", "{": "}"}
_NAMES = {"(": "parenthesis", "[": "bracket", "{": "brace"}

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<number>0[xX][0-9a-fA-F_]+
        |(?:\d[\d_]*(?:ms|[smhdwy]))+
        |(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d][\w:]*|:[\w:]+)
    |(?P<mark>==|!=|=~|!~|<=|>=|</|>/|[-+*/%^=<>(){}\[\],:@])""",
    re.VERBOSE | re.ASCII,
)


class TokenKind(StrEnum):
    """What a token looks like."""

    STRING = "string"
    NUMBER = "number"
    NAME = "name"
    MARK = "mark"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text that has a meaning of its own; durations are numbers."""

    kind: TokenKind
    text: str
    begin: int

    @property
    def end(self) -> int:
        """Where the next character stands."""
        return self.begin + len(self.text)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`; spaces and comments are left out.

    Raises:
        QueryError: If something is no token, a string has no end, or brackets do not pair.
    """
    tokens: list[Token] = []
    position = 0
    is_range = False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise QueryError(_complain_of_character(text, position))
        kind, piece = match.lastgroup, match[0]
        if kind == "name" and is_range and piece.startswith(":"):
            # A name may begin with a colon, but not where one divides a range from a step.
            kind, piece = "mark", ":"
        if kind == "mark" and piece in "[]":
            is_range = piece == "["
        if kind != "space":
            tokens.append(Token(TokenKind(str(kind)), piece, position))
        position += len(piece)
    _check_brackets(text, tokens)
    return tokens


def _complain_of_character(text: str, position: int) -> str:
    where = render_position(text, position)
    if text[position] in "\"'`":
        return f"{where}: parse error: unterminated quoted string"
    return f"{where}: parse error: unexpected character: {text[position]!r}"


def _check_brackets(text: str, tokens: Sequence[Token]) -> None:
    open_: list[Token] = []
    for token in tokens:
        if token.kind is not TokenKind.MARK:
            continue
        if token.text in OPENING:
            open_.append(token)
        elif token.text in OPENING.values() and (
            not open_ or OPENING[open_.pop().text] != token.text
        ):
            where = render_position(text, token.begin)
            raise QueryError(f'{where}: parse error: unexpected "{token.text}"')
    if open_:
        where = render_position(text, open_[-1].begin)
        raise QueryError(f"{where}: parse error: unclosed left {_NAMES[open_[-1].text]}")


def render_position(text: str, position: int) -> str:
    """Render as Prometheus does: line and column, both from 1, in bytes."""
    line = text.count("\n", 0, position) + 1
    begin = text.rfind("\n", 0, position) + 1
    return f"{line}:{len(text[begin:position].encode(errors='replace')) + 1}"


def find_closing(tokens: Sequence[Token], opening: int) -> int:
    """Return the index of the bracket that closes the one at index `opening`."""
    depth = 0
    for index in range(opening, len(tokens)):
        text = tokens[index].text if tokens[index].kind is TokenKind.MARK else ""
        if text in OPENING:
            depth += 1
        elif text in OPENING.values():
            depth -= 1
            if not depth:
                return index
    raise AssertionError("the brackets pair")
