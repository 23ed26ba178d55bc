"""Cuts the text of a query into tokens that know where they stand."""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum

MAX_QUERY_CHARACTERS = 4_096

_SPECIAL = frozenset('()[]{}"')
_OPERATORS = {"AND": "and", "&&": "and", "OR": "or", "||": "or", "NOT": "not"}


class QueryError(Exception):
    """The query cannot be read.

    Attributes:
        position: The character at which it goes wrong, from 0.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class TokenKind(StrEnum):
    """What a token is."""

    WORD = "word"
    PHRASE = "phrase"
    REGEX = "regex"
    FIELD = "field"
    COMPARISON = "comparison"
    OPEN = "("
    CLOSE = ")"
    RANGE_OPEN = "["
    RANGE_CLOSE = "]"
    AND = "and"
    OR = "or"
    NOT = "not"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A token; of a word, `text` still has its escapes, for an escaped `*` is no wildcard."""

    kind: TokenKind
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a query, ended by one of kind `END`.

    Raises:
        QueryError: If it is too long, a quotation is not closed, or it is not Unicode.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise QueryError(
            f"a query has at most {MAX_QUERY_CHARACTERS} characters", MAX_QUERY_CHARACTERS
        )
    for at, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise QueryError("this is half of a character", at)
    return [*_Scanner(text).scan(), Token(TokenKind.END, "", len(text))]


def unescape(text: str) -> str:
    """Return a word without the backslashes that escape its characters."""
    if "\\" not in text:
        return text
    characters = iter(text)
    return "".join(
        next(characters, "\\") if character == "\\" else character for character in characters
    )


class _Scanner:
    """Walks over the text once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._follows_field = False

    def scan(self) -> Generator[Token]:
        """Yield the tokens."""
        while self._at < len(self._text):
            character = self._text[self._at]
            if character.isspace():
                self._at += 1
                continue
            follows_field, self._follows_field = self._follows_field, False
            yield self._next(character, follows_field=follows_field)

    def _next(self, character: str, *, follows_field: bool) -> Token:
        start = self._at
        if character == '"':
            return Token(TokenKind.PHRASE, self._take_quoted('"', "the quotation"), start)
        if character == "/" and self._is_regex():
            return Token(TokenKind.REGEX, self._take_quoted("/", "the regular expression"), start)
        if follows_field and character in "<>":
            length = 2 if self._text[start + 1 : start + 2] == "=" else 1
            self._at += length
            return Token(TokenKind.COMPARISON, self._text[start : start + length], start)
        if character in "()":
            self._at += 1
            return Token(TokenKind(character), character, start)
        if character in "[{":
            self._at += 1
            return Token(TokenKind.RANGE_OPEN, character, start)
        if character in "]}":
            self._at += 1
            return Token(TokenKind.RANGE_CLOSE, character, start)
        if character in "-!" and self._begins_negation():
            self._at += 1
            return Token(TokenKind.NOT, character, start)
        if character == "+" and self._begins_negation():
            self._at += 1
            return self._after_plus(start)
        return self._take_word(start)

    def _after_plus(self, start: int) -> Token:
        """A plus asks for what is asked for anyway."""
        if self._at < len(self._text):
            return self._next(self._text[self._at], follows_field=False)
        return Token(TokenKind.WORD, "+", start)

    def _begins_negation(self) -> bool:
        following = self._text[self._at + 1 : self._at + 2]
        before = self._text[self._at - 1 : self._at]
        is_at_start = not before or before.isspace() or before in "(:"
        # After a field it is a number's sign.
        return bool(following) and not following.isspace() and is_at_start and before != ":"

    def _is_regex(self) -> bool:
        """A slash begins an expression only if another ends it: paths begin with one, too."""
        at = self._at + 1
        while at < len(self._text):
            if self._text[at] == "\\":
                at += 1
            elif self._text[at] == "/":
                following = self._text[at + 1 : at + 2]
                return not following or following.isspace() or following == ")"
            at += 1
        return False

    def _take_quoted(self, quote: str, what: str) -> str:
        start = self._at
        self._at += 1
        parts: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            following = self._text[self._at + 1 : self._at + 2]
            if character == quote:
                self._at += 1
                return "".join(parts)
            if character == "\\" and (following == quote or (quote == '"' and following == "\\")):
                parts.append(following)
                self._at += 2
            else:
                parts.append(character)
                self._at += 1
        raise QueryError(f"{what} is not closed", start)

    def _take_word(self, start: int) -> Token:
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\\":
                self._at += 2
                continue
            if character.isspace() or character in _SPECIAL:
                break
            if character == ":" and self._is_field(self._text[start : self._at]):
                name = unescape(self._text[start : self._at])
                self._at += 1
                self._follows_field = True
                return Token(TokenKind.FIELD, name, start)
            self._at += 1
        self._at = min(self._at, len(self._text))
        word = self._text[start : self._at]
        return Token(TokenKind(_OPERATORS.get(word, "word")), word, start)

    def _is_field(self, name: str) -> bool:
        """A colon ends a field's name, not the scheme of an address nor the hours of a time."""
        after = self._text[self._at + 1 : self._at + 3]
        return bool(name) and not name[0].isdigit() and after != "//" and ":" not in name
