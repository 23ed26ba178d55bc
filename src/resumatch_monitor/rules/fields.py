"""Takes values out of a YAML document parsed `as_text`; an error names the key and its place."""

import difflib
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import cast

from resumatch_monitor.kit.durations import parse_duration

Steps = tuple[str | int, ...]
"""Where in a document a value stands."""
Pairs = tuple[tuple[str, str], ...]
"""Names and texts in the order of the file; the texts may be templates."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class InvalidError(Exception):
    """The value at `steps` cannot be used.

    Attributes:
        steps: From where the document was being read to the value.
        at_key: Whether the key is at fault, not the value.
    """

    def __init__(self, message: str, *steps: str | int, at_key: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.steps = steps
        self.at_key = at_key


def find_unknown_keys(mapping: Mapping[str, object], known: Collection[str]) -> list[InvalidError]:
    """Return an error for each key of `mapping` that is not known."""
    return [
        InvalidError(f"{key}: unknown key{_suggest(key, known)}", key, at_key=True)
        for key in mapping
        if key not in known
    ]


def _suggest(key: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def take_mapping(value: object) -> Mapping[str, object]:
    """Return `value` if it is keys and values.

    Raises:
        InvalidError: If it is not.
    """
    if not isinstance(value, dict):
        raise InvalidError("keys and values are expected here")
    return cast("dict[str, object]", value)


def take_list(value: object, key: str) -> list[object]:
    """Return `value` if it is a list; a list of nothing if there is none.

    Raises:
        InvalidError: If it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidError(f"{key}: a list is expected", key)
    return cast("list[object]", value)


def take_text(mapping: Mapping[str, object], key: str, *, is_required: bool = False) -> str:
    """Return the text at `key`; empty if there is none.

    Raises:
        InvalidError: If it is no text, or is missing although it is required.
    """
    value = mapping.get(key)
    if isinstance(value, dict | list):
        raise InvalidError(f"{key}: a text is expected", key)
    text = render_scalar(value)
    if is_required and not text.strip():
        raise InvalidError(f"{key}: is missing or empty", key)
    return text


def render_scalar(value: object) -> str:
    """Return a scalar of a document that was parsed `as_text`; nothing is an empty text."""
    return "" if value is None else str(value)


def take_duration(mapping: Mapping[str, object], key: str) -> timedelta:
    """Return the duration at `key`; zero if there is none.

    Raises:
        InvalidError: If it cannot be read.
    """
    text = take_text(mapping, key)
    if not text:
        return timedelta(0)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidError(f"{key}: {error}", key) from None


def take_count(mapping: Mapping[str, object], key: str) -> int:
    """Return the whole number at `key`; zero if there is none.

    Raises:
        InvalidError: If it is negative or no whole number.
    """
    text = take_text(mapping, key) or "0"
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidError(f"{key}: a whole number from 0 is expected", key)
    return int(text)


def take_labels(mapping: Mapping[str, object], key: str) -> Pairs:
    """Return the names and texts at `key`; none if there are none.

    Raises:
        InvalidError: If a name cannot be that of a label, or a text is none.
    """
    value = mapping.get(key)
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise InvalidError(f"{key}: names and texts are expected", key)
    pairs: list[tuple[str, str]] = []
    for name, text in cast("dict[str, object]", value).items():
        if not _LABEL_NAME.fullmatch(name) or name == "__name__":
            raise InvalidError(f"{key}.{name}: not a name for a label", key, name, at_key=True)
        if isinstance(text, dict | list):
            raise InvalidError(f"{key}.{name}: a text is expected", key, name)
        pairs.append((name, render_scalar(text)))
    return tuple(pairs)
