"""Regular expressions of people's own, beside the built-in patterns."""

from collections.abc import Iterable

from resumatch_monitor.kit.regex import Regex, RegexError, RegexSet
from resumatch_monitor.sentry.patterns import FILTERED, Pattern
from resumatch_monitor.sentry.settings import ScrubPattern

_BACKSLASH = b"\x00"
"""Stands for it while the other escapes are undone: JSON holds no such byte."""
_ESCAPES = (
    (b"\\\\", _BACKSLASH),
    (b'\\"', b'"'),
    (b"\\n", b"\n"),
    (b"\\t", b"\t"),
    (b"\\r", b"\r"),
    (b"\\b", b"\x08"),
    (b"\\f", b"\x0c"),
)


class CustomPatterns:
    """Tells which of a project's own patterns may occur in a part of an event.

    In JSON whose escapes are undone every text stands as it is, between quotes. One pass over that
    answers for all expressions, without their anchors: those mean the ends of a text.
    """

    def __init__(self, settings: Iterable[ScrubPattern]) -> None:
        self.patterns: tuple[Pattern, ...] = ()
        self._always: list[Pattern] = []
        self._searched: list[Pattern] = []
        expressions: list[str] = []
        for each in settings:
            pattern = _make_pattern(each)
            self.patterns += (pattern,)
            wider = _widen(each.pattern)
            if wider is None:
                self._always.append(pattern)
            else:
                self._searched.append(pattern)
                expressions.append(wider)
        self._set = RegexSet(expressions, is_case_sensitive=True) if expressions else None

    def find(self, json: bytes) -> list[Pattern]:
        """Return the patterns that may occur in a part of an event."""
        text = _undo_escapes(json)
        if text is None or self._set is None:
            return list(self.patterns)
        return [*self._always, *(self._searched[index] for index in self._set.find(text))]


def _make_pattern(settings: ScrubPattern) -> Pattern:
    regex = Regex(settings.pattern)
    fill = f"[Filtered:{settings.name}]" if settings.name else FILTERED

    def replace(text: str) -> str:
        return regex.replace(text, lambda _: fill) if regex.searches(text) else text

    return Pattern(settings.name, "", lambda _: True, replace)


def _undo_escapes(json: bytes) -> bytes | None:
    """Return JSON with its texts as they are; None if control characters make that impossible."""
    if b"\\" not in json:
        return json
    for escape, character in _ESCAPES:
        json = json.replace(escape, character)
    return None if b"\\" in json else json.replace(_BACKSLASH, b"\\")


def _widen(expression: str) -> str | None:
    """Return an expression without anchors, which finds whatever `expression` finds.

    None if there is no telling.
    """
    kept: list[str] = []
    position = 0
    while position < len(expression):
        character = expression[position]
        if character == "\\":
            part = expression[position : position + 2]
            if part == "\\Q":
                return None
        elif character == "[":
            part = _read_class(expression, position)
        else:
            part = character
        position += len(part)
        if part not in ("^", "$", "\\A", "\\z"):
            kept.append(part)
    wider = "".join(kept)
    try:
        return None if Regex(wider).matches("") else wider
    except RegexError:
        return None


def _read_class(expression: str, start: int) -> str:
    """Return the character class that begins at `start`, brackets included."""
    position = start + 1
    if expression[position : position + 1] == "^":
        position += 1
    if expression[position : position + 1] == "]":
        position += 1
    while position < len(expression) and expression[position] != "]":
        if expression.startswith("[:", position):
            end = expression.find(":]", position)
            position = end + 2 if end >= 0 else position + 1
        else:
            position += 2 if expression[position] == "\\" else 1
    return expression[start : position + 1]
