"""Reads a query in the manner of Lucene: words, fields, ranges, `AND`, `OR`, `NOT`."""

from collections.abc import Callable
from dataclasses import dataclass

from resumatch_monitor.kit.regex import Regex as CompiledRegex
from resumatch_monitor.kit.regex import RegexError
from resumatch_monitor.logs.fields import Field, resolve_field
from resumatch_monitor.logs.query.lexer import QueryError, Token, TokenKind, tokenize, unescape
from resumatch_monitor.logs.query.matching import bound_pattern, parse_number
from resumatch_monitor.logs.query.tree import (
    And,
    Equals,
    Everything,
    Exists,
    Node,
    Not,
    Or,
    Range,
    Regex,
    Wildcard,
    Words,
    split_words,
)
from resumatch_monitor.logs.record import parse_severity, severity_range

MAX_DEPTH = 30
MAX_NODES = 200

_HIGHEST_SEVERITY = 24
_WILDCARDS = frozenset("*?")
_TIME_FIELDS = frozenset({"@timestamp", "timestamp", "time"})
_EXISTS = "_exists_"


def parse_query(text: str) -> Node:
    """Return what a query asks for; an empty one asks for everything.

    Raises:
        QueryError: If it cannot be read, at which character.
    """
    return _Parser(tokenize(text)).parse()


@dataclass(slots=True)
class _Parser:
    """Goes down into the query, one method a level of precedence."""

    tokens: list[Token]
    at: int = 0
    nodes: int = 0
    depth: int = 0

    def parse(self) -> Node:
        """Read all of it."""
        if self.token.kind is TokenKind.END:
            return Everything()
        node = self._either("")
        rest = self.token
        if rest.kind is not TokenKind.END:
            raise QueryError(f"{rest.text!r} has no beginning", rest.position)
        return node

    @property
    def token(self) -> Token:
        """The token that is next."""
        return self.tokens[self.at]

    def _advance(self) -> Token:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def _either(self, field: str) -> Node:
        parts = [self._all(field)]
        while self.token.kind is TokenKind.OR:
            self._advance()
            parts.append(self._all(field))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, field: str) -> Node:
        parts = [self._negated(field)]
        while self.token.kind not in (TokenKind.OR, TokenKind.CLOSE, TokenKind.END):
            if self.token.kind is TokenKind.AND:
                self._advance()
            parts.append(self._negated(field))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negated(self, field: str) -> Node:
        is_negative = False
        while self.token.kind is TokenKind.NOT:
            self._advance()
            is_negative = not is_negative
        node = self._primary(field)
        return Not(node) if is_negative else node

    def _primary(self, field: str) -> Node:
        self.nodes += 1
        token = self._advance()
        if self.nodes > MAX_NODES:
            raise QueryError(f"a query has at most {MAX_NODES} parts", token.position)
        if token.kind is TokenKind.OPEN:
            return self._group(token, field)
        if token.kind is TokenKind.FIELD:
            return self._fielded(token)
        if token.kind is TokenKind.RANGE_OPEN and field:
            return self._range(token, field)
        read = _VALUES.get(token.kind)
        if read is None:
            shown = "the end" if token.kind is TokenKind.END else repr(token.text)
            raise QueryError(f"a word or a field is missing before {shown}", token.position)
        return read(token, field or Field.MESSAGE)

    def _group(self, opening: Token, field: str) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError(f"parentheses are nested {MAX_DEPTH} deep at most", opening.position)
        node = self._either(field)
        if self.token.kind is not TokenKind.CLOSE:
            raise QueryError("the parenthesis is not closed", opening.position)
        self._advance()
        self.depth -= 1
        return node

    def _fielded(self, token: Token) -> Node:
        following = self.token
        if token.text in _TIME_FIELDS:
            raise QueryError("the time is chosen beside the query, not in it", token.position)
        if token.text == _EXISTS:
            self._advance()
            if following.kind not in (TokenKind.WORD, TokenKind.PHRASE):
                raise QueryError("the name of a field is missing", following.position)
            return Exists(resolve_field(unescape(following.text)))
        field = resolve_field(token.text)
        if following.kind is TokenKind.COMPARISON:
            self._advance()
            return self._comparison(following, field)
        if following.kind in (TokenKind.END, TokenKind.CLOSE, TokenKind.FIELD):
            raise QueryError(f"the value of {token.text} is missing", following.position)
        return self._primary(field)

    def _comparison(self, operator: Token, field: str) -> Node:
        token = self._advance()
        if token.kind not in (TokenKind.WORD, TokenKind.PHRASE):
            raise QueryError("a number is missing", token.position)
        includes = operator.text.endswith("=")
        if operator.text.startswith(">"):
            bound = _read_bound(token, field, is_low=includes)
            return Range(field, low=bound, includes_low=includes)
        bound = _read_bound(token, field, is_low=not includes)
        return Range(field, high=bound, includes_high=includes)

    def _range(self, opening: Token, field: str) -> Node:
        low = self._bound(field, is_low=True)
        separator = self._advance()
        if separator.text != "TO":
            raise QueryError("TO is missing between the two bounds", separator.position)
        high = self._bound(field, is_low=False)
        closing = self._advance()
        if closing.kind is not TokenKind.RANGE_CLOSE:
            raise QueryError("the range is not closed", opening.position)
        return Range(
            field,
            low=low,
            high=high,
            includes_low=opening.text == "[",
            includes_high=closing.text == "]",
        )

    def _bound(self, field: str, *, is_low: bool) -> float | None:
        token = self._advance()
        if token.kind not in (TokenKind.WORD, TokenKind.PHRASE):
            raise QueryError("a bound of the range is missing", token.position)
        return None if token.text == "*" else _read_bound(token, field, is_low=is_low)


def _read_bound(token: Token, field: str, *, is_low: bool) -> float:
    text = unescape(token.text)
    if field == Field.SEVERITY:
        bounds = severity_range(text)
        if bounds is not None:
            return bounds[0] if is_low else bounds[1]
    number = parse_number(text)
    if number is None:
        what = "a level" if field == Field.SEVERITY else "a number"
        raise QueryError(f"{text!r} is not {what}", token.position)
    return number


def _read_word(token: Token, field: str) -> Node:
    has_wildcard = _has_wildcard(token.text)
    if field != Field.MESSAGE:
        if token.text == "*":
            return Exists(field)
        if has_wildcard:
            return _wildcard(token, field, unescape(token.text))
        return _equals(token, field, unescape(token.text))
    if token.text == "*":
        return Everything()
    if has_wildcard:
        return _read_pattern(token)
    return _words(token, unescape(token.text))


def _read_phrase(token: Token, field: str) -> Node:
    if field != Field.MESSAGE:
        return _equals(token, field, token.text)
    return _words(token, token.text)


def _read_regex(token: Token, field: str) -> Node:
    try:
        CompiledRegex(token.text)
    except RegexError as error:
        raise QueryError(
            f"the regular expression cannot be read: {error}", token.position
        ) from error
    return Regex(field, token.text)


_VALUES: dict[TokenKind, Callable[[Token, str], Node]] = {
    TokenKind.WORD: _read_word,
    TokenKind.PHRASE: _read_phrase,
    TokenKind.REGEX: _read_regex,
}


def _equals(token: Token, field: str, value: str) -> Node:
    if field != Field.SEVERITY or parse_severity(value):
        return Equals(field, value)
    number = parse_number(value)
    if not isinstance(number, int) or not 0 <= number <= _HIGHEST_SEVERITY:
        raise QueryError(
            f"{value!r} is no level: trace, debug, info, warning, error, fatal,"
            f" or a number up to {_HIGHEST_SEVERITY}",
            token.position,
        )
    return Equals(field, str(number))


def _wildcard(token: Token, field: str, pattern: str) -> Wildcard:
    try:
        return Wildcard(field, bound_pattern(pattern))
    except ValueError as error:
        raise QueryError(str(error), token.position) from error


def _words(token: Token, text: str) -> Node:
    words = split_words(text)
    if not words:
        raise QueryError(f"{text!r} has no word to look for", token.position)
    return Words(tuple(words))


def _read_pattern(token: Token) -> Node:
    """Read a word with wildcards; where signs part it, each part stands for itself."""
    parts: list[Node] = []
    current: list[str] = []
    for character in [*unescape(token.text), " "]:
        if character in _WILDCARDS or character.isalnum():
            current.append(character)
        elif current:
            piece, current = "".join(current).lower(), []
            if not _WILDCARDS.intersection(piece):
                parts.append(Words((piece,)))
            elif set(piece) != {"*"}:
                parts.append(_wildcard(token, Field.MESSAGE, piece))
    if not parts:
        raise QueryError(f"{token.text!r} has no word to look for", token.position)
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _has_wildcard(text: str) -> bool:
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] in _WILDCARDS:
            return True
        at += 1
    return False
