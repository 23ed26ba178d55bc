"""Cuts a template into texts and actions, and an action into tokens."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from resumatch_monitor.rules.template.nodes import TemplateError

LONGEST_TEMPLATE = 64 * 1024


class TokenKind(Enum):
    """What a token of an action is."""

    STRING = auto()
    NUMBER = auto()
    VARIABLE = auto()
    FIELD = auto()
    WORD = auto()
    OPEN = auto()
    CLOSE = auto()
    SIGN = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token of an action."""

    kind: TokenKind
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A text, or the tokens of an action (None for a text)."""

    text: str
    tokens: tuple[Token, ...] | None


_TOKEN = re.compile(
    r"""
    (?P<STRING>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<NUMBER>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<VARIABLE>\$\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<FIELD>(?:\.[A-Za-z_]\w*)+|\.)
    |(?P<WORD>[A-Za-z_]\w*)
    |(?P<OPEN>\()
    |(?P<CLOSE>\)(?:\.[A-Za-z_]\w*)*)
    |(?P<SIGN>:=|=|\||,)
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_OPENING = re.compile(r"\{\{(-(?=\s))?")
_CLOSING = re.compile(r"\s+-\}\}|\s*\}\}")
_COMMENT = re.compile(r"\s*/\*.*?\*/", re.DOTALL)


def split_segments(template: str) -> list[Segment]:
    """Cut `template` into its segments; the trim markers `{{-` and `-}}` are applied.

    Raises:
        TemplateError: If an action is not closed or holds something that is no token.
    """
    if len(template) > LONGEST_TEMPLATE:
        raise TemplateError(f"the template is longer than {LONGEST_TEMPLATE} characters")
    segments: list[Segment] = []
    position = 0
    trims_left = False
    while (opening := _OPENING.search(template, position)) is not None:
        text = template[position : opening.start()]
        text = text.lstrip() if trims_left else text
        segments.append(Segment(text.rstrip() if opening[1] else text, None))
        tokens, position, trims_left = _read_action(template, opening.end())
        if tokens is not None:
            segments.append(Segment("", tokens))
    rest = template[position:]
    segments.append(Segment(rest.lstrip() if trims_left else rest, None))
    return [segment for segment in segments if segment.text or segment.tokens is not None]


def _read_action(template: str, position: int) -> tuple[tuple[Token, ...] | None, int, bool]:
    start = position
    tokens: list[Token] = []
    comment = _COMMENT.match(template, position)
    if comment is not None:
        position = comment.end()
    while (closing := _CLOSING.match(template, position)) is None:
        space = _SPACE.match(template, position)
        position = space.end() if space is not None else position
        match = _TOKEN.match(template, position)
        if position >= len(template) or comment is not None:
            raise TemplateError(f"the action {_excerpt(template, start)} is not closed by }}}}")
        if match is None:
            raise TemplateError(f"unexpected {template[position]!r} in {_excerpt(template, start)}")
        assert match.lastgroup is not None
        tokens.append(Token(TokenKind[match.lastgroup], match[0]))
        position = match.end()
    is_trimmed = "-" in closing[0]
    return (None if comment is not None else tuple(tokens)), closing.end(), is_trimmed


def _excerpt(template: str, start: int) -> str:
    return repr("{{" + template[start : start + 30])
