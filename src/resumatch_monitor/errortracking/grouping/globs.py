"""Patterns with `*`, `?`, `[…]` and `{…,…}`, matched in time proportional to pattern times text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product

PATTERN_MAX = 500
_ALTERNATIVES_MAX = 32
_TEXT_MAX = 2_000
_ANY, _ANY_BUT_SLASH = object(), object()


class GlobError(ValueError):
    """The pattern cannot be read; `offset` is where, from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class _OneOf:
    """Any one character, or any of some; `is_negated` for any but these."""

    characters: frozenset[str] | None
    is_negated: bool = False

    def matches(self, character: str) -> bool:
        if self.characters is None:
            return True
        return (character in self.characters) != self.is_negated


class Glob:
    """A pattern, ready to be matched against whole texts.

    With `is_path` a `*` stops at slashes and a `**` does not; without case, both are lowered.
    """

    def __init__(self, pattern: str, *, is_path: bool = False, ignore_case: bool = False) -> None:
        if len(pattern) > PATTERN_MAX:
            raise GlobError(f"a pattern has at most {PATTERN_MAX} characters", PATTERN_MAX)
        self._ignore_case = ignore_case
        text = pattern.lower() if ignore_case else pattern
        if is_path:
            text = text.replace("\\\\", "/")
        self._alternatives = [_compile(parts, is_path=is_path) for parts in _expand(_scan(text))]
        literals = [token for token in self._alternatives[0] if isinstance(token, str)]
        self._matchers = [_make_matcher(tokens) for tokens in self._alternatives]
        # What a text that matches has in it, in lower case if that does not matter; often empty.
        self.literal = max(literals, key=len, default="") if len(self._alternatives) == 1 else ""

    def matches(self, text: str) -> bool:
        """Tell whether the pattern matches all of `text`, of which the first 2,000 count."""
        shortened = text[:_TEXT_MAX]
        if self._ignore_case:
            shortened = shortened.lower()
        return any(match(shortened) for match in self._matchers)


def _make_matcher(tokens: Sequence[object]) -> Callable[[str], object]:
    """Return what tells whether a text matches.

    Where a `*` may be anything, the first place at which what follows it matches is as good as any
    other, so that the expression never goes back. Where it stops at slashes that is not so.
    """
    if _ANY_BUT_SLASH in tokens:
        return lambda text: _matches(tokens, text)
    parts = [""]
    for token in tokens:
        if token is _ANY:
            parts.append("")
        else:
            parts[-1] += _to_expression(token)
    first, *middle = parts
    if not middle:
        return re.compile(first, re.DOTALL).fullmatch
    between = "".join(f"(?>.*?{part})" for part in middle[:-1])
    return re.compile(f"{first}{between}.*{middle[-1]}", re.DOTALL).fullmatch


def _to_expression(token: object) -> str:
    if isinstance(token, str):
        return re.escape(token)
    assert isinstance(token, _OneOf)
    if token.characters is None:
        return "."
    if not token.characters:
        return "." if token.is_negated else "(?!)"
    inside = "".join(map(re.escape, sorted(token.characters)))
    return f"[{'^' if token.is_negated else ''}{inside}]"


def _matches(tokens: Sequence[object], text: str) -> bool:
    first, last = (tokens[0], tokens[-1]) if tokens else ("", "")
    # Nearly all patterns are decided by their ends, and that costs next to nothing.
    if isinstance(first, str) and not text.startswith(first):
        return False
    if isinstance(last, str) and not text.endswith(last):
        return False
    if len(tokens) == 1 and isinstance(first, str):
        return len(text) == len(first)
    if len(tokens) == 1 and first is _ANY:
        return True
    positions = {0}
    for token in tokens:
        positions = _advance(token, text, positions)
        if not positions:
            return False
    return len(text) in positions


def _advance(token: object, text: str, positions: set[int]) -> set[int]:
    if isinstance(token, str):
        size = len(token)
        return {at + size for at in positions if text.startswith(token, at)}
    if isinstance(token, _OneOf):
        return {at + 1 for at in positions if at < len(text) and token.matches(text[at])}
    if token is _ANY:
        return set(range(min(positions), len(text) + 1))
    reached: set[int] = set()
    for at in positions:
        if at not in reached:
            end = text.find("/", at)
            reached.update(range(at, (len(text) if end < 0 else end) + 1))
    return reached


def _scan(pattern: str) -> list[tuple[str, int]]:
    """Return characters and their offsets; an escaped one has a backslash before it."""
    scanned: list[tuple[str, int]] = []
    offset = 0
    while offset < len(pattern):
        size = 2 if pattern[offset] == "\\" and offset + 1 < len(pattern) else 1
        scanned.append((pattern[offset : offset + size], offset))
        offset += size
    return scanned


def _expand(scanned: Sequence[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    """Return a list of characters for each way of choosing among the braces."""
    parts: list[list[list[tuple[str, int]]]] = []
    plain: list[tuple[str, int]] = []
    position = 0
    while position < len(scanned):
        character, offset = scanned[position]
        if character != "{":
            plain.append(scanned[position])
            position += 1
            continue
        names = [each for each, _ in scanned[position:]]
        if "}" not in names:
            raise GlobError("the brace is not closed; write \\{ for the character", offset)
        end = position + names.index("}")
        parts += [[plain], _split(scanned[position + 1 : end])]
        plain, position = [], end + 1
    parts.append([plain])
    ways = islice(product(*parts), _ALTERNATIVES_MAX + 1)
    alternatives = [[each for part in way for each in part] for way in ways]
    if len(alternatives) > _ALTERNATIVES_MAX:
        raise GlobError(f"the braces have more than {_ALTERNATIVES_MAX} combinations", 0)
    return alternatives


def _split(scanned: Sequence[tuple[str, int]]) -> list[list[tuple[str, int]]]:
    choices: list[list[tuple[str, int]]] = [[]]
    for each in scanned:
        if each[0] == ",":
            choices.append([])
        else:
            choices[-1].append(each)
    return choices


def _compile(scanned: Sequence[tuple[str, int]], *, is_path: bool) -> list[object]:
    tokens: list[object] = []
    literal = ""
    position = 0
    while position < len(scanned):
        character, offset = scanned[position]
        position += 1
        if character not in ("*", "?", "["):
            literal += character[-1]
            continue
        if literal:
            tokens.append(literal)
            literal = ""
        if character == "?":
            tokens.append(_OneOf(None))
        elif character == "*":
            is_double = position < len(scanned) and scanned[position][0] == "*"
            position += is_double
            tokens.append(_ANY if is_double or not is_path else _ANY_BUT_SLASH)
        else:
            token, position = _read_class(scanned, position, offset)
            tokens.append(token)
    return [*tokens, literal] if literal else tokens


def _read_class(
    scanned: Sequence[tuple[str, int]], position: int, offset: int
) -> tuple[_OneOf, int]:
    characters: set[str] = set()
    is_negated = position < len(scanned) and scanned[position][0] in ("!", "^")
    position += is_negated
    while position < len(scanned) and scanned[position][0] != "]":
        first = scanned[position][0][-1]
        is_range = position + 2 < len(scanned) and scanned[position + 1][0] == "-"
        if is_range and scanned[position + 2][0] != "]":
            last = scanned[position + 2][0][-1]
            characters.update(map(chr, range(ord(first), min(ord(last), ord(first) + 255) + 1)))
            position += 3
        else:
            characters.add(first)
            position += 1
    if position >= len(scanned):
        raise GlobError("the bracket is not closed; write \\[ for the character", offset)
    return _OneOf(frozenset(characters), is_negated), position + 1
