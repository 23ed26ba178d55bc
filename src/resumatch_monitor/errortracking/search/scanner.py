"""The characters of a search: words, quoted texts, keys and operators."""

import re

from resumatch_monitor.errortracking.search.query import (
    Operator,
    Pattern,
    QuerySyntaxError,
)

_KEY = re.compile(r"([A-Za-z0-9_.-]{1,64}):", re.ASCII)
_EXPLICIT_KEY = re.compile(r"tags\[([^\]\n]{1,64})\]", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_OPERATOR = re.compile(r">=|<=|>|<|=")
_ESCAPED = '"\\*'


class Scanner:
    """A position in a query."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self._text)

    def peek(self) -> str:
        """Return the next character."""
        return self._text[self.position]

    def advance(self) -> None:
        """Go over a character."""
        self.position += 1

    def skip_space(self) -> None:
        """Go to the next character that is no space."""
        while not self.is_at_end and self.peek().isspace():
            self.position += 1

    def sees_word(self, word: str) -> bool:
        """Return whether the next word is that one."""
        end = self.position + len(word)
        if self._text[self.position : end] != word:
            return False
        return end >= len(self._text) or self._text[end].isspace() or self._text[end] in "()"

    def take_word(self, word: str) -> bool:
        """Go over that word, if it is next, and return whether it was."""
        self.skip_space()
        is_next = self.sees_word(word)
        if is_next:
            self.position += len(word)
        return is_next

    def take_key(self) -> tuple[str, bool] | None:
        """Go over a key and its colon; return it, and whether it names a tag outright."""
        explicit = _EXPLICIT_KEY.match(self._text, self.position)
        if explicit is not None and self._text[explicit.end() : explicit.end() + 1] == ":":
            self.position = explicit.end() + 1
            return explicit.group(1), True
        found = _KEY.match(self._text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group(1), False

    def take_name(self) -> tuple[str, bool]:
        """Go over a key without a colon, empty if there is none; the same as `take_key`."""
        explicit = _EXPLICIT_KEY.match(self._text, self.position)
        found = explicit or _NAME.match(self._text, self.position)
        if found is None:
            return "", False
        self.position = found.end()
        return (found.group(1), True) if explicit else (found.group(), False)

    def is_no_value(self) -> bool:
        """Return whether what follows a colon shows that the word was no key."""
        if self.is_at_end:
            return True
        rest = self._text[self.position : self.position + 2]
        return rest[0].isspace() or rest[0] in ":)" or rest == "//"

    def take_operator(self) -> Operator:
        """Go over an operator; `=` and none are the same."""
        found = _OPERATOR.match(self._text, self.position)
        if found is None:
            return Operator.EQUAL
        self.position = found.end()
        return Operator.EQUAL if found.group() == "=" else Operator(found.group())

    def take_text(self) -> Pattern:
        """Go over free text: a quoted one, or a word."""
        return self._take(stop="")

    def take_value(self) -> Pattern:
        """Go over a value."""
        return self._take(stop="")

    def take_item(self) -> Pattern:
        """Go over a value in a list."""
        return self._take(stop=",]")

    def _take(self, stop: str) -> Pattern:
        start = self.position
        if self.peek() == '"':
            return self._take_quoted()
        opened = 0
        builder = _PatternBuilder(start)
        while not self.is_at_end:
            character = self.peek()
            if character.isspace() or character in stop or (character == ")" and not opened):
                break
            # A call's parentheses belong to the word: `charge()`.
            opened += {"(": 1, ")": -1}.get(character, 0)
            self._add(builder)
        return builder.build()

    def _take_quoted(self) -> Pattern:
        start = self.position
        self.advance()
        builder = _PatternBuilder(start)
        while not self.is_at_end:
            if self.peek() == '"':
                self.advance()
                return builder.build()
            self._add(builder)
        raise QuerySyntaxError("This quotation mark is never closed.", start, ('"',))

    def _add(self, builder: "_PatternBuilder") -> None:
        character = self.peek()
        self.advance()
        if character == "\\" and not self.is_at_end and self.peek() in _ESCAPED:
            builder.add(self.peek())
            self.advance()
        elif character == "*":
            builder.add_wildcard()
        else:
            builder.add(character)


class _PatternBuilder:
    """Gathers a pattern; stars beside each other are one."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._parts: list[list[str]] = [[]]

    def add(self, character: str) -> None:
        self._parts[-1].append(character)

    def add_wildcard(self) -> None:
        if len(self._parts) == 1 or self._parts[-1]:
            self._parts.append([])

    def build(self) -> Pattern:
        return Pattern(tuple("".join(part) for part in self._parts), self._position)
