"""Rewrites what `promql_parser` does not know, or reads otherwise, into what it does."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from resumatch_monitor.promql.durations import (
    NotADurationError,
    QuerySpan,
    evaluate_duration,
    evaluate_offset,
    read_seconds,
)
from resumatch_monitor.promql.lexer import Token, TokenKind, find_closing
from resumatch_monitor.promql.value import QueryError

ANY_INFO = "__any_info__"
"""A matcher's label that only says: this selector may be empty. It selects nothing."""

_DAY_MS = 86_400_000
# Neither can be meant: Prometheus' durations end at 292 years, and the year 9999 is far.
_STAND_IN_DAYS = 146_000
_STAND_IN_SECONDS = 253_370_764_800

_BYTE_ESCAPE = re.compile(r"\\(?:x[89a-fA-F][0-9a-fA-F]|[23][0-7]{2})")
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|(?P<octal>[0-7]{3})|u(?P<u4>[0-9a-fA-F]{4})"
    r"|U(?P<u8>[0-9a-fA-F]{8})|(?P<plain>.))",
    re.DOTALL,
)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(slots=True)
class Rewritten:
    """A text for `promql_parser`, and what the stand-ins in it are.

    Attributes:
        text: The text.
        durations: The milliseconds that stand-ins for durations are, by their own.
        moments: The milliseconds that stand-ins for moments after `@` are, by their own.
    """

    text: str = ""
    durations: dict[int, int] = field(default_factory=dict[int, int])
    moments: dict[int, int] = field(default_factory=dict[int, int])

    def stand_for_duration(self, milliseconds: int) -> str:
        """Return a duration that stands for one that cannot be written."""
        number = len(self.durations) + 1
        self.durations[_STAND_IN_DAYS * _DAY_MS + number] = milliseconds
        return f"{_STAND_IN_DAYS}d{number}ms"

    def stand_for_moment(self, seconds: float) -> str:
        """Return a moment that stands for one that cannot be written."""
        number = _STAND_IN_SECONDS + len(self.moments)
        self.moments[number * 1000] = round(seconds * 1000)
        return str(number)


def rewrite(text: str, tokens: Sequence[Token], span: QuerySpan | None) -> Rewritten:
    """Return `text` so that `promql_parser` reads it as Prometheus would.

    Args:
        text: The query.
        tokens: Its tokens.
        span: What duration expressions may refer to; None leaves them as they are.
    """
    result = Rewritten()
    pieces: list[str] = []
    position = 0
    for begin, end, replacement in sorted(_find_changes(tokens, result, span)):
        if begin < position:
            continue
        pieces += [text[position:begin], replacement]
        position = end
    result.text = "".join([*pieces, text[position:]])
    return result


_Change = tuple[int, int, str]


def _find_changes(
    tokens: Sequence[Token], result: Rewritten, span: QuerySpan | None
) -> Iterator[_Change]:
    for index, token in enumerate(tokens):
        if token.kind is TokenKind.NUMBER and "_" in token.text:
            yield token.begin, token.end, _without_underscores(token.text)
        elif token.kind is TokenKind.STRING and _BYTE_ESCAPE.search(token.text):
            if not token.text.startswith("`"):
                yield token.begin, token.end, _quote(_read_bytes(token.text[1:-1]))
        elif token.text == "info" and token.kind is TokenKind.NAME:
            yield from _allow_empty_selector(tokens, index)
        elif token.text == "@" and token.kind is TokenKind.MARK:
            yield from _allow_early_moment(tokens, index, result)
        elif span is not None:
            yield from _work_out_durations(tokens, index, result, span)


def _allow_early_moment(tokens: Sequence[Token], at: int, result: Rewritten) -> Iterator[_Change]:
    sign, *number = tokens[at + 1 : at + 3] or tokens[:1]
    if sign.text == "-" and number and number[0].kind is TokenKind.NUMBER:
        with contextlib.suppress(NotADurationError):
            replacement = result.stand_for_moment(-read_seconds(number[0].text))
            yield sign.begin, number[0].end, replacement


def _work_out_durations(
    tokens: Sequence[Token], index: int, result: Rewritten, span: QuerySpan
) -> Iterator[_Change]:
    token = tokens[index]
    if token.kind is TokenKind.MARK and token.text == "[":
        closing = find_closing(tokens, index)
        inside = tokens[index + 1 : closing]
        colon = next((at for at, each in enumerate(inside) if each.text == ":"), len(inside))
        for part in (inside[:colon], inside[colon + 1 :]):
            if len(part) > 1:
                yield from _replace(part, result, span)
    elif token.kind is TokenKind.NAME and token.text.lower() == "offset":
        following = tokens[index + 1 :]
        bare = following[1:] if following and following[0].text in ("+", "-") else following
        if bare and bare[0].kind is not TokenKind.NUMBER:
            with contextlib.suppress(NotADurationError):
                milliseconds, count = evaluate_offset(following, span)
                replacement = result.stand_for_duration(milliseconds)
                yield following[0].begin, following[count - 1].end, replacement


def _replace(part: Sequence[Token], result: Rewritten, span: QuerySpan) -> Iterator[_Change]:
    with contextlib.suppress(NotADurationError):
        milliseconds, count = evaluate_duration(part, span)
        if count == len(part):
            if milliseconds <= 0:
                raise QueryError("parse error: duration must be greater than 0")
            yield part[0].begin, part[-1].end, result.stand_for_duration(milliseconds)


def _without_underscores(text: str) -> str:
    # Only single ones between digits are allowed; the others stay, for the parser to refuse.
    return re.sub(r"(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])", "", text)


def _read_bytes(inner: str) -> str:
    """Read escapes as bytes of UTF-8, as Go does; what is none becomes the replacement sign."""
    encoded = bytearray()
    position = 0
    for match in _ESCAPE.finditer(inner):
        encoded += inner[position : match.start()].encode(errors="replace")
        if match["hex"] or match["octal"]:
            number = int(match["hex"], 16) if match["hex"] else int(match["octal"], 8)
            encoded.append(number & 0xFF)
        elif match["u4"] or match["u8"]:
            number = int(match["u4"] or match["u8"], 16)
            encoded += chr(min(number, 0x10FFFF)).encode(errors="replace")
        else:
            encoded += _PLAIN.get(match["plain"], match["plain"]).encode(errors="replace")
        position = match.end()
    encoded += inner[position:].encode(errors="replace")
    return encoded.decode(errors="replace")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _allow_empty_selector(tokens: Sequence[Token], name: int) -> Iterator[_Change]:
    """The second argument of info() may select everything, which no other selector may."""
    if name + 1 >= len(tokens) or tokens[name + 1].text != "(":
        return
    closing = find_closing(tokens, name + 1)
    index = name + 2
    while index < closing:
        if tokens[index].text in ("(", "[", "{"):
            index = find_closing(tokens, index)
        elif tokens[index].text == "," and tokens[index + 1].text == "{":
            brace = tokens[index + 1]
            comma = "" if tokens[index + 2].text == "}" else ","
            yield brace.end, brace.end, f'{ANY_INFO}="1"{comma}'
        index += 1
