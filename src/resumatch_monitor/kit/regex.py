"""Regular expressions that other people write, on texts that yet other people write.

RE2 takes time proportional to the text, whatever the expression; Python's own engine may take for
ever, and holds up the whole process meanwhile. It is also the syntax that Prometheus has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import re2

_re2 = cast("Any", re2)


class RegexError(ValueError):
    """The text is not a regular expression; the message says why."""


class RegexMatch(Protocol):
    """Where an expression matched; groups by number or name."""

    def __getitem__(self, group: int | str, /) -> str | None:
        """Return a group's text, None if it took no part.

        Raises:
            IndexError: If the expression has no such group.
        """
        ...

    def span(self) -> tuple[int, int]:
        """Return where the match begins and ends."""
        ...


class Regex:
    """A compiled expression.

    Raises:
        RegexError: If it does not compile or becomes too large.
    """

    __slots__ = ("_bytes_fullmatch", "_compiled")

    def __init__(self, pattern: str, *, dot_matches_newline: bool = False) -> None:
        options = _re2.Options()
        options.log_errors = False
        options.dot_nl = dot_matches_newline
        try:
            self._compiled = _re2.compile(pattern, options)
            self._bytes_fullmatch: Callable[[bytes], object] = _re2.compile(
                pattern.encode(), options
            ).fullmatch
        except UnicodeEncodeError:
            raise RegexError("it holds half of a surrogate pair") from None
        except _re2.error as error:
            reason = error.args[0]
            raise RegexError(
                reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
            ) from None

    def matches(self, text: str) -> bool:
        """Tell whether all of `text` matches."""
        # On bytes RE2 need not find out which characters its offsets belong to.
        return self._bytes_fullmatch(text.encode(errors="replace")) is not None

    def searches(self, text: str) -> bool:
        """Tell whether any part of `text` matches."""
        return self._compiled.search(_clean(text)) is not None

    def fullmatch(self, text: str) -> RegexMatch | None:
        """Return the match of all of `text`, if it matches."""
        return cast("RegexMatch | None", self._compiled.fullmatch(_clean(text)))

    def search(self, text: str) -> RegexMatch | None:
        """Return the first match within `text`, if there is one."""
        return cast("RegexMatch | None", self._compiled.search(_clean(text)))

    @property
    def group_names(self) -> list[str]:
        """The names of the groups that have one, in order."""
        return list(self._compiled.groupindex)

    def replace(
        self, text: str, fill: Callable[[RegexMatch], str], *, most: int | None = None
    ) -> str:
        """Return `text` with each match replaced by what `fill` makes of it.

        Args:
            text: Any.
            fill: Is given the matches in order.
            most: After so many, all the rest of the text counts as part of the last one.
        """
        text = _clean(text)
        parts: list[str] = []
        position = 0
        matches = cast("Iterator[RegexMatch]", self._compiled.finditer(text))
        for number, match in enumerate(matches, 1):
            begin, end = match.span()
            if number == most:
                end = len(text)
                parts += (text[position:begin], fill(match))
                position = end
                break
            parts += (text[position:begin], fill(match))
            position = end
        return "".join((*parts, text[position:]))


class RegexSet:
    """Several expressions that are looked for in one pass, as a rule whatever the case.

    Raises:
        RegexError: If one does not compile or all together become too large.
    """

    __slots__ = ("_match",)

    def __init__(self, patterns: Sequence[str], *, is_case_sensitive: bool = False) -> None:
        options = _re2.Options()
        options.log_errors = False
        options.case_sensitive = is_case_sensitive
        try:
            compiled = _re2.Set.SearchSet(options)
            for pattern in patterns:
                compiled.Add(pattern)
            compiled.Compile()
        except _re2.error as error:
            raise RegexError(str(error)) from None
        self._match: Callable[[bytes], Sequence[int] | None] = compiled.Match

    def find(self, text: bytes) -> list[int]:
        """Return the indices of those that match any part of `text`, in order."""
        found = self._match(text)
        return sorted(found) if found else []


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
