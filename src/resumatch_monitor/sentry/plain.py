"""Tells quickly of most parts of an event that scrubbing would leave them as they are.

Nearly all of an event is short texts under names that mean no harm. To look at each of them takes
a hundred times as long as to learn that nothing has to be done, so that is asked first; who gets
a no walks through the part, and only that walk decides.
"""

from collections.abc import Callable
from typing import Any

_DEPTH_MAX = 12
_ITEMS_MAX = 250
_LINES_MAX = 20
_SOURCE_LINE_MAX = 300
_SHORT_MAX = 199
_NAMES_MAX = 8_192
_LINES_KEYS = ("pre_context", "post_context")
_FRAMES_KEY = "frames"

# `cast` and `isinstance` would take as long as the checks themselves.
_type_of: Callable[[object], type[object]] = type


class PlainParts:
    """Remembers which names mean no harm, and answers for parts without suspicious text."""

    def __init__(self, is_sensitive: Callable[[str], bool]) -> None:
        self._is_sensitive = is_sensitive
        self._harmless: set[str] = set()

    def is_plain(self, value: Any, depth: int) -> bool:
        """Tell whether `value` has harmless names, short texts and nothing long or deep.

        Args:
            value: Made of what JSON is made of.
            depth: How deep in the event it lies, as the walk counts.
        """
        kind = _type_of(value)
        if kind is str:
            return len(value) <= _SHORT_MAX
        if kind is dict:
            return self._is_plain_dict(value, depth)
        if kind is list:
            return self._is_plain_list(value, depth)
        return True

    def is_plain_frame(self, frame: dict[str, Any]) -> bool:
        """Tell whether a stack frame has only what is plain, short lines of code included."""
        if len(frame) > _ITEMS_MAX:
            return False
        for key, value in frame.items():
            kind = _type_of(value)
            if key in _LINES_KEYS:
                if kind is not list or not are_short_lines(value):
                    return False
            elif kind is str:
                if len(value) > _SOURCE_LINE_MAX:
                    return False
            elif key == "vars":
                if not self.is_plain(value, 3):
                    return False
            elif kind is dict or kind is list or (key == "context_line" and value is not None):
                return False
        return True

    def _is_plain_dict(self, value: dict[str, Any], depth: int) -> bool:
        if depth > _DEPTH_MAX or len(value) > _ITEMS_MAX:
            return False
        if not self._harmless.issuperset(value) and not self._learn(value):
            return False
        for item in value.values():
            kind = _type_of(item)
            if kind is str:
                if len(item) > _SHORT_MAX:
                    return False
            elif (kind is dict or kind is list) and not self.is_plain(item, depth + 1):
                return False
        return True

    def _is_plain_list(self, value: list[Any], depth: int) -> bool:
        if depth > _DEPTH_MAX or len(value) > _ITEMS_MAX:
            return False
        for item in value:
            kind = _type_of(item)
            if kind is str:
                if len(item) > _SHORT_MAX:
                    return False
            elif (kind is dict or kind is list) and not self.is_plain(item, depth + 1):
                return False
        return True

    def _learn(self, names: dict[str, Any]) -> bool:
        if len(self._harmless) > _NAMES_MAX:
            # Whoever sends names without end pays for looking at them again.
            self._harmless.clear()
        is_harmless = True
        for name in names:
            if name == _FRAMES_KEY or self._is_sensitive(name):
                is_harmless = False
            else:
                self._harmless.add(name)
        return is_harmless


def are_short_lines(lines: list[Any]) -> bool:
    """Tell whether `lines` are texts, few, and none longer than a line of code is kept."""
    if len(lines) > _LINES_MAX:
        return False
    try:
        size = len("".join(lines))
    except TypeError:
        return False
    return size <= _SOURCE_LINE_MAX or max(map(len, lines)) <= _SOURCE_LINE_MAX
