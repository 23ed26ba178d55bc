"""Tells of packed lines whether one may match, before any is read: that is what takes the time."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from resumatch_monitor.kit.regex import RegexSet
from resumatch_monitor.logs.query.tree import And, Node, Or, Regex, Wildcard

Prefilter: TypeAlias = Callable[[bytes], bool]
"""Of one line or of many: False only if none of them matches."""

_SHORTEST = 3
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")
_QUANTIFIERS = frozenset("*?{")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\\[]|\\.|\[:\^?\w+:\])*\]", re.DOTALL)
_FOLDS = "(?i)"


def build_prefilter(node: Node) -> Prefilter | None:
    """Return a test that is much quicker than looking at records; None if there is none."""
    match node:
        case Regex():
            ignores_case = node.pattern.startswith(_FOLDS)
            pattern = node.pattern.removeprefix(_FOLDS)
            return _contains(_required_literals(pattern), ignores_case=ignores_case)
        case Wildcard():
            return _contains(re.split(r"[*?]", node.pattern))
        case And():
            return _all_of([test for test in map(build_prefilter, node.nodes) if test])
        case Or():
            tests = [build_prefilter(each) for each in node.nodes]
            return _any_of([test for test in tests if test]) if all(tests) else None
        case _:
            return None


def _contains(literals: Sequence[str], *, ignores_case: bool = False) -> Prefilter | None:
    usable = [piece for literal in literals for piece in _unescaped(literal) if _is_text(piece)]
    if not usable:
        return None
    if ignores_case:
        find = RegexSet([re.escape(max(usable, key=len))]).find
        return lambda data: bool(find(data))
    needles = [literal.encode() for literal in sorted(usable, key=len, reverse=True)]
    if len(needles) == 1:
        needle = needles[0]
        return lambda data: needle in data
    return lambda data: all(needle in data for needle in needles)


def _unescaped(literal: str) -> list[str]:
    """Return the parts of a text that stand in JSON as they are."""
    return re.split(r'["\\\x00-\x1f\ud800-\udfff]', literal)


def _is_text(literal: str) -> bool:
    """Return whether a text is long enough, and cannot be part of a number, written otherwise."""
    return len(literal) >= _SHORTEST and not _NUMBER_CHARACTERS.issuperset(literal)


def _all_of(tests: Sequence[Prefilter]) -> Prefilter | None:
    if not tests:
        return None
    return lambda data: all(test(data) for test in tests)


def _any_of(tests: Sequence[Prefilter]) -> Prefilter:
    return lambda data: any(test(data) for test in tests)


def _required_literals(pattern: str) -> list[str]:
    """Return texts that whatever matches must contain; none where that is not plain to see."""
    if "|" in pattern or "(?" in pattern or "\\Q" in pattern:
        return []
    literals: list[str] = []
    run = ""
    depth = at = 0
    while at < len(pattern):
        character, length = _read_atom(pattern, at)
        if character is None:
            return []
        depth += (pattern[at] == "(") - (pattern[at] == ")")
        at += length
        is_optional = at < len(pattern) and pattern[at] in _QUANTIFIERS
        # What is in a group may be repeated, or left out, as a whole.
        if character and not depth and not is_optional:
            run += character
        if not character or depth or is_optional or pattern[at : at + 1] == "+":
            literals.append(run)
            run = ""
    return [*literals, run]


def _read_atom(pattern: str, at: int) -> tuple[str | None, int]:
    """Return the character that stands at a place and how long it is written.

    The character is `""` where it is none in particular, and None where nobody can tell.
    """
    character = pattern[at]
    if character == "[":
        found = _CLASS.match(pattern, at)
        return ("", found.end() - at) if found else (None, 1)
    if character == "{":
        end = pattern.find("}", at)
        return ("", end + 1 - at) if end > 0 else (None, 1)
    if character == "\\":
        escaped = pattern[at + 1 : at + 2]
        if not escaped or (escaped.isalnum() and escaped not in "dDwWsSbBAz"):
            return None, 1
        return ("" if escaped.isalnum() else escaped), 2
    return ("" if character in ".^$()*+?" else character), 1
