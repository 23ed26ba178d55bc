"""Keeps résumé text and passwords out of logs and error reports.

Two nets, one behind the other. By name: fields and variables that hold such text are blanked.
By value: whatever the request was given as private is remembered until it ends, and any text
that repeats a part of it is blanked too, wherever it turns up.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, cast

FILTERED = "[filtered]"
PRIVATE_NAMES = frozenset(
    {
        "authorization",
        "body",
        "cookie",
        "content",
        "data",
        "document",
        "email",
        "file",
        "form",
        "headers",
        "job_text",
        "password",
        "password_hash",
        "paragraphs",
        "payload",
        "resume",
        "resume_text",
        "secret",
        "secret_key",
        "sentence",
        "sentences",
        "session",
        "set-cookie",
        "text",
        "token",
        "upload",
        "x-monitor-synthetic",
    }
)

_LONGEST_PLAIN_VALUE = 256
_SHORTEST_PRIVATE_TEXT = 6
# A value that shares 24 characters in a row with private text shares one whole block of it.
_BLOCK = 16
_BLOCK_STEP = 8
_MAX_REMEMBERED = 1_000_000
_BREAKS = re.compile(r"(?:\\[nrt]|\s)+")


class Guard:
    """Recognises the private texts of one request."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._blocks: set[str] | None = None

    def remember(self, text: str) -> None:
        text = _normalize(text[:_MAX_REMEMBERED])
        if len(text) >= _SHORTEST_PRIVATE_TEXT:
            if sum(map(len, self._texts)) < _MAX_REMEMBERED:
                self._texts.append(text)
            self._blocks = None

    def clean(self, value: str) -> str:
        """Give `value` back, or the mark in its place if it repeats private text."""
        return FILTERED if self._texts and self._repeats(_normalize(value)) else value

    def _repeats(self, value: str) -> bool:
        if len(value) < _SHORTEST_PRIVATE_TEXT:
            return False
        bare = value.strip("'\"")
        for text in self._texts:
            if text in value or (len(value) >= _BLOCK and bare in text):
                return True
        if len(value) < _BLOCK:
            return False
        if self._blocks is None:
            self._blocks = {
                text[at : at + _BLOCK]
                for text in self._texts
                for at in range(0, len(text) - _BLOCK + 1, _BLOCK_STEP)
            }
        blocks = self._blocks
        return any(value[at : at + _BLOCK] in blocks for at in range(len(value) - _BLOCK + 1))


_NOBODYS = Guard()
_guard: ContextVar[Guard] = ContextVar("resumatch_private", default=_NOBODYS)


def start_request() -> None:
    """Forget what earlier requests gave, and begin to remember for this one."""
    _guard.set(Guard())


def remember(text: str) -> None:
    """Declare that `text` must not leave this request."""
    guard = _guard.get()
    # Outside a request there is nothing whose end would let it be forgotten.
    if guard is not _NOBODYS:
        guard.remember(text)


def current_guard() -> Guard:
    return _guard.get()


def scrub(value: Any, *, name: str = "") -> Any:
    """Copy `value` with everything private replaced."""
    if name.lower() in PRIVATE_NAMES and value is not None:
        return FILTERED
    if isinstance(value, str):
        return current_guard().clean(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {key: scrub(each, name=str(key)) for key, each in items}
    if isinstance(value, (list, tuple)):
        return [scrub(each) for each in cast("list[Any]", value)]
    return value


def shorten(value: Any) -> Any:
    """Replace long strings of a local variable's value: what is long may be anything."""
    if isinstance(value, str) and len(value) > _LONGEST_PLAIN_VALUE:
        return f"[{len(value)} characters]"
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {key: shorten(each) for key, each in items}
    if isinstance(value, (list, tuple)):
        return [shorten(each) for each in cast("list[Any]", value)]
    return value


def _normalize(text: str) -> str:
    return _BREAKS.sub(" ", text).strip().casefold()
