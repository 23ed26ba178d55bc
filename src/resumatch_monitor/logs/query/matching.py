"""Asks a single record what the index is asked of all: for live tails, rules, and scans."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from resumatch_monitor.kit.regex import Regex as CompiledRegex
from resumatch_monitor.logs.fields import FIELD_NAMES, Field
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
from resumatch_monitor.logs.record import LogRecord, severity_range

Predicate: TypeAlias = Callable[[LogRecord], bool]

MAX_WILDCARDS = 10
MAX_PATTERN_CHARACTERS = 200

_STARS = re.compile(r"\*+")
_LARGEST_INTEGER = 2**63
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
)


def build_predicate(node: Node) -> Predicate:
    """Return what tells whether a record matches.

    Raises:
        ValueError: If a regular expression cannot be read.
    """
    match node:
        case Everything():
            return lambda _record: True
        case Words():
            return _build_words(node)
        case Equals():
            return _build_equals(node)
        case Wildcard():
            return _build_wildcard(node)
        case Regex():
            return _build_regex(node)
        case Range():
            return lambda record: any(
                _lies_within(value, node) for value in field_values(record, node.field)
            )
        case Exists():
            return lambda record: bool(field_values(record, node.field))
        case Not():
            inner = build_predicate(node.node)
            return lambda record: not inner(record)
        case And():
            parts = [build_predicate(each) for each in node.nodes]
            return lambda record: all(part(record) for part in parts)
        case Or():
            parts = [build_predicate(each) for each in node.nodes]
            return lambda record: any(part(record) for part in parts)


def field_values(record: LogRecord, name: str) -> Sequence[Any]:
    """Return the values that a record has of a field; of `message`, the body and stack trace."""
    if name == Field.MESSAGE:
        texts = (record.body, record.stack_trace)
        return [text for text in texts if text]
    if name in FIELD_NAMES:
        value: Any = getattr(record, name)
        return [value] if value else []
    value = record.attributes.get(name)
    if isinstance(value, list):
        return [each for each in cast("list[Any]", value) if each is not None]
    return [] if value is None else [value]


def render_value(value: Any) -> str:
    """Return a value as people write it in a query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_INTEGER:
        return str(int(value))
    return str(value)


def wildcard_to_regex(pattern: str) -> str:
    """Return the regular expression of a pattern of `*` and `?`, to be matched as a whole."""
    parts = {"*": ".*", "?": "."}
    return "".join(parts.get(character) or re.escape(character) for character in pattern)


def bound_pattern(pattern: str) -> str:
    """Return a pattern of `*` and `?` without stars that change nothing.

    Raises:
        ValueError: If the automaton that finds it could become large.
    """
    shorter = _STARS.sub("*", pattern)
    wildcards = shorter.count("*") + shorter.count("?")
    if wildcards > MAX_WILDCARDS or len(shorter) > MAX_PATTERN_CHARACTERS:
        raise ValueError(
            f"a pattern has at most {MAX_WILDCARDS} wildcards and {MAX_PATTERN_CHARACTERS}"
            " characters"
        )
    return shorter


def _build_words(node: Words) -> Predicate:
    wanted = list(node.words)

    def has_words(record: LogRecord) -> bool:
        texts = [_words_of(text) for text in (record.body, record.stack_trace) if text]
        if node.is_phrase:
            return any(_has_phrase(words, wanted) for words in texts)
        present = {word for words in texts for word in words}
        return present.issuperset(wanted)

    return has_words


def _build_equals(node: Equals) -> Predicate:
    if node.field == Field.SEVERITY:
        bounds = severity_range(node.value)
        if bounds is None:
            return lambda record: str(record.severity) == node.value
        low, high = bounds
        return lambda record: low <= record.severity <= high
    if node.field in (Field.TRACE_ID, Field.SPAN_ID):
        value = node.value.replace("-", "").lower()
        return lambda record: getattr(record, node.field) == value
    number = parse_number(node.value)

    def equals(value: Any) -> bool:
        if isinstance(value, str | bool):
            return render_value(value) == node.value
        return value == number if number is not None else False

    return lambda record: any(equals(value) for value in field_values(record, node.field))


def _build_wildcard(node: Wildcard) -> Predicate:
    if node.field == Field.MESSAGE:
        fits = CompiledRegex(
            wildcard_to_regex(node.pattern.lower()), dot_matches_newline=True
        ).matches
        return lambda record: any(
            fits(word)
            for text in (record.body, record.stack_trace)
            if text
            for word in _words_of(text)
        )
    fits = CompiledRegex(wildcard_to_regex(node.pattern), dot_matches_newline=True).matches
    return lambda record: any(
        fits(render_value(value)) for value in field_values(record, node.field)
    )


def _build_regex(node: Regex) -> Predicate:
    search = CompiledRegex(node.pattern).searches
    return lambda record: any(
        search(render_value(value)) for value in field_values(record, node.field)
    )


def _lies_within(value: Any, node: Range) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if node.low is not None and (value < node.low or (value == node.low and not node.includes_low)):
        return False
    return node.high is None or value < node.high or (value == node.high and node.includes_high)


def _has_phrase(words: Sequence[str], wanted: Sequence[str]) -> bool:
    first, length = wanted[0], len(wanted)
    return any(
        word == first and list(words[at : at + length]) == wanted for at, word in enumerate(words)
    )


def parse_number(text: str) -> int | float | None:
    """Return the number that a text is, None if it is none or beyond what a float can be."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if _INTEGER.fullmatch(text) else number


def _words_of(text: str) -> list[str]:
    return split_words(text)
